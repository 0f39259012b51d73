"""Metrics files as rows, and rows as means over seeds beside the paper's numbers."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from patchvae.errors import PatchVAEError
from patchvae.files import file_digest
from patchvae.records.metrics_files import read_metrics
from patchvae.report.tables.config import File, Files
from patchvae.report.tables.words import LABELLED

Row = dict[str, Any]
Readers = Mapping[str, Callable[[Row], Iterable[Row]]]
ORIGIN = ["test_images", "seconds", "device", "precision", "config_sha256", "metrics_sha256"]


def read(path: File, readers: Readers) -> list[Row]:
    """The rows of one metrics file: what the reader of its rule finds, and what all metrics files hold.

    readers: rule -> function from the file's content to rows with at least `metric`, `value` and `test_images`; it may
    raise KeyError and ValueError. Raises PatchVAEError naming a file without such metrics.
    """
    metrics = read_metrics(path, *readers)
    pretraining = metrics.get("pretraining") or {"dataset": None, "epochs": 0, "stand_in": False}
    try:
        common = {
            "rule": metrics["rule"],
            "model": metrics["variant"],
            **{key: metrics[key] for key in ("dataset", "seed", "device", "precision", "seconds", "commit")},
            "config_sha256": metrics["config_sha256"][:12],
            "test_sha256": metrics["set_sha256"]["test"],
            "stand_in": bool(metrics["config"].get("stand_in", False)),
            "pretrained_on": pretraining["dataset"],
            "pretrain_epochs": pretraining["epochs"],
            "pretrained_stand_in": pretraining["stand_in"],
            "file": str(path),
            "metrics_sha256": file_digest(path)[:12],
        }
        return [common | row for row in readers[metrics["rule"]](metrics)]
    except KeyError as error:  # of its configuration
        raise PatchVAEError(f"{path}: {error.args[0]!r} is missing") from error
    except ValueError as error:
        raise PatchVAEError(f"{path}: {error}") from error


def cells_of(**values: Sequence[Any]) -> pd.MultiIndex:
    """Every combination of values, by the names of their columns."""
    return pd.MultiIndex.from_product(values.values(), names=values.keys())


def collect(
    files: Files, readers: Readers, cells: pd.MultiIndex, whole: bool = False, others: Collection[str] = ()
) -> pd.DataFrame:
    """The rows of all metrics files, in the order of `cells`, of which each is a file; their last column is `seed`.

    whole: whether no cell may be missing, else some must be there; others: columns of `cells` with other values in
    files that only other tables read, which are passed over. Raises PatchVAEError for a wrong, doubled or missing file,
    and for files of one data set with other test images or another number of epochs.
    """
    found: dict[tuple[Any, ...], list[Row]] = {}
    for path in sorted(files, key=str):
        rows = read(path, readers)
        cell = tuple(rows[0][key] for key in cells.names)
        new = [key for key in cells.names if rows[0][key] not in cells.get_level_values(key)]
        if cell not in cells and others and not {*new} - {*others}:
            continue
        for key in new:
            raise PatchVAEError(f"{path}: {key} {rows[0][key]!r} is not one of this table's {key}s")
        if cell not in cells:
            raise PatchVAEError(f"{path}: {described(cell)} is not a cell of this table")
        if cell in found:
            raise PatchVAEError(f"{path}: the same cell and seed as {found[cell][0]['file']}")
        found[cell] = rows
    for cell in cells:
        if cell not in found and (whole or not found):
            raise PatchVAEError(f"no metrics file for {described(cell)}")
    frame = pd.DataFrame([row for cell in cells for row in found.get(cell, [])])
    for dataset, rows in frame.groupby("dataset"):
        other = rows[rows.test_sha256 != rows.test_sha256.iloc[0]]
        if len(other):
            raise PatchVAEError(f"{other.file.iloc[0]}: tested on other images of {dataset} than {rows.file.iloc[0]}")
    # An FID may be of fewer images.
    for (_, dataset), rows in frame[frame.rule != "fid"].groupby(["rule", "dataset"]):
        for column, what in (("epochs", "epochs of fine-tuning on"), ("test_images", "test images of")):
            if column in rows:
                agreed(rows.dropna(subset=column).astype({column: int}), column, f"{what} {dataset}")
    return frame


def agreed(rows: pd.DataFrame, column: str, what: str) -> Any:
    """The value that a column has in all rows, or None without rows.

    Raises PatchVAEError naming the first file that differs from most others.
    """
    if rows.empty:
        return None
    usual = rows[column].value_counts(sort=False).idxmax()
    other, same = rows[rows[column] != usual], rows[rows[column] == usual]
    for row in other.itertuples():
        raise PatchVAEError(f"{row.file}: {what}: {getattr(row, column)}, but {usual} in {same.file.iloc[0]}")
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


def described(cell: tuple[Any, ...]) -> str:
    """A cell in words, its seed last."""
    return f"{', '.join(map(str, cell[:-1]))}, seed {cell[-1]}"


def read_paper(path: File, keys: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
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


def read_paper_by_metric(path: File, columns: Mapping[str, str], comparable: bool) -> pd.Series:
    """The paper's numbers by (model, metric), or none unless comparable; columns: metric -> its column of the file."""
    wide = read_paper(path, ["model"], list(columns.values()))
    wide = wide.rename(columns={column: metric for metric, column in columns.items()})
    paper = wide.melt(var_name="metric", ignore_index=False).set_index("metric", append=True)["value"]
    return paper if comparable else paper.iloc[:0]


def summarise(
    results: pd.DataFrame, cells: Mapping[str, Sequence[Any]], paper: pd.Series | None = None, **more: tuple[str, Any]
) -> pd.DataFrame:
    """One row per cell: mean and sample std of `value` over seeds, beside the paper's number, then `more` and ORIGIN.

    cells: key -> values, whose product is the table; paper: indexed like the cells, None for a table that the paper
    lacks; more: column -> (column of `results`, aggregation). A cell that was not run has n = 0; NaN is not counted.
    """
    keys = list(cells)
    table = results.groupby(keys).agg(
        mean=("value", "mean"),
        std=("value", "std"),
        n=("value", "count"),
        **more,
        test_images=("test_images", "first"),
        seconds=("seconds", "sum"),
        **{key: (key, distinct) for key in ("device", "precision", "config_sha256", "metrics_sha256")},
    )
    if paper is not None:
        table = table.join(paper.rename("paper"), how="outer")
    table = table.reindex(pd.MultiIndex.from_product(cells.values(), names=keys)).reset_index()
    whole = {column: "Int64" for column in ("n", "epochs", "test_images") if column in table}
    printed = [] if paper is None else ["paper"]
    return table.fillna({"n": 0}).astype(whole)[[*keys, *printed, "mean", "std", "n", *more, *ORIGIN]]


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
