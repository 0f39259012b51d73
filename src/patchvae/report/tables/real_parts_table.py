"""Parts on photographs: which are dead, what they say of labels, and how alike their crops are, beside controls."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from patchvae.evaluation.part_measures import DEAD, DISTANCES, METHODS, OCCURS, SPACES
from patchvae.params.types import Name, RowName, Some
from patchvae.report.tables import words
from patchvae.report.tables.config import Files, Report, Settings
from patchvae.report.tables.metrics import ORIGIN, Row, agreed, cells_of, collect, stand_ins_of, summarise
from patchvae.report.tables.sheet import fewer, lines_of, ours, sheet_of, texts_of

NAMES = {
    "trained": "{}",
    "untrained": "{}, untrained (control)",
    "kmeans": "k-means on raw crops (control)",
    "shuffled": "{}, maps dealt out among the images (control)",
}
BITS = ("bits", "chance", "error")  # on each kind of labels
LABELS = {"class": "classes", "superclass": "superclasses"}
SETTINGS = ("bins", "permutations", "crops")
IDENTITY = ["model", "dataset", "method", "seed", "part"]
MEASURED = ["dead", "share", "probability", "deviation"]  # of every part
FAR = {f"{space}_{distance}": (space, distance) for space in SPACES for distance in DISTANCES}


class Config(Report):
    datasets: Some[Name]
    variant: RowName


def parts(content: Row) -> Iterator[Row]:
    """One row per method and part."""
    common: Row = {"test_images": content["count"], "reference": content["reference"]["variant"]}
    common |= {key: content["config"][key] for key in SETTINGS}
    for column, (space, distance) in FAR.items():
        common[f"{column}_random"] = content["random_crops"][space]["error"][distance]
    for method in METHODS:
        live = content[method]["mean"]["live"] or {}
        for part, block in enumerate(content[method]["parts"]):
            row = common | {"method": method, "part": part, **{key: block[key] for key in MEASURED}}
            for kind in LABELS:
                told = block.get(kind) or dict.fromkeys(BITS, math.nan)
                row |= {f"{kind}_{key}": told[key] for key in BITS}
                row[f"{kind}_live_error"] = live[kind]["error"] if kind in live else math.nan
            for column, (space, distance) in FAR.items():
                row[column] = block["distance"][space][distance]
            yield row


def statistics(results: pd.DataFrame, kinds: Sequence[str]) -> pd.DataFrame:
    """The printed numbers of each method and seed: `metric` and `value`, and what `summarise` reads besides."""
    every, live = (lines.groupby(["method", "seed"]) for lines in (results, results[~results.dead]))
    found = {"dead": every.dead.sum()}
    for kind in kinds:
        bits, of_live = every[f"{kind}_bits"], live[f"{kind}_bits"]
        found |= {f"{kind}_all": bits.mean(), f"{kind}_live": of_live.mean(), f"{kind}_best": bits.max()}
    found |= {column: live[column].mean() for column in FAR}
    return pd.DataFrame(found).melt(var_name="metric", ignore_index=False).join(every.first()).reset_index()


def digits(metric: str) -> int:
    """How many are printed."""
    return 0 if metric == "dead" else 2 if metric.endswith(DISTANCES) else 3


def caption(config: Settings, results: pd.DataFrame, kinds: Sequence[str]) -> list[str]:
    settings = {key: agreed(results, key, key) for key in SETTINGS}
    reference = agreed(results, "reference", "the reference")
    errors = " and ".join(f"{results[f'{kind}_error'].max():.4f} ({LABELS[kind]})" for kind in kinds)
    live = " and ".join(f"{results[f'{kind}_live_error'].max():.4f}" for kind in kinds)
    random = ", ".join(f"{results[f'{column}_random'].mean():.2f}" for column in FAR)
    return [
        f"Run {config['run']}: the parts of {words.display_name(config['variant'])} on"
        f" {words.plural(int(results.test_images.iloc[0]), 'test image')}, {words.seeds(config)}. The paper has no such"
        " table.",
        f"A part occurs in a cell where its probability is above {OCCURS:g}; it is dead if that is in fewer than"
        f" {100 * DEAD:g} % of the cells.",
        "Bits: mutual information of a part's occurrence in an image (its mean probability over the cells, in"
        f" {settings['bins']} bins of equal count) with the label, less its mean over"
        f" {words.plural(settings['permutations'], 'permutation')} of the labels; the mean over all parts, over those"
        " that are not dead, and the best part's.",
        f"Under permuted labels the standard deviation of a part's bits is at most {errors}, that of the mean over live"
        f" parts at most {live}.",
        f"Distance: between two of the {settings['crops']} crops where a live part is surest, one per image, over that"
        " between random crops: 1 is as unlike as random ones. A random set deviates from 1 by"
        f" {random}, in the order of the columns. Features are those of the linear probe, of φ of"
        f" {words.display_name(reference)} and of a random φ of another seed; the Euclidean distance grows with a"
        " crop's contrast, the cosine does not.",
        "Controls: the same network as it was initialised, with BatchNorm statistics of the training images; clusters"
        " of raw crops, each cell being of one; and the model's own maps, dealt out among the images.",
    ]


def report(config: Settings, metrics_files: Files) -> dict[str, str]:
    """The table of parts on photographs of one data set, from a file per seed; its CSV has a line per part."""
    datasets, seeds = config["datasets"], len(config["seeds"])
    cells = cells_of(model=[config["variant"]], dataset=datasets, seed=config["seeds"])
    results = collect(metrics_files, {"real_parts": parts}, cells)
    kinds = [kind for kind in LABELS if results[f"{kind}_bits"].notna().all()]
    metrics = ["dead", *(f"{kind}_{of}" for kind in kinds for of in ("all", "live", "best")), *FAR]
    table = summarise(statistics(results, kinds), {"method": list(METHODS), "metric": metrics})

    def cell(row: Any) -> list[str]:
        places = digits(row.metric)
        # No -0.000
        return [ours(row._replace(mean=round(row.mean, places) + 0.0), places, seeds)]

    names = {method: name.format(words.display_name(config["variant"])) for method, name in NAMES.items()}
    spaces = [f"distance, φ of {words.display_name(results.reference.iloc[0])}", "distance, random φ"]
    groups = [
        (f"of {int(results.part.max()) + 1}", ["dead"]),
        *((f"bits on {LABELS[kind]}", ["all", "live", "best"]) for kind in kinds),
        *((space, ["Euclidean", "cosine"]) for space in spaces),
    ]
    corner = f"Parts on {words.dataset_name(datasets[0], stand_ins_of(results))}"
    rows, notes = lines_of(table.assign(best=False), "method", names.__getitem__, cell), fewer(table, seeds)
    laid: Any = {"label": "real_parts", "corner": corner, "groups": groups, "rows": rows, "notes": notes}
    text = caption(config, results, kinds)
    sheet = sheet_of(results, datasets, text, "evaluation", scheduled=False, wide=True, **laid)
    bits = [f"{kind}_{key}" for kind in kinds for key in BITS]
    return texts_of(results[[*IDENTITY, *MEASURED, *bits, *FAR, *ORIGIN]], 5, sheet)
