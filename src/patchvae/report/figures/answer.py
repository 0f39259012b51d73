"""The answer at a glance: the paper's Table 1 beside ours, with intervals over seeds."""

import itertools
import textwrap
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from patchvae.report.comparisons import ALPHA, Column
from patchvae.report.figures.canvas import STYLE, save
from patchvae.report.tables.metrics import comparable, stand_ins_of
from patchvae.report.tables.sheet import SYMBOL, SYMBOLS
from patchvae.report.tables.words import (
    CONTROLS,
    LABELLED,
    SHUFFLED,
    WHEN,
    dataset_name,
    display_name,
    head_name,
    in_order,
    plural,
    regime_name,
    short_name,
)

NAMES, PANEL, ROW = 2.0, 1.8, 0.19  # inches: the column of names, a panel's width, a row's height
WIDTH = 4.9  # inches, the least of a figure
SMALL = 6  # points, of the legend and of the names of lines
SPAN = 2.0  # percentage points, the least an axis shows
BAND = 0.72  # of a row's height, which the points of all heads share
LOOSE = {"linestyle": "none", "markeredgewidth": 0.8}  # marks without a line between them
OUTSIDE = 17  # points from one number beyond an axis to the next
FLOOR = "the better untrained φ, named above"  # a line per head: heads order the two controls differently
FLOOR_LINE: Any = {"linewidth": 0.7, "linestyle": (0, (4, 2))}
LEVEL = 8  # points from the name of a line to the next one above it
PAPER: Any = {"marker": "s", "markersize": 4.6, "color": "0.15", "markerfacecolor": "none"} | LOOSE
# Colours (Okabe and Ito's, which colour-blind readers can tell apart) and marks of heads in their order
HEADS = [("#0072B2", "o"), ("#E69F00", "D"), ("#009E73", "^"), ("#CC79A7", "v"), ("#56B4E9", "P"), ("#D55E00", "X")]


def means(results: pd.DataFrame) -> pd.DataFrame:
    """A line per row, data set, regime and head: mean accuracy in %, `low` and `high` of its interval, seeds `n`.

    `pretrain_epochs` are those of its φ.

    The interval is of the mean over seeds at 1 - ALPHA, from the scatter of all rows of a column (see `Column.mean`);
    NaN where a row has a single seed.
    """
    lines = []
    for (dataset, regime, head), cells in results.groupby(["dataset", "regime", "head"], sort=False):
        column = Column(cells)
        for model in column.models:
            value, interval = column.mean(model, 1 - ALPHA)
            low, high = interval or (np.nan, np.nan)
            line = {"model": model, "dataset": dataset, "regime": regime, "head": head, "n": len(column.seeds[model])}
            line["pretrain_epochs"] = cells.pretrain_epochs[cells.model == model].max()
            lines.append({**line, "mean": value, "low": low, "high": high})
    return pd.DataFrame(lines)


def names(models: Sequence[str], ours: pd.DataFrame) -> dict[str, str]:
    """Rows' names by model, with the paper's symbols as formulas.

    A φ pretrained with labels says for how many epochs, where they were not those of the other rows.
    """
    epochs = ours.groupby("model").pretrain_epochs.max()
    usual = epochs[~epochs.index.isin([*LABELLED, *CONTROLS])].max()
    found = {}
    for model in models:
        name = SYMBOL.sub(lambda symbol: SYMBOLS[symbol[0]], display_name(model).removesuffix(" (control)"))
        other = model in LABELLED and model in epochs and epochs[model] not in (0, usual)
        found[model] = f"{name}, {plural(epochs[model], 'epoch')}" if other else name
    return found


def limits(printed: pd.Series, ours: pd.DataFrame) -> tuple[float, float]:
    """Ends of an axis that shows all rows except LABELLED without SHUFFLED, which lie far off, if there are others.

    printed: the paper's numbers by model; ours: a panel's lines of `means`.
    """
    values = pd.concat([printed, *(ours.set_index("model")[key] for key in ("mean", "low", "high"))]).dropna()
    if values.empty:  # of a data set that the paper lacks, not run in this regime
        return 0.0, 100.0
    others = values[~values.index.isin(LABELLED.keys() - {SHUFFLED})]
    values = values if others.empty else others
    low, high = float(values.min()), float(values.max())
    room = max(0.06 * (high - low), (SPAN - (high - low)) / 2)
    return low - room, high + room


