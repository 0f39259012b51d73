"""The table and the figure of parts on photographs: means by hand, cells that were not run, wrong files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from table_files import Content, lines, metrics, pretraining, rows, write
from table_files import config as config_for
from table_files import images as images_of

from patchvae.data.packed import PackedSplit, write_packed
from patchvae.errors import PatchVAEError
from patchvae.params.configs import check_config
from patchvae.report.figures import real_parts as figure
from patchvae.report.tables.real_parts_table import report as report_real_parts_table

SPACES = ("pretrained", "random")


@pytest.fixture
def config() -> dict[str, Any]:
    return {"run": "quick", "seeds": [0, 1], "datasets": ["cifar100"], "variant": "patchvae"}


def part(bits: float, distance: float, dead: bool = False, place: int = 0) -> Content:
    """A part whose superclass has half the bits, and whose cosine distance is a tenth of the Euclidean one."""
    told = {"chance": 0.06, "error": 0.003}
    return {
        "dead": dead,
        "share": 0.0005 if dead else 0.2,
        "probability": 0.06,
        "deviation": 0.01,
        "class": told | {"bits": bits},
        "superclass": told | {"bits": bits / 2},
        "distance": {space: {"euclidean": distance, "cosine": distance / 10} for space in SPACES},
        "strongest": [place, place + 16],
    }


def method(*parts: Content) -> Content:
    live = [block for block in parts if not block["dead"]]
    means = {kind: {"bits": 0.1, "chance": 0.06, "error": 0.001} for kind in ("class", "superclass")}
    return {"parts": list(parts), "mean": {"all": means, "live": means if live else None}}


def content(seed: int, **changes: Any) -> Content:
    """Three parts of which the last is dead; a seed adds 0.2 bits to the first."""
    trained = method(part(0.2 + 0.2 * seed, 0.8), part(0.1, 1.2, place=5), part(0.03, 9.0, dead=True))
    all_dead = method(*(part(0.01, 2.0, dead=True) for _ in range(3)))
    errors = {"distance": {"euclidean": 40.0, "cosine": 1.0}, "error": {"euclidean": 0.05, "cosine": 0.01}}
    record = {
        "reference": pretraining("cifar100", "beta-vae"),
        "grid": [4, 4],
        "random_crops": dict.fromkeys(SPACES, errors),
        "trained": trained,
        "untrained": method(*(part(0.06, 1.0, place=8) for _ in range(3))),
        "kmeans": method(*(part(0.04, 0.5) for _ in range(3))),
        "shuffled": all_dead,
        "config": config_for("patchvae", "cifar100", seed, bins=10, permutations=100, crops=50, crop_cells=3),
    }
    return metrics("real_parts", "patchvae", "cifar100", seed, **record | changes)


def test_numbers_by_hand(config: dict[str, Any], tmp_path: Path) -> None:
    text, markdown, _ = write(report_real_parts_table, tmp_path, [content(0), content(1)], config)
    table = rows(text, "method", "seed", "part")
    assert len(table) == 4 * 2 * 3
    assert table["trained", "1", "0"]["class_bits"] == "0.40000"
    assert table["trained", "0", "2"]["dead"] == "true" and table["kmeans", "0", "2"]["dead"] == "false"
    assert table["trained", "0", "1"]["random_cosine"] == "0.12000"
    printed = {row[0]: row[1:] for row in lines(markdown)[1:]}
    # Seed 0: (0.2 + 0.1 + 0.03) / 3, (0.2 + 0.1) / 2 and 0.2; seed 1: 0.2 more for the first part
    expected = ["1 ± 0", "0.143 ± 0.047", "0.200 ± 0.071", "0.300 ± 0.141", "0.072 ± 0.024", "0.100 ± 0.035"]
    assert printed["PatchVAE"][:6] == expected
    assert printed["PatchVAE"][7:] == ["1.00 ± 0.00", "0.10 ± 0.00"] * 2
    assert printed["k-means on raw crops (control)"][1] == "0.040 ± 0.000"
    shuffled = printed["PatchVAE, maps dealt out among the images (control)"]
    assert shuffled[0] == "3 ± 0" and shuffled[1] == "0.010 ± 0.000" and shuffled[2] == "—" and shuffled[-1] == "—"


def test_a_seed_that_was_not_run(config: dict[str, Any], tmp_path: Path) -> None:
    text, markdown, _ = write(report_real_parts_table, tmp_path, [content(1)], config)
    assert {seed for _, seed in rows(text, "part", "seed")} == {"1"}
    printed = {row[0]: row[1:] for row in lines(markdown)[1:]}
    assert printed["PatchVAE"][0] == "1 [1]" and printed["PatchVAE"][3] == "0.400 [1]"
    assert "[n]" in markdown.splitlines()[-1]


def test_a_data_set_without_superclasses(config: dict[str, Any], tmp_path: Path) -> None:
    file = content(0)
    for name in ("trained", "untrained", "kmeans", "shuffled"):
        for block in file[name]["parts"]:
            del block["superclass"]
        file[name]["mean"] = {of: means and {"class": means["class"]} for of, means in file[name]["mean"].items()}
    text, markdown, _ = write(report_real_parts_table, tmp_path, [file], config | {"seeds": [0]})
    assert "superclass" not in text.splitlines()[0] and "superclass" not in markdown
    assert len(lines(markdown)[0]) == 1 + 1 + 3 + 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rule": "parts"}, r"1\.json: not the metrics \(schema 1\) of parts on photographs"),
        ({"kmeans": {"mean": {"live": None}}}, r"1\.json: kmeans\.parts: missing"),
        ({"trained": method(part(float("inf"), 1))}, r"1\.json: trained\.parts\.0\.class\.bits: inf"),
        ({"trained": method(part(0.1, -1))}, r"1\.json: trained\.parts\.0\.distance\.pretrained\.euclidean: -1"),
        ({"trained": method(part(0.1, 1) | {"share": 2})}, r"1\.json: trained\.parts\.0\.share: 2"),
        ({"seed": 3}, r"1\.json: seed 3 is not one of this table's seeds"),
        ({"seed": 0}, r"1\.json: the same cell and seed as .*0\.json"),
        ({"variant": "patchvae+lw"}, r"1\.json: model 'patchvae\+lw' is not one"),
    ],
)
def test_a_wrong_file_is_named(config: dict[str, Any], tmp_path: Path, change: Content, said: str) -> None:
    files = [content(0), content(1) | change]
    with pytest.raises(PatchVAEError, match=said):
        write(report_real_parts_table, tmp_path, files, config)
    assert not (tmp_path / "out").exists()


def test_seeds_with_other_settings(config: dict[str, Any], tmp_path: Path) -> None:
    files = [content(0), content(1, config=content(1)["config"] | {"bins": 4})]
    with pytest.raises(PatchVAEError, match="bins: "):
        write(report_real_parts_table, tmp_path, files, config)


# ---- the figure


@pytest.fixture
def drawing(tmp_path: Path) -> Any:
    """A function of a metrics file's content, drawing it from four images; the packed data's digest is its own."""
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    split = PackedSplit(images, np.array([0, 1, 0, 1]))
    write_packed(tmp_path / "data", "tiny", "folders", ["a", "b"], {"train": split, "test": split}, {})
    digest = json.loads((tmp_path / "data/manifest.json").read_text())["splits"]["test"]["sha256"]

    def draw(file: Content, **changes: Any) -> tuple[Path, Path]:
        path = tmp_path / "metrics.json"
        path.write_text(json.dumps(file | {"data_sha256": images_of(digest)} | changes))
        config = check_config("figure_real_parts", {"crop_cells": 3})
        png, pdf = tmp_path / "out.png", tmp_path / "out.pdf"
        figure.draw(config, tmp_path / "data", path, png, pdf)
        return png, pdf

    return draw


def test_live_parts_first_and_the_most_informative_before_others() -> None:
    parts = [part(0.1, 1), part(0.5, 1, dead=True), part(0.3, 1), part(0.02, 1, dead=True)]
    assert figure.in_order(parts) == [2, 0, 1, 3]
    assert figure.label(1, parts[1]) == "part 1, dead\n0.500 bits"


def test_the_crops_that_the_metrics_name(drawing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    pictures = figure.Canvas.pictures
    monkeypatch.setattr(
        figure.Canvas, "pictures", lambda self, crops, *rest: (drawn.append(crops), pictures(self, crops, *rest))
    )
    png, pdf = drawing(content(0))
    assert png.read_bytes().startswith(b"\x89PNG") and pdf.read_bytes().startswith(b"%PDF")
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    assert len(drawn) == 3 + 3
    # Part 1 of the trained model: cell 5 of images 0 and 1, so rows and columns 0 to 23
    assert (drawn[1][0] == images[0, :24, :24]).all() and (drawn[1][1] == images[1, :24, :24]).all()
    first = png.read_bytes()
    assert drawing(content(0))[0].read_bytes() == first


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rule": "parts"}, r"metrics\.json: not the metrics \(schema 1\) of parts on photographs"),
        ({"trained": {}}, r"metrics\.json: trained\.parts: missing"),
        (
            {"data_sha256": images_of("d" * 64)},
            r"metrics\.json was measured on other images than .*data holds",
        ),
        (
            {"config": config_for("patchvae", "cifar100", 0, crop_cells=2)},
            r"metrics\.json was measured on crops of another size",
        ),
    ],
)
def test_a_file_that_cannot_be_drawn(drawing: Any, changes: Content, said: str, tmp_path: Path) -> None:
    with pytest.raises(PatchVAEError, match=said):
        drawing(content(0), **changes)
    assert not (tmp_path / "out.png").exists()
