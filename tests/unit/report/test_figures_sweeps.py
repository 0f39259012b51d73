"""Figures of the sweeps: which points are drawn where."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from patchvae.errors import PatchVAEError
from patchvae.report.figures.sweep import draw_sweep

HEADER = "value,dataset,stand_in,paper,mean,std,n\n"
TABLE3 = (
    HEADER
    + "64,cifar100,false,29.00,28.5,0.5,3\n4,cifar100,false,27.59,27.0,,1\n"
    + "4,indoor67,false,14.40,,,\n64,indoor67,false,12.76,,,\n"
)
CONFIG = {"key": "num_parts", "regime": "conv1-5", "datasets": ["indoor67", "cifar100"]}
DIGITS = {**CONFIG, "datasets": ["digits"]}


def draw(folder: Path, text: str, config: dict[str, Any] = CONFIG, name: str = "a") -> tuple[Path, Path]:
    (folder / "table.csv").write_text(text)
    files = folder / "new" / f"{name}.png", folder / "new" / f"{name}.pdf"
    draw_sweep(folder / "table.csv", config, *files)
    return files


def test_same_bytes(tmp_path: Path) -> None:
    first, second = draw(tmp_path, TABLE3), draw(tmp_path, TABLE3, name="b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert first[0].read_bytes().startswith(b"\x89PNG")
    assert first[1].read_bytes().startswith(b"%PDF")


def test_points_bars_and_axes(drawn: list[Figure], tmp_path: Path) -> None:
    draw(tmp_path, TABLE3)
    indoor, cifar = drawn[0].axes
    assert [axes.get_title() for axes in drawn[0].axes] == ["Indoor67", "CIFAR-100"]
    assert indoor.get_xscale() == "log"
    assert [tick.get_text() for tick in cifar.get_xticklabels()] == ["64", "4"]
    (paper,) = indoor.lines
    assert paper.get_xydata().tolist() == [[4, 14.40], [64, 12.76]]
    printed, ours = cifar.lines[:2]
    assert printed.get_xydata().tolist() == [[4, 27.59], [64, 29.00]]
    assert ours.get_xydata().tolist() == [[4, 27.0], [64, 28.5]]
    # A single run has no bar.
    (bars,) = cifar.collections
    assert [segment.tolist() for segment in bars.get_segments() if len(segment)] == [[[64, 28.0], [64, 29.0]]]
    assert [text.get_text() for text in drawn[0].legends[0].texts] == ["paper", "ours, mean ± std (n = 1–3)"]


def test_a_fraction_is_a_number(drawn: list[Figure], tmp_path: Path) -> None:
    text = HEADER + "0.01,digits,true,,80,,1\n1/16,digits,true,,81,,1\n0.05,digits,true,,79,,1\n"
    draw(tmp_path, text, {**DIGITS, "key": "occurrence_prior"})
    (axes,) = drawn[0].axes
    assert axes.get_xscale() == "log"
    assert axes.lines[0].get_xydata().tolist() == [[0.01, 80], [0.05, 79], [0.0625, 81]]
    assert dict(zip(axes.get_xticks(), [tick.get_text() for tick in axes.get_xticklabels()], strict=True)) == {
        0.01: "0.01",
        0.05: "0.05",
        0.0625: "1/16",
    }


def test_words_make_a_categorical_axis(drawn: list[Figure], tmp_path: Path) -> None:
    text = HEADER + "0.01,digits,true,,80,,1\nbase,digits,true,,81,,1\n0.1,digits,true,,79,,1\n"
    draw(tmp_path, text, {**DIGITS, "key": "occurrence_prior"})
    (axes,) = drawn[0].axes
    assert axes.get_title() == "digits (demo)"
    assert axes.get_xscale() == "linear"
    assert axes.lines[0].get_xydata().tolist() == [[0, 80], [1, 81], [2, 79]]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.01", "base", "0.1"]
    assert [text.get_text() for text in drawn[0].legends[0].texts] == ["ours"]


@pytest.mark.parametrize(
    ("key", "value", "scale"),
    [("beta_occ", "0.06", "log"), ("beta_occ", "0", "linear"), ("part_dim", "3", "linear"), ("own", "3", "linear")],
)
def test_scales(key: str, value: str, scale: str, drawn: list[Figure], tmp_path: Path) -> None:
    draw(
        tmp_path,
        HEADER + f"{value},digits,true,,80,,1\n0.6,digits,true,,81,,1\n",
        {**DIGITS, "key": key},
    )
    assert drawn[0].axes[0].get_xscale() == scale


def test_small_differences_stay_small(drawn: list[Figure], tmp_path: Path) -> None:
    draw(tmp_path, HEADER + "4,digits,true,,80.0,,1\n8,digits,true,,80.1,,1\n", DIGITS)
    low, high = drawn[0].axes[0].get_ylim()
    assert np.isclose(high - low, 2.0)
    assert np.isclose((high + low) / 2, 80.05)


def test_table_without_an_accuracy(tmp_path: Path) -> None:
    with pytest.raises(PatchVAEError, match=r"table\.csv: holds no accuracy to draw"):
        draw(tmp_path, HEADER + "4,cifar100,false,,,,\n")
    assert not (tmp_path / "new").exists()
