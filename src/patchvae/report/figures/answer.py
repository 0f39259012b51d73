"""The answer at a glance: the paper's Table 1 beside ours, with intervals over seeds."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from patchvae.report.comparisons import ALPHA, COLUMN, row_means
from patchvae.report.figures import canvas
from patchvae.report.figures.canvas import save, styled
from patchvae.report.tables import words
from patchvae.report.tables.metrics import comparable, stand_ins_of
from patchvae.report.tables.sheet import SYMBOL, SYMBOLS

NAMES, PANEL, ROW = 2.0, 1.8, 0.19  # inches: the column of names, a panel's width, a row's height
WIDTH = 4.9  # inches, the least of a figure
SMALL = 6  # points, of the legend and of the names of lines
SPAN = 2.0  # percentage points, the least an axis shows
BAND = 0.72  # of a row's height, which the points of all heads share
LOOSE = {"linestyle": "none"}  # marks without a line between them
OUTSIDE = 17  # points from one number beyond an axis to the next
FLOOR = "the better untrained φ, named above"  # a line per head: heads order the two controls differently
FLOOR_LINE: Any = {"linewidth": 0.7, "linestyle": (0, (4, 2))}
LEVEL = 8  # points from the name of a line to the next one above it
PAPER: Any = {"marker": "s", "markersize": 4.6, "color": "0.15", "markerfacecolor": "none"} | LOOSE
COLOURS = (canvas.BLUE, canvas.ORANGE, canvas.GREEN, canvas.PURPLE, canvas.SKY, canvas.VERMILION)
MARKS = "oD^vPX"  # of heads in their order, as their colours


def means(results: pd.DataFrame) -> pd.DataFrame:
    """A line per row, data set, regime and head: those of `row_means` at 1 - ALPHA, and `pretrain_epochs` of its φ."""
    lines = []
    for place, cells in results.groupby(COLUMN, sort=False):
        found = row_means(cells, 1 - ALPHA).assign(**dict(zip(COLUMN, place, strict=True)))
        lines.append(found.join(cells.groupby("model").pretrain_epochs.max(), on="model"))
    return pd.concat(lines)


def names(models: Sequence[str], ours: pd.DataFrame) -> dict[str, str]:
    """Rows' names by model, with the paper's symbols as formulas.

    A φ pretrained with labels says for how many epochs, where they were not those of the other rows.
    """
    epochs = ours.groupby("model").pretrain_epochs.max()
    usual = epochs[~epochs.index.isin([*words.LABELLED, *words.CONTROLS])].max()
    found = {}
    for model in models:
        name = SYMBOL.sub(lambda symbol: SYMBOLS[symbol[0]], words.display_name(model).removesuffix(" (control)"))
        other = model in words.LABELLED and model in epochs and epochs[model] not in (0, usual)
        found[model] = f"{name}, {words.plural(epochs[model], 'epoch')}" if other else name
    return found


def limits(printed: pd.Series, ours: pd.DataFrame) -> tuple[float, float]:
    """Ends of an axis that shows all rows, without those that saw labels, which lie far off, if there are others.

    printed: the paper's numbers by model; ours: a panel's lines of `means`.
    """
    values = pd.concat([printed, *(ours.set_index("model")[key] for key in ("mean", "low", "high"))]).dropna()
    if values.empty:  # of a data set that the paper lacks, not run in this regime
        return 0.0, 100.0
    others = values[~values.index.isin(words.LABELLED.keys() - {words.SHUFFLED})]
    values = values if others.empty else others  # shuffled labels teach little and lie among them
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
    axes.grid(color="0.88")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    # Rows of a kind stand together: trained without labels, with labels, untrained
    kinds = [(model in words.CONTROLS, model in words.LABELLED) for model in models]
    for place, (above, below) in enumerate(itertools.pairwise(kinds)):
        if above != below:
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
        controls = lines[lines.model.isin(list(words.CONTROLS))].set_index("model")["mean"]
        if len(controls):
            axes.axvline(controls.max(), color=style["color"], zorder=1, **FLOOR_LINE)
            floors.append((controls.max(), words.short_name(str(controls.idxmax())), style["color"]))
        for line in lines.itertuples():
            row = models.index(line.model)
            if not np.isnan(line.low):
                axes.plot([line.low, line.high], [row + shift] * 2, color=style["color"], zorder=3)
            point(line.mean, row, shift, style)
    for row, found in outside.items():
        print_outside(axes, row, found)
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


def print_outside(axes: Axes, row: int, found: Sequence[tuple[float, str]]) -> None:
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


def style_of(number: int) -> dict[str, Any]:
    """Mark and colour of a head, by its place in the configuration."""
    place = number % len(MARKS)
    return {"marker": MARKS[place], "markersize": 3.2, "color": COLOURS[place]} | LOOSE


def legend(ours: pd.DataFrame, printed: bool, heads: Sequence[str]) -> list[Line2D]:
    """What each mark is; only those that are drawn."""
    handles = [Line2D([], [], label="paper, one run each", **PAPER)] if printed else []
    for number, head in enumerate(heads):
        counts = ours.n[ours["head"] == head]
        if len(counts):
            least = "" if counts.min() == counts.max() else f"{counts.min()}–"
            label = f"ours, classifier {words.head_name(head)}, {least}{words.plural(counts.max(), 'seed')}"
            handles.append(Line2D([], [], label=label, **style_of(number)))
    if ours.low.notna().any():
        label = f"{100 * (1 - ALPHA):.0f} % interval of the mean, within seeds"
        handles.append(Line2D([], [], color="0.4", label=label))
    if ours.model.isin(list(words.CONTROLS)).any():
        handles.append(Line2D([], [], color="0.4", label=FLOOR, **FLOOR_LINE))
    return handles


@styled
def draw_answer(config: Mapping[str, Any], paper: pd.Series, results: pd.DataFrame, png: Path, pdf: Path) -> None:
    """Draw Table 1 beside the paper's numbers, a panel per data set and regime that was run, a row per model.

    config: run, seeds, select, datasets, variants, regimes, heads; paper: top-1 by model, data set and regime;
    results: of `collect_accuracies`. Bars are intervals of a row's mean over seeds, see `means`.
    Raises PatchVAEError for a full disk.
    """
    ours, stand_ins = means(results), stand_ins_of(results)
    printed = comparable(paper, stand_ins).reset_index()
    order = words.in_order(list(printed.model), config["variants"])
    datasets = [dataset for dataset in config["datasets"] if (ours.dataset == dataset).any()]
    regimes = [regime for regime in config["regimes"] if (ours.regime == regime).any()]
    printed = printed[printed.dataset.isin(datasets) & printed.regime.isin(regimes)]
    labels = names([model for model in order if model in {*printed.model, *ours.model}], ours)
    size = max(WIDTH, NAMES + PANEL * len(regimes)), (ROW * len(labels) + 0.4) * len(datasets) + 0.5
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.03, w_pad=0.03))
    panels = figure.subplots(len(datasets), len(regimes), squeeze=False, sharey=True)
    for axes, (dataset, regime) in zip(panels.flat, itertools.product(datasets, regimes), strict=True):
        of_paper, points = (cells[(cells.dataset == dataset) & (cells.regime == regime)] for cells in (printed, ours))
        levels = draw_panel(axes, of_paper.set_index("model").top1, points, labels, config["heads"])
        axes.set_title(f"{words.dataset_name(dataset, stand_ins)} {words.regime_name(regime)}", pad=3 + LEVEL * levels)
    label = f"top-1 test accuracy (%), {words.WHEN[config['select']]}"
    figure.supxlabel(textwrap.fill(label, 50 * len(regimes)))
    handles = legend(ours, len(printed) > 0, config["heads"])
    figure.legend(handles=handles, loc="outside upper center", ncols=2, fontsize=SMALL)
    save(figure, png, pdf)
