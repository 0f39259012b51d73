"""Tables 3-6: values in order, the paper's beside ours, the base marked."""

from pathlib import Path
from typing import Any

import pytest
from table_files import Content, finetuning, lines, rows, write

from patchvae.errors import PatchVAEError
from patchvae.report.tables.sweep import write_sweep

VARIANTS = {"128": "patchvae.num_parts=128", "16": "patchvae", "4": "patchvae.num_parts=4"}
TOP1 = {"128": (30.0, 31.0), "16": (25.0, 28.0), "4": (28.0, 28.0)}


@pytest.fixture
def config() -> dict[str, Any]:
    return {
        "run": "quick_1",
        "seeds": [0, 1],
        "key": "num_parts",
        "values": [4, 16, 128],
        "base_value": 16,
        "variants": VARIANTS,
        "variant": "patchvae",
        "paper_column": "n_parts",
        "regime": "conv1-5",
        "datasets": ["cifar100"],
        "select": "last",
        "schedule": {name: {"pretrain_epochs": 3, "finetune_epochs": 2} for name in ("cifar100", "indoor67", "digits")},
        "demo": ["digits"],
    }


def contents(datasets: list[str], names: dict[str, str] = VARIANTS) -> list[Content]:
    return [
        finetuning(variant, dataset, "conv1-5", seed, values[seed])
        for (variant, values) in zip(names.values(), TOP1.values(), strict=True)
        for dataset in datasets
        for seed in (0, 1)
    ]


def test_numbers_by_hand(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    text, markdown, tex = write(write_sweep, tmp_path, contents(["cifar100"]), config, root / "paper/table3.csv")
    assert text.startswith("value,dataset,paper,mean,std,n,model,")
    table = rows(text, "value")
    # As numbers: 16 comes before 128. 8, 32 and 64 are the paper's alone, 128 is ours alone.
    assert list(table) == ["4", "8", "16", "32", "64", "128"]
    row = table["16"]
    assert (row["paper"], row["mean"], row["std"], row["n"], row["model"]) == (
        "28.94",
        "26.50",
        "2.12",
        "2",
        "patchvae",
    )
    assert (table["8"]["paper"], table["8"]["mean"], table["8"]["std"], table["8"]["n"]) == ("28.74", "", "", "0")
    assert (table["128"]["paper"], table["128"]["mean"], table["128"]["best_mean"]) == ("", "30.50", "31.00")
    assert lines(markdown) == [
        ["N", "CIFAR-100 paper", "CIFAR-100 ours"],
        ["4", "27.59", "28.00 ± 0.00"],
        ["8", "28.74", "—"],
        ["16 (base)", "28.94", "26.50 ± 2.12"],
        ["32", "27.78", "—"],
        ["64", "29.00", "—"],
        ["128", "—", "**30.50 ± 0.71**"],
    ]
    for part in ("of PatchVAE at Conv[1-5] for values of N (num_parts)", "chance 1.00 %", "9.0 minutes", "Base:"):
        assert part in markdown
    assert r"16 (base) & 28.94 & 26.50 $\pm$ 2.12 \\" in tex
    assert r"\label{tab:sweep_num_parts}" in tex


def test_data_sets_side_by_side(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    config |= {"datasets": ["indoor67", "digits"]}
    files = contents(["indoor67", "digits"])
    text, markdown, _ = write(write_sweep, tmp_path, files, config, root / "paper/table3.csv")
    assert list(rows(text, "value", "dataset"))[:4] == [
        ("4", "indoor67"),
        ("4", "digits"),
        ("8", "indoor67"),
        ("8", "digits"),
    ]
    # Made-up data have no column of the paper.
    assert lines(markdown)[0] == ["N", "Indoor67 paper", "Indoor67 ours", "digits (demo) ours"]
    assert lines(markdown)[1] == ["4", "14.40", "28.00 ± 0.00", "28.00 ± 0.00"]
    assert "DEMO on stand-in data - not comparable with the paper (digits)" in markdown


def test_a_stand_in_has_no_number_of_the_paper(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    config |= {"datasets": ["indoor67"], "demo": ["indoor67"]}
    text, markdown, _ = write(write_sweep, tmp_path, contents(["indoor67"]), config, root / "paper/table3.csv")
    assert {row["paper"] for row in rows(text, "value", "dataset").values()} == {""}
    assert lines(markdown)[0] == ["N", "indoor67 (demo) ours"]


def test_a_base_that_is_no_number_and_values_spelt_in_other_ways(
    config: dict[str, Any], root: Path, tmp_path: Path
) -> None:
    names = {"0.010": "patchvae.occurrence_prior=0.010", "1/N": "patchvae", "5e-02": "patchvae.occurrence_prior=5e-02"}
    config |= {"key": "occurrence_prior", "variants": names, "base_value": "1/N", "paper_column": "prior"}
    text, markdown, tex = write(write_sweep, tmp_path, contents(["cifar100"], names), config, root / "paper/table5.csv")
    found = {value: (row["paper"], row["mean"]) for value, row in rows(text, "value").items()}
    assert found == {
        "0.010": ("28.86", "30.50"),
        "5e-02": ("28.67", "28.00"),
        "0.1": ("28.31", ""),
        "1/N": ("", "26.50"),
    }
    assert lines(markdown)[-1] == ["1/N (base)", "—", "26.50 ± 2.12"]
    assert r"$z_{\mathrm{occ}}^{\mathrm{prior}}$ & paper & ours" in tex


def test_a_key_that_the_paper_does_not_sweep(config: dict[str, Any], tmp_path: Path) -> None:
    del config["paper_column"]
    config |= {"key": "my_key", "base_value": 7}
    text, markdown, tex = write(write_sweep, tmp_path, contents(["cifar100"]), config, None)
    assert list(rows(text, "value")) == ["4", "16", "128"]
    assert lines(markdown)[0] == ["my_key", "CIFAR-100 ours"]
    assert "The value of all other tables, 7, is not among them." in markdown
    assert "(base)" not in markdown
    assert "paper" not in markdown
    assert r"my\_key & ours \\" in tex


def test_errors_name_the_file(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    paper = root / "paper/table3.csv"
    files = contents(["cifar100"])
    with pytest.raises(PatchVAEError, match=r"no metrics file for patchvae\.num_parts=4, cifar100, conv1-5, seed 1"):
        write(write_sweep, tmp_path, files[:-1], config, paper)
    with pytest.raises(PatchVAEError, match=r"6\.json: model 'patchvae\.num_parts=8' is none of this table's models"):
        write(
            write_sweep,
            tmp_path,
            [*files, finetuning("patchvae.num_parts=8", "cifar100", "conv1-5", 0, 9)],
            config,
            paper,
        )
    with pytest.raises(PatchVAEError, match=r"table4\.csv"):
        write(write_sweep, tmp_path, files, config, root / "paper/table4.csv")
    assert not (tmp_path / "out").exists()
