"""The figure of the answer: which points, bars and numbers stand where, from metrics files to a picture."""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from scipy import stats
from table_files import Content, finetuning

from patchvae.errors import PatchVAEError
from patchvae.report.figures import answer
from patchvae.report.figures.answer import draw_answer
from patchvae.report.tables.finetunings import collect_accuracies
from patchvae.report.tables.metrics import read_paper
from patchvae.report.tables.table1 import KEYS

CONFIG = {
    "run": "quick_1",
    "seeds": [0, 1, 2],
    "select": "last",
    "datasets": ["cifar100"],
    "variants": ["random", "random+bn", "beta-vae", "patchvae", "labelled", "own"],
    "regimes": ["conv1", "conv1-5"],
    "heads": ["table12", "dropout"],
}
PAPER = """model,dataset,regime,top1
beta-vae,cifar100,conv1,44.0
beta-vae,cifar100,conv1-5,28.5
patchvae,cifar100,conv1-5,28.7
imagenet-pretrained,cifar100,conv1-5,54.4
bigan,indoor67,conv1,21.0
"""
COLUMN = {"beta-vae": (20.0, 21.5, 22.0), "patchvae": (24.0, 25.0, 26.6), "random+bn": (25.0, 25.8, 27.5)}
BLUE, ORANGE, GREY = "#0072b2", "#e69f00", "#262626"


def contents(column: Mapping[str, Sequence[float]], head: str = "table12", dataset: str = "cifar100") -> list[Content]:
    """Fine-tunings at Conv[1-5]: a seed per value of each model."""
    return [
        finetuning(model, dataset, "conv1-5", seed, value) | {"head": head}
        for model, values in column.items()
        for seed, value in enumerate(values)
    ]


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is saved, without the time it takes to save one."""
    kept: list[Figure] = []
    monkeypatch.setattr(answer, "save", lambda figure, *paths: kept.append(figure))
    return kept


def drawn(folder: Path, files: list[Content], paper: str = PAPER, name: str = "a", **changes: Any) -> tuple[Path, Path]:
    paths = [folder / f"{number}.json" for number in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        path.write_text(json.dumps(content))
    (folder / "paper.csv").write_text(paper)
    pictures = folder / "new" / f"{name}.png", folder / "new" / f"{name}.pdf"
    config = {**CONFIG, **changes}
    numbers = read_paper(folder / "paper.csv", KEYS, ["top1"]).top1
    draw_answer(config, numbers, collect_accuracies(config, paths), *pictures)
    return pictures


def points(axes: Axes, marker: str) -> dict[str, tuple[float, float]]:
    """Accuracy and place of each row's mark of one kind."""
    names = [label.get_text() for label in axes.figure.axes[0].get_yticklabels()]  # of all panels
    found = [line.get_xydata()[0].tolist() for line in axes.lines if line.get_marker() == marker]
    return {names[round(y)]: (round(x, 6), round(y - round(y), 6)) for x, y in found}


def bars(axes: Axes) -> dict[tuple[str, float], list[float]]:
    """Ends of each interval, by the colour and the mean that it is around."""
    lines = [line for line in axes.lines if line.get_linestyle() == "-" and line.get_linewidth() == 0.9]
    ends = [(to_hex(line.get_color()), line.get_xdata()) for line in lines]
    return {(color, round(float(np.mean(x)), 4)): list(x) for color, x in ends}


def numbers(axes: Axes) -> set[tuple[str, str, tuple[float, float]]]:
    """Text, colour and place of the numbers printed at the ends of the axis."""
    digits = [text for text in axes.texts if text.get_text().strip("← →").replace(".", "").isdigit()]
    return {(text.get_text(), to_hex(text.get_color()), text.xy) for text in digits}


def named_lines(axes: Axes) -> dict[str, tuple[float, str]]:
    """Place and colour of each name above the axis."""
    above = [text for text in axes.texts if text.xy[1] == 1]
    return {text.get_text(): (round(text.xy[0], 6), to_hex(text.get_color())) for text in above}


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].texts]


