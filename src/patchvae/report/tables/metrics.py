"""Metrics files as rows, and rows as means over seeds beside the paper's numbers."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.errors import PatchVAEError
from patchvae.files import file_digest
from patchvae.records.metrics_files import read_metrics
from patchvae.report.tables.words import LABELLED

Row = dict[str, Any]
Readers = Mapping[str, Callable[[Row], Iterable[Row]]]
SUMMARY = ["paper", "mean", "std", "n"]
ORIGIN = ["test_images", "seconds", "device", "precision", "config_sha256", "metrics_sha256"]


def read(path: Path | str, readers: Readers) -> list[Row]:
    """The rows of one metrics file: what the reader of its rule finds, and what all metrics files hold.

    readers: rule -> function from the file's content to rows with at least `metric`, `value` and `test_images`; it may
    raise KeyError and ValueError. Raises PatchVAEError naming a file without such metrics.
    """
    metrics = read_metrics(path, *readers)
    try:
        common = {
            "rule": metrics["rule"],
            "model": metrics["variant"],
            **{key: metrics[key] for key in ("dataset", "seed", "device", "precision", "seconds")},
            "commit": metrics["commit"],
            "config_sha256": metrics["config_sha256"][:12],
            "test_sha256": metrics["set_sha256"]["test"],
            "stand_in": bool(metrics["config"].get("stand_in", False)),
            **pretraining_columns(metrics.get("pretraining")),
            "file": str(path),
            "metrics_sha256": file_digest(path)[:12],
        }
        return [common | row for row in readers[metrics["rule"]](metrics)]
    except KeyError as error:  # of its configuration
        raise PatchVAEError(f"{path}: {error.args[0]!r} is missing") from error
    except ValueError as error:
        raise PatchVAEError(f"{path}: {error}") from error


def pretraining_columns(block: Row | None) -> Row:
    """The columns on the pretraining behind a metrics file, if there is one."""
    if block is None:
        return {"pretrained_on": None, "pretrain_epochs": 0, "pretrained_stand_in": False}
    return {
        "pretrained_on": block["dataset"],
        "pretrain_epochs": block["epochs"],
        "pretrained_stand_in": block["stand_in"],
    }


def collect(
    files: Sequence[Path | str],
    readers: Readers,
    keys: Sequence[str],
    expected: Sequence[tuple[Any, ...]],
    aside: Callable[[Row], bool] = lambda row: False,
    partial: bool = False,
) -> pd.DataFrame:
    """The rows of all metrics files, in the order of `expected`: one file per combination of `keys`, `seed` last.

    aside: whether to skip a file, by its first row; partial: files may be missing, but not all of them.
    Raises PatchVAEError for a wrong, doubled or missing file, and for files of one data set with other test images.
    """
    known = dict(zip(keys, map(dict.fromkeys, zip(*expected, strict=True)), strict=True))
    found: dict[tuple[Any, ...], list[Row]] = {}
    for path in sorted(files, key=str):
        rows = read(path, readers)
        if aside(rows[0]):
            continue
        cell = tuple(rows[0][key] for key in keys)
        for key, value in zip(keys, cell, strict=True):
            if value not in list(known[key]):
                raise PatchVAEError(f"{path}: {key} {value!r} is not one of this table's {key}s")
        if cell not in expected:
            raise PatchVAEError(f"{path}: {describe(cell)} is not a cell of this table")
        if cell in found:
            raise PatchVAEError(f"{path}: the same cell and seed as {found[cell][0]['file']}")
        found[cell] = rows
    for cell in expected:
        if cell not in found and not (partial and found):
            raise PatchVAEError(f"no metrics file for {describe(cell)}")
    frame = pd.DataFrame([row for cell in expected for row in found.get(cell, [])])
    for dataset, cells in frame.groupby("dataset"):
        other = cells[cells.test_sha256 != cells.test_sha256.iloc[0]]
        if len(other):
            raise PatchVAEError(f"{other.file.iloc[0]}: tested on other images of {dataset} than {cells.file.iloc[0]}")
    return frame


def agreed(rows: pd.DataFrame, column: str, what: str) -> Any:
    """The value that a column has in all rows, or None without rows.

    Raises PatchVAEError naming the first file that differs from most others.
    """
    if rows.empty:
        return None
    usual = rows[column].value_counts(sort=False).idxmax()
    other, same = rows[rows[column] != usual], rows[rows[column] == usual]
    if len(other):
        raise PatchVAEError(
            f"{other.file.iloc[0]}: {what}: {other[column].iloc[0]}, but {usual} in {same.file.iloc[0]}"
        )
    return usual


def pretrain_epochs(results: pd.DataFrame, dataset: str) -> int | None:
    """For how many epochs the models were pretrained on a data set; None where no metrics file says so.

    Models of LABELLED may have another length. Raises PatchVAEError naming the file that differs.
    """
    cells = results[(results.dataset == dataset) & (results.pretrained_on == dataset) & (results.pretrain_epochs > 0)]
    cells = cells[~cells.model.isin(list(LABELLED))]
    epochs = agreed(cells, "pretrain_epochs", f"epochs of pretraining on {dataset}")
    return None if epochs is None else int(epochs)


def stand_ins_of(results: pd.DataFrame) -> set[str]:
    """The data sets that other images stood in for, in the jobs or in the pretraining."""
    return {*results.dataset[results.stand_in], *results.pretrained_on[results.pretrained_stand_in]}


def describe(cell: tuple[Any, ...]) -> str:
    """A cell in words, its seed last."""
    *names, seed = cell
    return ", ".join([*map(str, names), f"seed {seed}"])


def read_paper(path: Path | str, keys: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    """The paper's numbers (float) by `keys` (text); raises PatchVAEError naming a broken file."""
    try:
        frame = pd.read_csv(path, dtype=dict.fromkeys(keys, str))[[*keys, *numbers]]
        frame = frame.astype(dict.fromkeys(numbers, float)).set_index(list(keys))
        if frame.isna().any(axis=None):
            raise ValueError("a number is missing")
    except (OSError, ValueError, KeyError) as error:
        raise PatchVAEError(f"cannot read {path}: {' '.join(str(error).split())}") from error
    if frame.index.has_duplicates:
        raise PatchVAEError(f"{path}: {frame.index[frame.index.duplicated()][0]} is there twice")
    return frame


