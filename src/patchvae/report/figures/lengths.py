"""Accuracy against the length of pretraining, under every classifier and the linear probe."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from patchvae.report.figures import canvas
from patchvae.report.figures.canvas import save, styled
from patchvae.report.figures.sweep import finish_panel, label_of_means, panels_of, read_points
from patchvae.report.tables.words import CONTROL, PLAIN_CONTROL, PROBE_HEAD, head_name, short_name

COLOURS = (canvas.BLUE, canvas.VERMILION, canvas.GREEN, canvas.PURPLE, canvas.SKY, canvas.ORANGE)
CONTROLS = {CONTROL: "black", PLAIN_CONTROL: "0.6"}
HEADS: tuple[Any, ...] = (
    {"marker": "o", "linestyle": "-"},
    {"marker": "s", "linestyle": "--"},
    {"marker": "^", "linestyle": "-."},
    {"marker": "v", "linestyle": (0, (5, 1, 1, 1, 1, 1))},
)
PROBE: Any = {"marker": "D", "linestyle": ":", "markerfacecolor": "white"}
SIZE: Any = {"markersize": 3.3}
HEIGHT = 2.5  # inches
ASIDE = 0.1  # steps of the axis between two variants' points, so that bars do not hide each other


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
        axes.plot(line["place"], line["mean"], color=hues[variant], **(looks[head] | {"marker": "none"}))
        mark(axes, line[later], hues[variant], looks[head])
    starts = rows[rows["epochs"] == 0]
    starts = starts.assign(control=starts["variant"].where(starts["variant"] == PLAIN_CONTROL, CONTROL))
    for (head, control), start in starts.drop_duplicates(["head", "control"]).groupby(["head", "control"]):
        mark(axes, start, hues[control], looks[head])
    axes.set_xticks(range(len(lengths)), labels=[str(epochs) for epochs in lengths])
    finish_panel(axes)


def mark(axes: Axes, rows: pd.DataFrame, colour: str, look: Mapping[str, Any]) -> None:
    """Markers above all lines, each with a bar of one standard deviation where there are several seeds."""
    if len(rows):
        style = {**look, "linestyle": "none", "elinewidth": 0.8}
        axes.errorbar(rows["place"], rows["mean"], rows["bar"], color=colour, zorder=3, **style)


@styled
def draw_lengths(path: Path, config: Mapping[str, Any], png: Path, pdf: Path) -> None:
    """Draw accuracy against the epochs of pretraining, a panel per data set, a line per variant and head.

    path: CSV of epochs, dataset, variant, head, stand_in, mean, std (%), n; config: `datasets` in the order of the
    panels. Raises PatchVAEError for a table without any accuracy, and for a full disk.
    """
    frame = read_points(path, ["mean"]).astype({"epochs": int})
    variants, heads = list(dict.fromkeys(frame["variant"])), list(dict.fromkeys(frame["head"]))
    coloured = [name for name in variants if name not in CONTROLS]
    hues = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(coloured)} | CONTROLS
    tuned = [name for name in heads if name != PROBE_HEAD]
    looks = {name: SIZE | HEADS[place % len(HEADS)] for place, name in enumerate(tuned)} | {PROBE_HEAD: SIZE | PROBE}
    figure, panels = panels_of(frame, config["datasets"], HEIGHT)
    for dataset, axes in panels.items():
        draw_panel(axes, frame[frame["dataset"] == dataset], hues, looks)
    next(iter(panels.values())).set_ylabel(label_of_means("top-1 (%)", frame["n"]))
    figure.supxlabel("epochs of pretraining")
    columns = legend(frame, hues, looks)
    # A legend takes its entries column by column, so blanks stand under shorter ones.
    height, blank = max(map(len, columns)), Line2D([], [], linestyle="none", label=" ")
    handles = [entry for column in columns for entry in column + [blank] * (height - len(column))]
    figure.legend(handles=handles, handlelength=1.8, loc="outside upper center", ncols=len(columns))
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
    columns.append([Line2D([], [], color="0.3", label=head_name(head), **looks[head]) for head in heads])
    return [column for column in columns if column]
