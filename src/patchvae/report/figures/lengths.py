"""Accuracy against the length of pretraining, under every classifier and the linear probe."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from patchvae.errors import PatchVAEError
from patchvae.report.figures.canvas import STYLE, save
from patchvae.report.figures.sweep import finish_panel, label_of_means, panels_of, read_points
from patchvae.report.tables.words import CONTROL, PLAIN_CONTROL, PROBE_HEAD, head_name, short_name

# Okabe and Ito's, which colour-blind readers can tell apart; controls are black and grey
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
CONTROLS = {CONTROL: "black", PLAIN_CONTROL: "0.6"}
HEADS: tuple[Any, ...] = (
    {"marker": "o", "linestyle": "-"},
    {"marker": "s", "linestyle": "--"},
    {"marker": "^", "linestyle": "-."},
    {"marker": "v", "linestyle": (0, (5, 1, 1, 1, 1, 1))},
)
PROBE: Any = {"marker": "D", "linestyle": ":", "markerfacecolor": "white"}
LINE: Any = {"linewidth": 0.9, "markersize": 3.3, "markeredgewidth": 0.8}
BARS: Any = {"elinewidth": 0.8, "capsize": 1.5}
HEIGHT = 2.5  # inches
ASIDE = 0.1  # steps of the axis between two variants' points, so that bars do not hide each other


def styles(names: Sequence[str]) -> dict[str, Any]:
    """Marker and line of every head by name."""
    tuned = [name for name in names if name != PROBE_HEAD]
    return {name: HEADS[place % len(HEADS)] for place, name in enumerate(tuned)} | {PROBE_HEAD: PROBE}


def colours(names: Sequence[str]) -> dict[str, str]:
    """The colour of every variant and control by name."""
    variants = [name for name in names if name not in CONTROLS]
    return {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(variants)} | CONTROLS


def draw_panel(axes: Axes, rows: pd.DataFrame, hues: Mapping[str, str], looks: Mapping[str, Any]) -> None:
    """The lines of one data set, which begin at the control, and both controls at 0 epochs.

    rows: the columns that `draw_lengths` reads; hues: variant -> colour, looks: head -> marker and line.
    The lengths stand at equal steps: they grow by factors, and 0 has no place on a logarithmic axis.
    """
    lengths = sorted(set(rows["epochs"]))
    rows = rows.assign(place=rows["epochs"].map(lengths.index), bar=rows["std"].where(rows["n"] > 1))
    trained = rows[~rows["variant"].isin(list(CONTROLS))].sort_values("epochs", kind="stable")
    variants = [name for name in hues if name in set(trained["variant"])]
    for (head, variant), line in trained.groupby(["head", "variant"], sort=False):
        later = line["epochs"] > 0
        shift = ASIDE * (variants.index(variant) - (len(variants) - 1) / 2)
        line = line.assign(place=line["place"] + shift * later)
        look = LINE | looks[head]
        axes.plot(line["place"], line["mean"], color=hues[variant], **(look | {"marker": "none"}))
        mark(axes, line[later], hues[variant], look)
    starts = rows[rows["epochs"] == 0]
    starts = starts.assign(control=starts["variant"].where(starts["variant"] == PLAIN_CONTROL, CONTROL))
    for (head, control), start in starts.drop_duplicates(["head", "control"]).groupby(["head", "control"]):
        mark(axes, start, hues[control], LINE | looks[head])
    axes.set_xticks(range(len(lengths)), labels=[str(epochs) for epochs in lengths])
    finish_panel(axes)


def mark(axes: Axes, rows: pd.DataFrame, colour: str, look: Mapping[str, Any]) -> None:
    """Markers above all lines, each with a bar of one standard deviation where there are several seeds."""
    if len(rows):
        style = {**look, "linestyle": "none"}
        axes.errorbar(rows["place"], rows["mean"], rows["bar"], color=colour, zorder=3, **BARS, **style)


def draw_lengths(path: Path | str, config: Mapping[str, Any], png: Path | str, pdf: Path | str) -> None:
    """Draw accuracy against the epochs of pretraining, a panel per data set, a line per variant and head.

    path: CSV of epochs, dataset, variant, head, stand_in, mean, std (%), n; config: `datasets` in the order of the
    panels. Raises PatchVAEError as `read_points` does, for epochs that are no whole number, and for a full disk.
    """
    names = ["epochs", "dataset", "variant", "head"]
    frame = read_points(path, "lengths", names, ["mean"])
    for text in frame["epochs"][~frame["epochs"].str.fullmatch("[0-9]+")]:
        raise PatchVAEError(f"{path}: epochs {text} is not a whole number")
    frame = frame.assign(epochs=frame["epochs"].astype(int))
    hues, looks = colours(list(dict.fromkeys(frame["variant"]))), styles(list(dict.fromkeys(frame["head"])))
    with matplotlib.rc_context(STYLE):
        figure, panels = panels_of(frame, config["datasets"], HEIGHT)
        for dataset, axes in panels.items():
            draw_panel(axes, frame[frame["dataset"] == dataset], hues, looks)
        next(iter(panels.values())).set_ylabel(label_of_means("top-1 (%)", frame["n"]))
        figure.supxlabel("epochs of pretraining", fontsize=7)
        columns = legend(frame, hues, looks)
        place: Any = {"loc": "outside upper center", "ncols": len(columns)}
        figure.legend(handles=filled(columns), frameon=False, borderaxespad=0, handlelength=1.8, **place)
        save(figure, png, pdf)


def legend(frame: pd.DataFrame, hues: Mapping[str, str], looks: Mapping[str, Any]) -> list[list[Line2D]]:
    """Columns of the legend: the variants' colours, the controls', and the heads' markers and lines."""
    shown = set(frame["variant"])
    if ((frame["epochs"] == 0) & (frame["variant"] != PLAIN_CONTROL)).any():
        shown.add(CONTROL)
    columns: list[list[Line2D]] = [[], []]
    for name in [name for name in hues if name in shown]:
        label = short_name(name).replace("L_w", "$L_w$")
        columns[name in CONTROLS].append(Line2D([], [], color=hues[name], linewidth=2, label=label))
    heads = [head for head in looks if head in set(frame["head"])]
    columns.append([Line2D([], [], color="0.3", label=head_name(head), **(LINE | looks[head])) for head in heads])
    return [column for column in columns if column]


def filled(columns: Sequence[list[Line2D]]) -> list[Line2D]:
    """The entries column by column, as a legend takes them, with blanks under shorter columns."""
    height = max(map(len, columns))
    blank = Line2D([], [], linestyle="none", label=" ")
    return [entry for column in columns for entry in column + [blank] * (height - len(column))]