def comparable(paper: pd.Series, stand_ins: Collection[str]) -> pd.Series:
    """The paper's numbers without those of data sets that stand-ins replace."""
    return paper[~paper.index.isin(list(stand_ins), level="dataset")]


def read_paper_by_metric(path: Path | str, columns: Mapping[str, str]) -> pd.Series:
    """The paper's numbers by (model, metric), from a column per metric; columns: metric -> its column."""
    wide = read_paper(path, ["model"], list(columns.values()))
    wide = wide.rename(columns={column: metric for metric, column in columns.items()})
    return wide.melt(var_name="metric", ignore_index=False).set_index("metric", append=True)["value"]


def summarise(
    results: pd.DataFrame, paper: pd.Series | None, cells: Mapping[str, Sequence[Any]], **more: tuple[str, str]
) -> pd.DataFrame:
    """One row per cell: mean and sample std of `value` over seeds beside the paper's number, then `more` and ORIGIN.

    paper: indexed like the cells, None where it has no such table; cells: key -> values, whose product is the table;
    more: column -> (column of `results`, aggregation). A cell that was not run has n = 0; NaN is not counted.
    """
    keys = list(cells)
    if paper is None:
        paper = pd.Series([], index=pd.MultiIndex.from_arrays([[]] * len(keys), names=keys), dtype=float)
    by_seed = results.groupby(keys)
    found = by_seed.agg(
        mean=("value", "mean"),
        std=("value", "std"),
        n=("value", "count"),
        **more,
        test_images=("test_images", "first"),
        seconds=("seconds", "sum"),
        **{key: (key, distinct) for key in ("device", "precision", "config_sha256", "metrics_sha256")},
    )
    index = pd.MultiIndex.from_product(list(cells.values()), names=keys)
    table = found.join(paper.rename("paper"), how="outer").reindex(index).reset_index()
    whole = {column: "Int64" for column in ("n", "epochs", "test_images") if column in table}
    return table.fillna({"n": 0}).astype(whole)[[*keys, *SUMMARY, *more, *ORIGIN]]


def distinct(values: pd.Series) -> str:
    """The values that differ, in the order of the seeds."""
    return "; ".join(dict.fromkeys(map(str, values)))


def best(table: pd.DataFrame, by: Sequence[str], digits: int, lowest: Sequence[str] = ()) -> pd.Series:
    """Which cells are the best of their column `by`, ties in the printed digits included.

    lowest: metrics of which less is better. Models of LABELLED do not compete.
    """
    score = table["mean"].round(digits)
    if "model" in table:
        score = score.mask(table.model.isin(list(LABELLED)))
    if lowest:
        score = score.mask(table.metric.isin(lowest), -score)
    return score == score.groupby([table[key] for key in by]).transform("max")