def draw_panel(
    axes: Axes, printed: pd.Series, ours: pd.DataFrame, labels: Mapping[str, str], heads: Sequence[str]
) -> int:
    """The paper's squares and our points with their bars, a row per model, the first on top.

    printed: the paper's numbers by model; ours: the panel's lines of `means`; labels: the rows' names by model.
    Returns how many lines of text stand above the panel.
    """
    models = list(labels)
    axes.set(xlim=limits(printed, ours), ylim=(len(models) - 0.4, -0.6))
    axes.set_yticks(range(len(models)), labels=list(labels.values()))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.grid(linewidth=0.3, color="0.88")
    axes.set_axisbelow(True)
    axes.tick_params(length=2, width=0.4, pad=2)
    axes.tick_params(axis="y", length=0)
    for place, (above, below) in enumerate(itertools.pairwise(models)):
        if kind(above) != kind(below):
            axes.axhline(place + 0.5, color="0.5", linewidth=0.4)
    outside: dict[int, list[tuple[float, str]]] = {}

    def point(x: float, row: int, shift: float, style: Any) -> None:
        if axes.get_xlim()[0] <= x <= axes.get_xlim()[1]:
            axes.plot([x], [row + shift], zorder=4, **style)
        else:
            outside.setdefault(row, []).append((x, style["color"]))

    for model, value in printed.items():
        point(value, models.index(str(model)), 0, PAPER)
    floors: list[tuple[float, str, str]] = []
    for number, head in enumerate(heads):
        shift, style = (number - (len(heads) - 1) / 2) * BAND / len(heads), style_of(number)
        lines = ours[ours["head"] == head]
        controls = lines[lines.model.isin(list(CONTROLS))].set_index("model")["mean"]
        if len(controls):
            axes.axvline(controls.max(), color=style["color"], zorder=1, **FLOOR_LINE)
            floors.append((controls.max(), short_name(str(controls.idxmax())), style["color"]))
        for line in lines.itertuples():
            row = models.index(line.model)
            if not np.isnan(line.low):
                axes.plot([line.low, line.high], [row + shift] * 2, color=style["color"], linewidth=0.9, zorder=3)
            point(line.mean, row, shift, style)
    for row, found in outside.items():
        tell_outside(axes, row, found)
    return name_lines(axes, floors)


def name_lines(axes: Axes, lines: Sequence[tuple[float, str, str]]) -> int:
    """Name vertical lines (place, name, colour) above the axes: names of lines on the left end there, others begin.

    A name stands above those that it would cover; a single one begins or ends where there is room. Returns the number
    of levels.
    """
    lines, middle = sorted(lines), sum(axes.get_xlim()) / 2
    half = int(lines[0][0] > middle) if len(lines) == 1 else len(lines) // 2
    for number, (x, name, color) in enumerate(lines):
        left = number < half
        level = number if left else len(lines) - 1 - number
        place: Any = {"xycoords": axes.get_xaxis_transform(), "textcoords": "offset points", "annotation_clip": False}
        offset = -1 if left else 1, 2 + LEVEL * level
        side: Any = {"ha": "right" if left else "left", "va": "baseline"}
        axes.annotate(name, (x, 1), xytext=offset, color=color, fontsize=SMALL, **place, **side)
    return max(half, len(lines) - half)