def test_every_number_stands_in_its_row(figures: list[Figure], tmp_path: Path) -> None:
    drawn(tmp_path, [*contents(COLUMN), *contents({"patchvae": [27.0], "own": [30.0]}, "dropout")])
    (axes,) = figures[0].axes
    assert axes.get_title() == "CIFAR-100 Conv[1-5]"
    names = ["β-VAE", "PatchVAE", "ImageNet-pretrained φ", "own", "Random φ, BatchNorm of the data"]
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first row is on top
    assert points(axes, "s") == {"β-VAE": (28.5, 0), "PatchVAE": (28.7, 0)}
    blue = points(axes, "o")
    assert blue == {
        "β-VAE": (pytest.approx(63.5 / 3), -0.18),
        "PatchVAE": (pytest.approx(25.2), -0.18),
        "Random φ, BatchNorm of the data": (pytest.approx(78.3 / 3), -0.18),
    }
    assert points(axes, "D") == {"PatchVAE": (27.0, 0.18), "own": (30.0, 0.18)}
    assert legend(figures[0]) == [
        "paper, one run each",
        "ours, classifier Table 12 + ReLU, 3 seeds",
        "ours, classifier dropout, 1 seed",
        "95 % interval of the mean, within seeds",
        "the better untrained φ, named above",
    ]


def test_bars_share_the_scatter_of_their_column(figures: list[Figure], tmp_path: Path) -> None:
    drawn(tmp_path, [*contents(COLUMN), *contents({"patchvae": [27.0], "beta-vae": [30.0]}, "dropout")])
    (axes,) = figures[0].axes
    table = np.array(list(COLUMN.values()))
    rest = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    half = stats.t.isf(0.025, 4) * np.sqrt((rest**2).sum() / 4 / 3)
    # A row with one seed has none, under the other head.
    assert bars(axes) == {
        (BLUE, round(mean, 4)): pytest.approx([mean - half, mean + half]) for mean in map(float, table.mean(1))
    }
    floor = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert [(to_hex(line.get_color()), line.get_xdata()[0]) for line in floor] == [(BLUE, pytest.approx(78.3 / 3))]


def test_rows_that_saw_labels_do_not_stretch_the_axis(figures: list[Figure], tmp_path: Path) -> None:
    files = [*contents({**COLUMN, "labelled": [60.0]}), *contents({"labelled": [5.0]}, "dropout")]
    drawn(tmp_path, [*files, *contents({"labelled": [61.25]}, "third")], heads=["table12", "dropout", "third"])
    (axes,) = figures[0].axes
    low, high = axes.get_xlim()
    assert 20 < low < 21 and 28.7 < high < 30
    assert numbers(axes) == {
        ("54.4 →", GREY, (high, 2)),
        ("60.0", BLUE, (high, 3)),
        ("61.2 →", "#009e73", (high, 3)),
        ("← 5.0", ORANGE, (low, 3)),
    }


def test_only_controls(figures: list[Figure], tmp_path: Path) -> None:
    drawn(tmp_path, contents({"random": [11.0, 12.0], "random+bn": [25.0, 25.5]}))
    (axes,) = figures[0].axes
    names = ["β-VAE", "PatchVAE", "ImageNet-pretrained φ", "Random φ", "Random φ, BatchNorm of the data"]
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    assert set(points(axes, "o")) == set(names[3:])
    assert len(bars(axes)) == 2


def test_the_line_is_the_better_control_of_each_head(figures: list[Figure], tmp_path: Path) -> None:
    one, other = {"random": [30.0, 31.0], "random+bn": [25.0, 25.5]}, {"random": [26.0], "random+bn": [28.0]}
    drawn(tmp_path, [*contents(one), *contents(other, "dropout")])
    (axes,) = figures[0].axes
    floor = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert {to_hex(line.get_color()): line.get_xdata()[0] for line in floor} == pytest.approx({BLUE: 30.5, ORANGE: 28})
    assert named_lines(axes) == {"Random φ": (30.5, BLUE), "Random φ + BN": (28, ORANGE)}


def test_names_of_lines_do_not_cover_each_other(tmp_path: Path, figures: list[Figure]) -> None:
    heads = ["table12", "dropout", "linear", "standardised"]
    files = [content for place, head in enumerate(heads) for content in contents({"random": [25 + place]}, head)]
    drawn(tmp_path, files, heads=heads)
    figures[0].draw_without_rendering()
    (axes,) = figures[0].axes
    boxes = [text.get_window_extent() for text in axes.texts if text.get_text() == "Random φ"]
    assert len(boxes) == 4
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    top = axes.title.get_window_extent()
    assert not any(box.overlaps(top) for box in boxes)


