"""Accuracy against one swept parameter, beside the paper's (Tables 3-6 as figures)."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator, NullLocator

from patchvae.errors import PatchVAEError
from patchvae.report.figures.canvas import COLUMN, STYLE, save
from patchvae.report.tables.words import as_number, dataset_name, regime_name

# Swept parameter -> label of the axis, and its scale where all values are positive numbers.
AXES = {
    "num_parts": ("number of parts $N$", "log"),
    "part_dim": ("length of a part's appearance $d_p$", "linear"),
    "occurrence_prior": (r"occurrence prior $z_\mathrm{occ}^\mathrm{prior}$", "log"),
    "beta_occ": (r"weight of the occurrence KL $\beta_\mathrm{occ}$", "log"),
}
HEIGHT = 1.6  # inches
SPAN = 2.0  # percentage points that an axis shows at least: equal runs differ by about one
OURS, PAPER = "#0072B2", "#D55E00"  # Okabe and Ito's blue and vermilion, which colour-blind readers can tell apart


def read_points(path: Path | str, what: str, names: Sequence[str], accuracies: Sequence[str]) -> pd.DataFrame:
    """The columns `names` of a table as texts, `stand_in`, and as numbers `accuracies`, `std` and `n`.

    Rows without any accuracy are dropped; what: the table, for errors.
    Raises PatchVAEError naming the file when it is missing, lacks a column, holds a value of the wrong type, has a cell
    twice, or nothing to draw.
    """
    columns = [*names, "stand_in", *accuracies, "std", "n"]
    words = ["data set" if name == "dataset" else name for name in names]
    try:
        frame = pd.read_csv(path, dtype=str)
        frame = frame[columns]
        numbers = frame[columns[len(names) + 1 :]].apply(pd.to_numeric)
    except KeyError as error:
        raise PatchVAEError(f"{path}: not a table of {what}: its columns must be {', '.join(columns)}") from error
    except (OSError, ValueError) as error:
        raise PatchVAEError(f"cannot read {path}: {error}") from error
    if not frame["stand_in"].isin(["true", "false"]).all():
        raise PatchVAEError(f"{path}: stand_in is not true or false in every row")
    frame = frame.assign(**numbers, stand_in=frame["stand_in"] == "true").dropna(subset=accuracies, how="all")
    if frame[[*names]].isna().any(axis=None):
        raise PatchVAEError(f"{path}: a row has no {' or no '.join(words)}")
    if frame.duplicated(names).any():
        raise PatchVAEError(f"{path}: the same {' and '.join(words)} appear twice")
    if frame.empty:
        raise PatchVAEError(f"{path}: holds no accuracy to draw")
    return frame


def numbers(values: Sequence[str]) -> list[float]:
    """The values as numbers, or none at all when there is a word among them."""
    found = [as_number(value) for value in values]
    return found if math.inf not in found else []


def label_of_means(name: str, counts: pd.Series) -> str:
    """`name` with the number of seeds behind its points, where there are several."""
    seeds = counts.dropna().astype(int)
    if seeds.empty or seeds.max() == 1:
        return name
    span = f"{seeds.max()}" if seeds.min() == seeds.max() else f"{seeds.min()}–{seeds.max()}"
    return f"{name}, mean ± std (n = {span})"


def panels_of(
    frame: pd.DataFrame, datasets: Sequence[str], height: float, sharex: bool = False
) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a panel for each of the data sets that a table holds."""
    shown = [name for name in datasets if (frame["dataset"] == name).any()]
    stand_ins = set(frame["dataset"][frame["stand_in"]])
    size, layout = (max(COLUMN, COLUMN / 2 * len(shown)), height), ConstrainedLayoutEngine(h_pad=0.02, w_pad=0.02)
    figure = Figure(figsize=size, layout=layout)
    panels = dict(zip(shown, figure.subplots(1, len(shown), squeeze=False, sharex=sharex)[0], strict=True))
    for dataset, axes in panels.items():
        axes.set_title(dataset_name(dataset, stand_ins), fontsize=7, pad=3)
    return figure, panels


def finish_panel(axes: Axes) -> None:
    """Margins, ticks and grid, and an axis of SPAN at least."""
    axes.margins(0.08, 0.12)
    low, high = axes.get_ylim()
    missing = max(0.0, SPAN - (high - low)) / 2
    axes.set_ylim(low - missing, high + missing)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.grid(axis="y", linewidth=0.3, color="0.85")
    axes.tick_params(length=2, width=0.4, pad=2)


def draw_panel(axes: Axes, rows: pd.DataFrame, label: str) -> None:
    """The paper's points and ours of one data set, with a bar of one standard deviation where there are several."""
    style: Any = {"linewidth": 0.9, "markersize": 3.5, "markeredgewidth": 0.8}
    printed, ours = rows.dropna(subset="paper"), rows.dropna(subset="mean")
    if len(printed):
        axes.plot(
            printed["place"], printed["paper"], "s--", color=PAPER, markerfacecolor="white", label="paper", **style
        )
    if len(ours):
        bars = ours["std"].where(ours["n"] > 1)
        axes.errorbar(
            ours["place"], ours["mean"], bars, fmt="o-", color=OURS, label=label, elinewidth=0.8, capsize=1.5, **style
        )
    finish_panel(axes)


def draw_sweep(path: Path | str, config: Mapping[str, Any], png: Path | str, pdf: Path | str) -> None:
    """Draw the accuracy of one sweep, a panel per data set, as a common scale would flatten the lines.

    path: CSV of value, dataset, stand_in, and paper, mean, std in %, over `n` seeds; config: `key`, the swept
    parameter, `regime`, `datasets` in the order of the panels. Raises PatchVAEError as `read_points` does, and for a
    full disk.
    """
    frame = read_points(path, "a sweep", ["value", "dataset"], ["paper", "mean"])
    values = list(dict.fromkeys(frame["value"]))
    known = numbers(values)
    places = dict(zip(values, known or range(len(values)), strict=True))
    frame = frame.assign(place=frame["value"].map(places)).sort_values("place", kind="stable")
    title, scale = AXES.get(config["key"], (config["key"], "linear"))
    with matplotlib.rc_context(STYLE):
        figure, panels = panels_of(frame, config["datasets"], HEIGHT, sharex=True)
        first = next(iter(panels.values()))
        if scale == "log" and known and min(known) > 0:
            first.set_xscale("log")
        first.set_xticks(list(places.values()), labels=values)
        first.xaxis.set_minor_locator(NullLocator())
        handles: dict[str, Any] = {}
        for dataset, axes in panels.items():
            label = label_of_means("ours", frame["n"][frame["mean"].notna()])
            draw_panel(axes, frame[frame["dataset"] == dataset], label)
            handles |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        first.set_ylabel(f"{regime_name(config['regime'])} (%)")
        figure.supxlabel(title, fontsize=7)
        figure.legend(
            handles.values(), list(handles), loc="outside upper center", ncols=2, frameon=False, borderaxespad=0
        )
        save(figure, png, pdf)
