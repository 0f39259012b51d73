"""Tables 8-12: trainable parameters of every network."""

from typing import Any

import pandas as pd

from patchvae.errors import PatchVAEError
from patchvae.models.parameters import DATASETS, NUM_PARTS, PART_DIM, counts
from patchvae.report.tables import words
from patchvae.report.tables.config import File, Settings
from patchvae.report.tables.metrics import read_paper
from patchvae.report.tables.sheet import Sheet, lines_of, texts_of

CODES = f"{{}} (N = {NUM_PARTS} parts of d_p = {PART_DIM} numbers)"
TABLES = {
    8: CODES.format("encoders"),
    9: CODES.format("encoders"),
    10: CODES.format("decoders"),
    11: CODES.format("decoders"),
    12: "classifiers (φ and the two layers on it)",
}
KEYS = ["network", "dataset"]


def compare(paper_csv: File) -> pd.DataFrame:
    """Columns table, network, dataset, paper, params, difference (ours minus the paper's), in the paper's order.

    Raises PatchVAEError naming the file when it is broken, lacks a table or has an unknown network.
    """
    paper = read_paper(paper_csv, KEYS, ["table", "params"]).rename(columns={"params": "paper"}).astype(int)
    for number in TABLES:
        if number not in set(paper.table):
            raise PatchVAEError(f"{paper_csv}: Table {number} is missing")
    built = pd.DataFrame(counts(), columns=[*KEYS, "params"]).set_index(KEYS).params
    for network, dataset in paper.index.difference(built.index):
        raise PatchVAEError(f"{paper_csv}: there is no network {network!r} for {dataset!r}")
    table = paper.join(built).reset_index()
    table["difference"] = table.params - table.paper
    return table[["table", *KEYS, "paper", "params", "difference"]]


def network_name(network: str) -> str:
    """`beta-vae-encoder` -> `β-VAE encoder`."""
    model, _, part = network.rpartition("-")
    return f"{words.display_name(model)} {part}" if model else network.capitalize()


def signed(difference: int) -> str:
    """`0`, `+1,234`, `−1,234`."""
    return f"{difference:+,}".replace("-", "−") if difference else "0"


def cells(row: Any) -> list[str]:
    """The paper's count, ours, and the difference."""
    return [f"{row.paper:,}", f"{row.params:,}", signed(row.difference)]


def sheet(number: int, table: pd.DataFrame) -> Sheet:
    """One of Tables 8-12 as printed; table: its rows of `compare`."""
    datasets = list(dict.fromkeys(table.dataset))
    sides = " and ".join(dict.fromkeys(f"{DATASETS[dataset][0]}×{DATASETS[dataset][0]}" for dataset in datasets))
    agree = int((table.difference == 0).sum())
    caption = (
        f"Table {number} of the paper: trainable parameters of {TABLES[number]} for images of {sides} pixels, counted"
        f" in the networks as built. The difference is ours minus the paper's; {agree} of {len(table)} counts agree."
    )
    by_dataset = table.sort_values("dataset", key=lambda column: column.map(datasets.index), kind="stable")
    return Sheet(
        label=f"table{number}",
        caption=caption,
        corner="Network",
        groups=[(words.DATASETS[dataset], ["paper", "ours", "difference"]) for dataset in datasets],
        rows=lines_of(by_dataset, "network", network_name, cells),
        wide=len(datasets) > 1,
    )


def report(config: Settings, paper_csv: File) -> dict[str, list[str]]:
    """Tables 8-12: of each kind of file five, with the columns network, dataset, paper, params, difference in the CSV.

    config: nothing; paper_csv: columns table, network, dataset, params.
    """
    compared = compare(paper_csv)
    made: dict[str, list[str]] = {}
    for number in TABLES:
        table = compared[compared.table == number].drop(columns="table")
        for kind, text in texts_of(table, 0, sheet(number, table)).items():
            made.setdefault(kind, []).append(text)
    return made
