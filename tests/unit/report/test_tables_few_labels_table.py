"""The table of few labels: its numbers by hand, the pairing by draw, what was not run."""

import math
from pathlib import Path
from typing import Any

import pytest
from table_files import Content, lines, metrics, probing, rows, write

from patchvae.errors import PatchVAEError
from patchvae.report.tables.few_labels_table import report as report_few_labels_table

# Accuracies of the draws with one label, and with all
TOP1 = {
    "patchvae": ((4.0, 5.0, 6.0), 30.0),
    "beta-vae": ((3.5, 4.0, 5.7), 29.0),
    "random": ((2.0, 2.0, 2.0), 20.0),
    "pixels": ((1.0, 2.0, 3.0), 15.0),
    "pixels-whitened": ((1.0, 1.0, 4.0), 16.0),
}
T2 = 4.302653  # Student's t with two degrees of freedom, two-sided 95 %


@pytest.fixture
def config() -> dict[str, Any]:
    variants = ["random", "patchvae", "beta-vae"]
    return {"run": "small", "seed": 0, "datasets": ["cifar100"], "variants": variants, "per_class": [1, "all"]}


def fit(per_class: int | str, draw: int, top1: float) -> Content:
    images = 50000 if per_class == "all" else 100
    found = {"per_class": per_class, "draw": draw, "images": images, "top1": top1, "left_out_top1": 0.0}
    return found | {"lambda": 10.0 ** (draw + 1), "at_edge": per_class == 1 and draw == 2}


def few(variant: str) -> Content:
    floor = variant.startswith("pixels")
    own: Content = {"whitened_variance": 0.99} if floor else {"pool": 4}
    draws, whole = TOP1[variant]
    record = metrics("few_labels", variant, "cifar100", 0, features=637 if floor else 2048)
    record["config"] |= own
    record["fits"] = [*(fit(1, draw, top1) for draw, top1 in enumerate(draws)), fit("all", 0, whole)]
    if floor:
        del record["pretraining"]
    return record


def contents() -> list[Content]:
    return [few(variant) for variant in TOP1]


def test_numbers_by_hand(config: dict[str, Any], tmp_path: Path) -> None:
    text, markdown, tex = write(report_few_labels_table, tmp_path, contents(), config)
    assert text.startswith("model,dataset,per_class,mean,std,n,low,high,images,lambdas,at_edge,test_images,device,")
    table = rows(text, "model", "per_class")
    half = T2 / math.sqrt(3)  # the deviation is 1
    row = table["patchvae", "1"]
    assert (row["mean"], row["std"], row["n"]) == ("5.00", "1.00", "3")
    assert (row["low"], row["high"]) == (f"{5 - half:.2f}", f"{5 + half:.2f}")
    assert (row["images"], row["lambdas"], row["at_edge"]) == ("100", "10; 100; 1000", "true")
    row = table["patchvae", "all"]
    assert (row["mean"], row["std"], row["n"], row["low"], row["images"]) == ("30.00", "", "1", "", "50000")
    # 0.5, 1.0 and 0.3 points apart: less scatter than either row has
    deviation = math.sqrt((0.1**2 + 0.4**2 + 0.3**2) / 2)
    row = table["patchvae minus beta-vae", "1"]
    assert (row["mean"], row["std"]) == ("0.60", f"{deviation:.2f}")
    assert float(row["low"]) == pytest.approx(0.6 - half * deviation, abs=0.005)
    low, high = f"−{half * deviation - 0.6:.2f}", f"+{0.6 + half * deviation:.2f}"
    assert lines(markdown) == [
        ["Model", "CIFAR-100 1 label", "CIFAR-100 all"],
        ["PatchVAE", f"5.00 ({5 - half:.2f} to {5 + half:.2f})‡", "30.00"],
        ["β-VAE", "4.40 (1.54 to 7.26)‡", "29.00"],
        ["Random φ (control)", "2.00 (2.00 to 2.00)‡", "20.00"],
        ["Raw pixels (floor)", "2.00 (-0.48 to 4.48)‡", "15.00"],
        ["PCA-whitened pixels (floor)", "2.00 (-2.30 to 6.30)‡", "16.00"],
        ["PatchVAE − β-VAE", f"+0.60 ({low} to {high})", "+1.00"],
    ]
    assert "mean over 3 draws" in markdown and "chance 1.00 %" in markdown and "of seed 0" in markdown
    assert "99 % of their variance (637 on CIFAR-100)" in markdown and "a grid of 4×4" in markdown
    assert r"PatchVAE $-$ $\beta$-VAE & +0.60" in tex


def test_what_was_not_run_is_empty(config: dict[str, Any], tmp_path: Path) -> None:
    files = [content for content in contents() if content["variant"] not in ("beta-vae", "pixels-whitened")]
    for content in files:
        content["fits"] = content["fits"][:3]
    text, markdown, _ = write(report_few_labels_table, tmp_path, files, config)
    table = rows(text, "model", "per_class")
    for cell in (("beta-vae", "1"), ("patchvae", "all"), ("patchvae minus beta-vae", "1")):
        assert (table[cell]["n"], table[cell]["mean"] + table[cell]["low"] + table[cell]["at_edge"]) == ("0", "")
    assert lines(markdown)[2] == ["β-VAE", "—", "—"] and lines(markdown)[6] == ["PatchVAE − β-VAE", "—", "—"]
    assert lines(markdown)[1][2] == "—"


def test_only_draws_that_both_have_are_paired(config: dict[str, Any], tmp_path: Path) -> None:
    files = contents()
    files[1]["fits"] = files[1]["fits"][1:]
    text, _, _ = write(report_few_labels_table, tmp_path, files, config)
    row = rows(text, "model", "per_class")["patchvae minus beta-vae", "1"]
    assert (row["mean"], row["n"]) == ("0.65", "2")


def test_without_the_pair_there_is_no_difference(config: dict[str, Any], tmp_path: Path) -> None:
    config |= {"variants": ["patchvae", "random"]}
    files = [content for content in contents() if content["variant"] != "beta-vae"]
    _, markdown, _ = write(report_few_labels_table, tmp_path, files, config)
    assert [row[0] for row in lines(markdown)[1:3]] == ["PatchVAE", "Random φ (control)"] and "−" not in markdown


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fits": [fit(1, 0, 101.0)]}, r"0\.json: fits\.0\.top1: 101\.0"),
        ({"fits": [fit(1, 0, 1.0) | {"at_edge": "no"}]}, r"0\.json: fits\.0\.at_edge: 'no'"),
        ({"seed": 1}, r"0\.json: seed 1 is not one"),
        ({"variant": "patch"}, r"0\.json: model 'patch' is not one of this table's models"),
        ({"data_sha256": {"train": "c" * 64, "test": "b" * 64}}, r"0\.json: training images of cifar100, by which"),
        (probing("patchvae", "cifar100", 0, 1.0), r"0\.json: not the metrics \(schema 1\) of few labels"),
    ],
)
def test_a_wrong_file_is_named(config: dict[str, Any], tmp_path: Path, changes: Content, said: str) -> None:
    files = contents()
    files[0] |= changes
    with pytest.raises(PatchVAEError, match=said):
        write(report_few_labels_table, tmp_path, files, config)
    assert not (tmp_path / "out").exists()
