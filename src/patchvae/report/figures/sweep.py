"""Accuracy against one swept parameter, beside the paper's (Tables 3-6 as figures)."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator, NullLocator

from patchvae.errors import PatchVAEError
from patchvae.report.figures.canvas import BLUE, COLUMN, VERMILION, save, styled
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


def read_points(path: Path, accuracies: Sequence[str]) -> pd.DataFrame:
    """The rows of a table that hold any of the accuracies; raises PatchVAEError where there is none."""
    frame = pd.read_csv(path, dtype={"value": str}).dropna(subset=accuracies, how="all")
    if frame.empty:
        raise PatchVAEError(f"{path}: holds no accuracy to draw")
    return frame


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
        axes.set_title(dataset_name(dataset, stand_ins))
    return figure, panels


def finish_panel(axes: Axes) -> None:
    """Margins, ticks and grid, and an axis of SPAN at least."""
    axes.margins(0.08, 0.12)
    low, high = axes.get_ylim()
    missing = max(0.0, SPAN - (high - low)) / 2
    axes.set_ylim(low - missing, high + missing)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.grid(axis="y", color="0.85")


def draw_panel(axes: Axes, rows: pd.DataFrame, label: str) -> None:
    """The paper's points and ours of one data set, with a bar of one standard deviation where there are several."""
    printed, ours = rows.dropna(subset="paper"), rows.dropna(subset="mean")
    if len(printed):
        style: Any = {"color": VERMILION, "markerfacecolor": "white", "markersize": 3.5}
        axes.plot(printed["place"], printed["paper"], "s--", label="paper", **style)
    if len(ours):
        style = {"color": BLUE, "elinewidth": 0.8, "markersize": 3.5, "fmt": "o-"}
        axes.errorbar(ours["place"], ours["mean"], ours["std"].where(ours["n"] > 1), label=label, **style)
    finish_panel(axes)


@styled
def draw_sweep(path: Path, config: Mapping[str, Any], png: Path, pdf: Path) -> None:
    """Draw the accuracy of one sweep, a panel per data set, as a common scale would flatten the lines.

    path: CSV of value, dataset, stand_in, and paper, mean, std in %, over `n` seeds; config: `key`, the swept
    parameter, `regime`, `datasets` in the order of the panels. Raises PatchVAEError for a table without any accuracy,
    and for a full disk.
    """
    frame = read_points(path, ["paper", "mean"])
    values = list(dict.fromkeys(frame["value"]))
    numbers = [as_number(value) for value in values]
    are_numbers = math.inf not in numbers  # words stand at equal steps
    places = dict(zip(values, numbers if are_numbers else range(len(values)), strict=True))
    frame = frame.assign(place=frame["value"].map(places)).sort_values("place", kind="stable")
    title, scale = AXES.get(config["key"], (config["key"], "linear"))
    figure, panels = panels_of(frame, config["datasets"], HEIGHT, sharex=True)
    first = next(iter(panels.values()))
    if scale == "log" and are_numbers and min(numbers) > 0:
        first.set_xscale("log")
    first.set_xticks(list(places.values()), labels=values)
    first.xaxis.set_minor_locator(NullLocator())
    handles: dict[str, Any] = {}
    for dataset, axes in panels.items():
        label = label_of_means("ours", frame["n"][frame["mean"].notna()])
        draw_panel(axes, frame[frame["dataset"] == dataset], label)
        handles |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    first.set_ylabel(f"{regime_name(config['regime'])} (%)")
    figure.supxlabel(title)
    figure.legend(handles.values(), list(handles), loc="outside upper center", ncols=2)
    save(figure, png, pdf)
