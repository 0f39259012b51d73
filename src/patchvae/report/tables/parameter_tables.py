"""Tables 8-12: trainable parameters of every network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.errors import PatchVAEError
from patchvae.models.parameters import DATASETS, NUM_PARTS, PART_DIM, counts
from patchvae.report.tables import words
from patchvae.report.tables.metrics import read_paper
from patchvae.report.tables.sheet import Sheet, texts_of, write_texts

CODES = f"{{}} (N = {NUM_PARTS} parts of d_p = {PART_DIM} numbers)"
TABLES = {
    8: CODES.format("encoders"),
    9: CODES.format("encoders"),
    10: CODES.format("decoders"),
    11: CODES.format("decoders"),
    12: "classifiers (φ and the two layers on it)",
}
KEYS = ["network", "dataset"]


def compare(paper_csv: Path | str) -> pd.DataFrame:
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


def sheet(number: int, table: pd.DataFrame) -> Sheet:
    """One of Tables 8-12 as printed; table: its rows of `compare`."""
    datasets = list(dict.fromkeys(table.dataset))
    texts = {network: [network_name(network)] for network in table.network}
    for dataset in datasets:
        cells = table[table.dataset == dataset].set_index("network")
        for network, row in texts.items():
            cell = cells.loc[network]
            row += [f"{cell.paper:,}", f"{cell.params:,}", signed(cell.difference)]
    sides = " and ".join(dict.fromkeys(f"{DATASETS[dataset][0]}×{DATASETS[dataset][0]}" for dataset in datasets))
    agree = int((table.difference == 0).sum())
    caption = (
        f"Table {number} of the paper: trainable parameters of {TABLES[number]} for images of {sides} pixels, counted"
        f" in the networks as built. The difference is ours minus the paper's; {agree} of {len(table)} counts agree."
    )
    return Sheet(
        label=f"table{number}",
        caption=caption,
        corner="Network",
        groups=[(words.DATASETS[dataset], ["paper", "ours", "difference"]) for dataset in datasets],
        rows=list(texts.values()),
        wide=len(datasets) > 1,
    )


def write(
    config: Mapping[str, Any],
    paper_csv: Path | str,
    csv: Sequence[Path | str],
    md: Sequence[Path | str],
    tex: Sequence[Path | str],
    html: Sequence[Path | str],
) -> None:
    """Write Tables 8-12 as CSV (network, dataset, paper, params, difference), Markdown, LaTeX and HTML.

    paper_csv: columns table, network, dataset, params; csv, md, tex, html: five paths each, of Tables 8, 9, 10, 11, 12.
    Raises PatchVAEError naming a broken paper_csv or too few paths; then nothing is written.
    """
    given = [len(paths) for paths in (csv, md, tex, html)]
    if set(given) != {len(TABLES)}:
        raise PatchVAEError(f"Tables 8-12 are {len(TABLES)} files of each kind, not {', '.join(map(str, given))}")
    compared = compare(paper_csv)
    texts: dict[Path | str, str] = {}
    for number, *paths in zip(TABLES, csv, md, tex, html, strict=True):
        table = compared[compared.table == number].drop(columns="table")
        texts |= texts_of(table, 0, sheet(number, table), *paths)
    write_texts(texts)