def test_names_are_on_one_line_and_say_other_lengths_of_pretraining(figures: list[Figure], tmp_path: Path) -> None:
    files = contents({**COLUMN, "labelled": [40.0], "shuffled": [23.0]})
    for content in files:
        if content["variant"] == "labelled":
            content["pretraining"]["epochs"] = 7
    drawn(tmp_path, files, variants=[*COLUMN, "labelled", "shuffled"])
    rows = [label.get_text() for label in figures[0].axes[0].get_yticklabels()]
    assert "φ pretrained with its labels, 7 epochs" in rows and "φ pretrained with shuffled labels" in rows
    assert not any("\n" in row for row in rows)


def test_shuffled_labels_are_inside_the_axis(figures: list[Figure], tmp_path: Path) -> None:
    drawn(tmp_path, contents({**COLUMN, "shuffled": [15.0]}), variants=[*COLUMN, "shuffled"])
    (axes,) = figures[0].axes
    assert 14 < axes.get_xlim()[0] < 15 and axes.get_xlim()[1] < 30


def test_a_panel_per_data_set_and_regime_that_was_run(figures: list[Figure], tmp_path: Path) -> None:
    files = [*contents({"patchvae": [25.0]}), finetuning("own", "digits", "conv1", 0, 80.0)]
    drawn(tmp_path, files, datasets=["cifar100", "indoor67", "digits"])
    titles = ["CIFAR-100 Conv1", "CIFAR-100 Conv[1-5]", "digits (demo) Conv1", "digits (demo) Conv[1-5]"]
    assert [axes.get_title() for axes in figures[0].axes] == titles
    one, five, demo, nothing = figures[0].axes
    assert points(one, "s") == {"β-VAE": (44.0, 0)} and not points(one, "o")
    assert points(five, "o") == {"PatchVAE": (25.0, -0.18)}
    assert points(demo, "o") == {"own": (80.0, -0.18)} and not points(demo, "s")
    assert not points(nothing, "o") and nothing.get_xlim() == (0, 100)
    # Small differences stay small.
    assert np.allclose(demo.get_xlim(), (79, 81))


def test_the_papers_numbers_stand_beside_no_stand_in(figures: list[Figure], tmp_path: Path) -> None:
    files = [{**content, "config": content["config"] | {"stand_in": True}} for content in contents(COLUMN)]
    drawn(tmp_path, files)
    (axes,) = figures[0].axes
    assert axes.get_title() == "cifar100 (demo) Conv[1-5]"
    assert not points(axes, "s") and len(points(axes, "o")) == 3
    assert "paper, one run each" not in legend(figures[0])


def test_the_epoch_is_the_selected_one(figures: list[Figure], tmp_path: Path) -> None:
    drawn(tmp_path, contents({"patchvae": [25.0]}), select="best")
    assert points(figures[0].axes[0], "o") == {"PatchVAE": (25.5, -0.18)}
    label = figures[0].get_supxlabel().replace("\n", " ")
    assert label == "top-1 test accuracy (%), at the epoch that is best on the test set (optimistic)"


def test_same_bytes(tmp_path: Path) -> None:
    first, second = (drawn(tmp_path, contents(COLUMN), name=name) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert first[0].read_bytes().startswith(b"\x89PNG") and first[1].read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("files", "paper", "message"),
    [
        ([], PAPER, "no metrics file for random, cifar100, conv1, table12, seed 0"),
        (contents(COLUMN) + contents({"patchvae": [1.0]}), PAPER, r"9\.json: the same cell and seed as .*3\.json"),
        (contents({"patchvea": [1.0]}), PAPER, r"0\.json: model 'patchvea' is not one of this table's models"),
        (contents({"patchvae": [101.0]}), PAPER, r"0\.json: top1\.last: 101\.0"),
        (contents(COLUMN), "model,top1\n", r"cannot read .*paper\.csv"),
        (contents(COLUMN), PAPER + "patchvae,cifar100,conv1-5,1\n", r"paper\.csv: .*patchvae.* is there twice"),
    ],
)
def test_mistakes_are_named(files: list[Content], paper: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(PatchVAEError, match=message):
        drawn(tmp_path, files, paper)
    assert not (tmp_path / "new").exists()
