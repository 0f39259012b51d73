"""Table 2: top-1 and top-5 beside the paper's, and the row that is trained whole."""

from pathlib import Path
from typing import Any

import pytest
from table_files import Content, finetuning, lines, rows, write

from patchvae.errors import PatchVAEError
from patchvae.report.tables.table2 import report as report_table2


@pytest.fixture
def config() -> dict[str, Any]:
    return {
        "run": "quick_1",
        "seeds": [0, 1],
        "dataset": "imagenet",
        "variants": ["random", "patchvae"],
        "regime": "conv1-5",
        "head": "table12",
        "supervised": "random",
        "select": "last",
    }


def contents(dataset: str = "imagenet") -> list[Content]:
    cells = [
        ("patchvae", "conv1-5", (40, 43), (60, 62)),
        ("random", "conv1-5", (30, 32), (70, 70)),
        ("random", "none", (50, 54), (80, 82)),
    ]
    return [
        finetuning(variant, dataset, regime, seed, top1[seed], top5[seed])
        for variant, regime, top1, top5 in cells
        for seed in (0, 1)
    ]


def test_numbers_by_hand(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    text, markdown, tex = write(report_table2, tmp_path, contents(), config, root / "paper/table2.csv")
    assert text.startswith("model,dataset,regime,metric,paper,mean,std,n,")
    table = rows(text, "model", "metric")
    row = table["patchvae", "top5"]
    assert (row["paper"], row["mean"], row["std"], row["n"]) == ("71.71", "61.00", "1.41", "2")  # 2 / sqrt(2)
    assert (row["last_mean"], row["best_mean"], row["regime"]) == ("61.00", "61.50", "conv1-5")
    # The same variant, once fine-tuned like the others and once trained whole.
    row = table["supervised", "top1"]
    assert (row["paper"], row["mean"], row["std"], row["regime"]) == ("61.37", "52.00", "2.83", "none")
    assert (table["random", "top1"]["mean"], table["random", "top1"]["paper"]) == ("31.00", "")
    assert (table["beta-vae", "top1"]["n"], table["beta-vae", "top1"]["mean"]) == ("0", "")
    # Bold: the best without labels, so not the supervised row.
    assert lines(markdown) == [
        ["Model", "Top-1 (%) paper", "Top-1 (%) ours", "Top-5 (%) paper", "Top-5 (%) ours"],
        ["β-VAE", "44.45", "—", "69.67", "—"],
        ["PatchVAE", "47.01", "**41.50 ± 2.12**", "71.71", "61.00 ± 1.41"],
        ["β-VAE + L_w", "47.28", "—", "71.78", "—"],
        ["PatchVAE + L_w", "47.87", "—", "72.49", "—"],
        ["Supervised", "61.37", "52.00 ± 2.83", "83.79", "81.00 ± 1.41"],
        ["Random φ (control)", "—", "31.00 ± 1.41", "—", "**70.00 ± 0.00**"],
    ]
    for part in ("on ImageNet at Conv[1-5], after the last epoch, 2 seeds", "chance 1.00 % and 5.00 %", "9.0 minutes"):
        assert part in markdown
    assert r"Supervised & 61.37 & 52.00 $\pm$ 2.83 & 83.79 & 81.00 $\pm$ 1.41 \\" in tex


def test_a_stand_in_for_imagenet_has_no_number_of_the_paper(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    files = contents("imagenet")
    for content in files:
        content["config"]["stand_in"] = True
    text, markdown, _ = write(report_table2, tmp_path, files, config, root / "paper/table2.csv")
    assert {row["paper"] for row in rows(text, "model", "metric").values()} == {""}
    assert "61.37" not in markdown and "DEMO on stand-in data" in markdown


def test_another_data_set_has_no_number_of_the_paper(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    paper = root / "paper/table2.csv"
    text, markdown, tex = write(report_table2, tmp_path, contents("digits"), config | {"dataset": "digits"}, paper)
    assert {row["paper"] for row in rows(text, "model", "metric").values()} == {""}
    assert [row[0] for row in lines(markdown)] == ["Model", "PatchVAE", "Supervised", "Random φ (control)"]
    assert lines(markdown)[0][1:] == ["Top-1 (%) ours", "Top-5 (%) ours"]
    assert markdown.startswith("> **DEMO on stand-in data - not comparable with the paper (digits).**")
    assert r"\textbf{DEMO on stand-in data" in tex
    assert "of ImageNet, so none of its numbers stands here" in markdown


@pytest.mark.parametrize(
    ("index", "change", "said"),
    [
        (0, {"top5": {"last": 101, "best": 102}}, r"0\.json: top5\.last: 101"),
        (0, {"top5": 50}, r"0\.json: top5: 50"),
        (0, {"regime": "none"}, r"0\.json: patchvae, imagenet, none, table12, seed 0 is not a cell"),
        (4, {"regime": "conv1-5"}, r"4\.json: the same cell and seed as .*2\.json"),
        (5, {"epochs": 9}, r"5\.json: epochs of fine-tuning on imagenet: 9, but 2 in "),
    ],
)
def test_a_wrong_file_is_named(
    config: dict[str, Any], root: Path, tmp_path: Path, index: int, change: Content, said: str
) -> None:
    files = contents()
    files[index] |= change
    with pytest.raises(PatchVAEError, match=said):
        write(report_table2, tmp_path, files, config, root / "paper/table2.csv")
    assert not (tmp_path / "out").exists()


def test_what_is_missing_is_named(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    paper = root / "paper/table2.csv"
    with pytest.raises(PatchVAEError, match="no metrics file for random, imagenet, none, table12, seed 1"):
        write(report_table2, tmp_path, contents()[:-1], config, paper)
    broken = tmp_path / "paper.csv"
    for content in ("model,top1\npatchvae,1\n", "model,top1,top5\npatchvae,1,2\npatchvae,1,2\n"):
        broken.write_text(content)
        with pytest.raises(PatchVAEError, match=r"paper\.csv"):
            write(report_table2, tmp_path, contents(), config, broken)
    with pytest.raises(PatchVAEError, match=r"table2\.regime"):
        write(report_table2, tmp_path, contents(), config | {"regime": "none"}, paper)
