"""Parts on photographs: which are dead, what they say of labels, and how alike their crops are, beside controls."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.evaluation.part_measures import DEAD, DISTANCES, METHODS, OCCURS, SPACES
from patchvae.params.types import Name, RowName, Some
from patchvae.report.tables.config import Report
from patchvae.report.tables.metrics import ORIGIN, Row, agreed, collect, stand_ins_of, summarise
from patchvae.report.tables.sheet import Sheet, fewer, ours, texts_of, write_texts
from patchvae.report.tables.words import dataset_name, demo_line, display_name, measured, plural, seeds

NAMES = {
    "trained": "{}",
    "untrained": "{}, untrained (control)",
    "kmeans": "k-means on raw crops (control)",
    "shuffled": "{}, maps dealt out among the images (control)",
}
LABELS = {"class": "classes", "superclass": "superclasses"}
SETTINGS = ("bins", "permutations", "crops")
IDENTITY = ["model", "dataset", "method", "seed", "part"]


class RealPartsTable(Report):
    datasets: Some[Name]
    variant: RowName


def parts(content: Row) -> Iterator[Row]:
    """One row per method and part."""
    common: Row = {"test_images": content["count"], "reference": content["reference"]["variant"]}
    common |= {key: content["config"][key] for key in SETTINGS}
    for space, distance in itertools.product(SPACES, DISTANCES):
        common[f"{space}_{distance}_random"] = content["random_crops"][space]["error"][distance]
    for method in METHODS:
        live = content[method]["mean"]["live"] or {}
        for part, block in enumerate(content[method]["parts"]):
            row = common | {"method": method, "part": part}
            row |= {key: block[key] for key in ("dead", "share", "probability", "deviation")}
            for kind in LABELS:
                told = block.get(kind) or {}
                for key in ("bits", "chance", "error"):
                    row[f"{kind}_{key}"] = told[key] if told else math.nan
                row[f"{kind}_live_error"] = live[kind]["error"] if kind in live else math.nan
            for space, distance in itertools.product(SPACES, DISTANCES):
                row[f"{space}_{distance}"] = block["distance"][space][distance]
            yield row


def statistics(results: pd.DataFrame, kinds: Sequence[str]) -> pd.DataFrame:
    """The printed numbers of each method and seed: `metric` and `value`, and what `summarise` reads besides."""
    rows = []
    for _, block in results.groupby(["method", "seed"], sort=False):
        live = block[~block.dead]
        found = {"dead": float(block.dead.sum())}
        for kind in kinds:
            told = f"{kind}_bits"
            found |= {f"{kind}_all": block[told].mean(), f"{kind}_live": live[told].mean()}
            found[f"{kind}_best"] = block[told].max()
        found |= {f"{space}_{one}": live[f"{space}_{one}"].mean() for space in SPACES for one in DISTANCES}
        first = block.iloc[0].to_dict()
        rows += [first | {"metric": metric, "value": value} for metric, value in found.items()]
    return pd.DataFrame(rows)


def digits(metric: str) -> int:
    """How many are printed."""
    return 0 if metric == "dead" else 2 if metric.endswith(DISTANCES) else 3


def caption(config: Mapping[str, Any], results: pd.DataFrame, kinds: Sequence[str]) -> str:
    """The protocol behind the numbers, in plain sentences."""
    settings = {key: agreed(results, key, key) for key in SETTINGS}
    reference = agreed(results, "reference", "the reference")
    errors = " and ".join(f"{results[f'{kind}_error'].max():.4f} ({LABELS[kind]})" for kind in kinds)
    live = " and ".join(f"{results[f'{kind}_live_error'].max():.4f}" for kind in kinds)
    columns = [f"{space}_{distance}_random" for space, distance in itertools.product(SPACES, DISTANCES)]
    random = ", ".join(f"{results[column].mean():.2f}" for column in columns)
    text = [
        f"Run {config['run']}: the parts of {display_name(config['variant'])} on"
        f" {plural(int(results.test_images.iloc[0]), 'test image')}, {seeds(config)}. The paper has no such table.",
        f"A part occurs in a cell where its probability is above {OCCURS:g}; it is dead if that is in fewer than"
        f" {100 * DEAD:g} % of the cells.",
        "Bits: mutual information of a part's occurrence in an image (its mean probability over the cells, in"
        f" {settings['bins']} bins of equal count) with the label, less its mean over"
        f" {plural(settings['permutations'], 'permutation')} of the labels; the mean over all parts, over those"
        " that are not dead, and the best part's.",
        f"Under permuted labels the standard deviation of a part's bits is at most {errors}, that of the mean over live"
        f" parts at most {live}.",
        f"Distance: between two of the {settings['crops']} crops where a live part is surest, one per image, over that"
        " between random crops: 1 is as unlike as random ones. A random set deviates from 1 by"
        f" {random}, in the order of the columns. Features are those of the linear probe, of φ of"
        f" {display_name(reference)} and of a random φ of another seed; the Euclidean distance grows with a crop's"
        " contrast, the cosine does not.",
        "Controls: the same network as it was initialised, with BatchNorm statistics of the training images; clusters"
        " of raw crops, each cell being of one; and the model's own maps, dealt out among the images.",
    ]
    return " ".join([*text, measured(results, "evaluation")])


def write(
    config: Mapping[str, Any],
    metrics_files: Sequence[Path | str],
    csv: Path | str,
    md: Path | str,
    tex: Path | str,
    html: Path | str,
) -> None:
    """Write the table of parts on photographs as tidy CSV with a line per part, Markdown, LaTeX and HTML.

    config: run, seeds, datasets (one), variant; metrics_files: at most one file of rule "real_parts" per seed, in any
    order. Raises PatchVAEError naming the file that is wrong, and without any file; then nothing is written.
    """
    datasets = config["datasets"]
    wanted = list(itertools.product([config["variant"]], datasets, config["seeds"]))
    results = collect(metrics_files, {"real_parts": parts}, ["model", "dataset", "seed"], wanted, partial=True)
    kinds = [kind for kind in LABELS if results[f"{kind}_bits"].notna().all()]
    columns = ["dead", *(f"{kind}_{of}" for kind in kinds for of in ("all", "live", "best"))]
    columns += [f"{space}_{distance}" for space, distance in itertools.product(SPACES, DISTANCES)]
    cells = {"method": list(METHODS), "metric": columns}
    table = summarise(statistics(results, kinds), None, cells)
    # No -0.000
    table["mean"] = [
        round(mean, digits(metric)) + 0.0 for metric, mean in zip(table.metric, table["mean"], strict=True)
    ]
    stand_ins = stand_ins_of(results)
    texts: dict[str, list[str]] = {}
    for row in table.assign(best=False).itertuples():
        name = NAMES[row.method].format(display_name(config["variant"]))
        texts.setdefault(name, [name]).append(ours(row, digits(row.metric), len(config["seeds"])))
    count = int(results.part.max()) + 1
    spaces = [f"distance, φ of {display_name(results.reference.iloc[0])}", "distance, random φ"]
    sheet = Sheet(
        label="real_parts",
        warning=demo_line(datasets, stand_ins),
        caption=caption(config, results, kinds),
        corner=f"Parts on {dataset_name(datasets[0], stand_ins)}",
        groups=[
            (f"of {count}", ["dead"]),
            *((f"bits on {LABELS[kind]}", ["all", "live", "best"]) for kind in kinds),
            *((space, ["Euclidean", "cosine"]) for space in spaces),
        ],
        rows=list(texts.values()),
        notes=fewer(table, len(config["seeds"])),
        wide=True,
    )
    numbers = [f"{kind}_{key}" for kind in kinds for key in ("bits", "chance", "error")]
    told = ["dead", "share", "probability", "deviation", *numbers, *columns[-len(SPACES) * len(DISTANCES) :]]
    lines = results[[*IDENTITY, *told, *ORIGIN]].assign(dead=results.dead.map({True: "true", False: "false"}))
    write_texts(texts_of(lines, 5, sheet, csv, md, tex, html))