def tell_outside(axes: Axes, row: int, found: Sequence[tuple[float, str]]) -> None:
    """Print numbers (each with its colour) that lie outside the axis side by side at its end, with an arrow."""
    place: Any = {"textcoords": "offset points", "va": "center", "fontsize": 5.5, "zorder": 5}
    place["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}
    for end, inwards in zip(axes.get_xlim(), (1, -1), strict=True):
        beyond = [(value, color) for value, color in found if (value - end) * inwards < 0]
        for number, (value, color) in enumerate(beyond[::inwards]):
            text = f"{value:.1f}" if number else f"← {value:.1f}" if inwards > 0 else f"{value:.1f} →"
            offset = inwards * (OUTSIDE * number + (8 if number else 2)), 0
            side = "left" if inwards > 0 else "right"
            axes.annotate(text, (end, row), xytext=offset, ha=side, color=color, **place)


def kind(model: str) -> str:
    """Rows of a kind stand together: trained without labels, with labels, untrained."""
    return "control" if model in CONTROLS else "labelled" if model in LABELLED else "model"


def style_of(number: int) -> dict[str, Any]:
    """Mark and colour of a head, by its place in the configuration."""
    color, mark = HEADS[number % len(HEADS)]
    return {"marker": mark, "markersize": 3.2, "color": color} | LOOSE


def legend(ours: pd.DataFrame, printed: bool, heads: Sequence[str]) -> list[Line2D]:
    """What each mark is; only those that are drawn."""
    handles = [Line2D([], [], label="paper, one run each", **PAPER)] if printed else []
    for number, head in enumerate(heads):
        counts = ours.n[ours["head"] == head]
        if len(counts):
            least = "" if counts.min() == counts.max() else f"{counts.min()}–"
            label = f"ours, classifier {head_name(head)}, {least}{plural(counts.max(), 'seed')}"
            handles.append(Line2D([], [], label=label, **style_of(number)))
    if ours.low.notna().any():
        label = f"{100 * (1 - ALPHA):.0f} % interval of the mean, within seeds"
        handles.append(Line2D([], [], color="0.4", linewidth=0.9, label=label))
    if ours.model.isin(list(CONTROLS)).any():
        handles.append(Line2D([], [], color="0.4", label=FLOOR, **FLOOR_LINE))
    return handles


def draw(config: Mapping[str, Any], paper: pd.DataFrame, ours: pd.DataFrame, stand_ins: Collection[str]) -> Figure:
    """The figure: a panel per data set and regime of ours; paper: model, dataset, regime, top1; ours: of `means`."""
    datasets = [dataset for dataset in config["datasets"] if (ours.dataset == dataset).any()]
    regimes = [regime for regime in config["regimes"] if (ours.regime == regime).any()]
    order = in_order(list(paper.model), config["variants"])
    paper = paper[paper.dataset.isin(datasets) & paper.regime.isin(regimes)]
    models = [model for model in order if model in {*paper.model, *ours.model}]
    labels = names(models, ours)
    size = max(WIDTH, NAMES + PANEL * len(regimes)), (ROW * len(models) + 0.4) * len(datasets) + 0.5
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.03, w_pad=0.03))
    panels = figure.subplots(len(datasets), len(regimes), squeeze=False, sharey=True)
    for axes, (dataset, regime) in zip(panels.flat, itertools.product(datasets, regimes), strict=True):
        printed, points = (cells[(cells.dataset == dataset) & (cells.regime == regime)] for cells in (paper, ours))
        levels = draw_panel(axes, printed.set_index("model").top1, points, labels, config["heads"])
        title = f"{dataset_name(dataset, stand_ins)} {regime_name(regime)}"
        axes.set_title(title, fontsize=7, pad=3 + LEVEL * levels)
    label = f"top-1 test accuracy (%), {WHEN[config['select']]}"
    figure.supxlabel(textwrap.fill(label, 50 * len(regimes)), fontsize=7)
    handles = legend(ours, len(paper) > 0, config["heads"])
    place: Any = {"loc": "outside upper center", "ncols": 2, "fontsize": SMALL, "frameon": False, "borderaxespad": 0}
    figure.legend(handles=handles, **place)
    return figure


def draw_answer(
    config: Mapping[str, Any], paper: pd.Series, results: pd.DataFrame, png: Path | str, pdf: Path | str
) -> None:
    """Draw Table 1 beside the paper's numbers, a panel per data set and regime that was run, a row per model.

    config: run, seeds, select, datasets, variants, regimes, heads; paper: top-1 by model, data set and regime;
    results: of `collect_outcomes`. Bars are intervals of a row's mean over seeds, see `means`.
    Raises PatchVAEError for a full disk.
    """
    stand_ins = stand_ins_of(results)
    printed = comparable(paper, stand_ins).reset_index()
    with matplotlib.rc_context(STYLE):
        save(draw(config, printed, means(results), stand_ins), png, pdf)
