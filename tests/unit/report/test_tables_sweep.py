"""Tables 3-6: values in order, the paper's beside ours, the base marked."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from table_files import Content, finetuning, lines, pretraining, rows, write

from patchvae.errors import PatchVAEError
from patchvae.report.tables import sweep
from patchvae.report.tables.finetunings import value_of

VARIANTS = {"128": "patchvae.num_parts=128", "16": "patchvae", "4": "patchvae.num_parts=4"}
TOP1 = {"128": (30.0, 31.0), "16": (25.0, 28.0), "4": (28.0, 28.0)}


@pytest.fixture
def config() -> dict[str, Any]:
    return {
        "run": "quick_1",
        "seeds": [0, 1],
        "key": "num_parts",
        "variants": {"128": VARIANTS["128"], "4": VARIANTS["4"]},
        "variant": "patchvae",
        "paper_column": "n_parts",
        "regime": "conv1-5",
        "head": "table12",
        "datasets": ["cifar100"],
        "select": "last",
    }


def report_sweep(config: dict[str, Any], paper: Path | None, files: list[Path]) -> dict[str, Any]:
    return sweep.report(config, files, paper_csv=paper)


def contents(datasets: list[str], names: dict[str, str] = VARIANTS, key: str = "num_parts") -> list[Content]:
    files = []
    for (value, variant), values in zip(names.items(), TOP1.values(), strict=True):
        for dataset, seed in itertools.product(datasets, (0, 1)):
            files.append(finetuning(variant, dataset, "conv1-5", seed, values[seed]))
            files[-1]["pretraining"] = pretraining(dataset, variant, **{key: int(value) if value.isdigit() else value})
    return files


def test_numbers_by_hand(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    text, markdown, tex = write(
        report_sweep, tmp_path, contents(["cifar100"]), config, root / "paper/sweep_num_parts.csv"
    )
    assert text.startswith("value,dataset,stand_in,paper,mean,std,n,model,")
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
    assert {row["stand_in"] for row in table.values()} == {"false"}
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
    assert markdown.startswith("Table 3 of the paper, run quick_1: top-1 test accuracy")
    for part in ("of PatchVAE at Conv[1-5] for values of N (num_parts)", "chance 1.00 %", "9.0 minutes", "Base:"):
        assert part in markdown
    assert r"16 (base) & 28.94 & 26.50 $\pm$ 2.12 \\" in tex
    assert r"\label{tab:sweep_num_parts}" in tex


def test_data_sets_side_by_side(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    config |= {"datasets": ["indoor67", "digits"]}
    files = contents(["indoor67", "digits"])
    text, markdown, _ = write(report_sweep, tmp_path, files, config, root / "paper/sweep_num_parts.csv")
    assert list(rows(text, "value", "dataset"))[:4] == [
        ("4", "indoor67"),
        ("4", "digits"),
        ("8", "indoor67"),
        ("8", "digits"),
    ]
    assert {(row["dataset"], row["stand_in"]) for row in rows(text, "value", "dataset").values()} == {
        ("indoor67", "false"),
        ("digits", "true"),
    }
    # Made-up data have no column of the paper.
    assert lines(markdown)[0] == ["N", "Indoor67 paper", "Indoor67 ours", "digits (demo) ours"]
    assert lines(markdown)[1] == ["4", "14.40", "28.00 ± 0.00", "28.00 ± 0.00"]
    assert "DEMO on stand-in data - not comparable with the paper (digits)" in markdown


def test_a_stand_in_has_no_number_of_the_paper(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    config |= {"datasets": ["indoor67"]}
    files = contents(["indoor67"])
    for content in files:
        content["config"]["stand_in"] = True
    text, markdown, _ = write(report_sweep, tmp_path, files, config, root / "paper/sweep_num_parts.csv")
    assert {row["paper"] for row in rows(text, "value", "dataset").values()} == {""}
    assert lines(markdown)[0] == ["N", "indoor67 (demo) ours"]


PRIORS = {"0.010": "patchvae.occurrence_prior=0.010", "1/N": "patchvae", "5e-02": "patchvae.occurrence_prior=5e-02"}


def priors(config: dict[str, Any], num_parts: int) -> list[Content]:
    """Files of a sweep of the prior, whose base is 1/N."""
    others = {value: variant for value, variant in PRIORS.items() if variant != "patchvae"}
    config |= {"key": "occurrence_prior", "variants": others, "paper_column": "prior"}
    files = contents(["cifar100"], PRIORS, "occurrence_prior")
    for content in files:
        content["pretraining"]["model"]["num_parts"] = num_parts
    return files


def test_a_base_that_is_a_fraction_and_values_spelt_in_other_ways(
    config: dict[str, Any], root: Path, tmp_path: Path
) -> None:
    files = priors(config, num_parts=16)
    text, markdown, tex = write(report_sweep, tmp_path, files, config, root / "paper/sweep_occurrence_prior.csv")
    # Among numbers, 1/16 comes behind 0.05.
    assert [(value, row["paper"], row["mean"]) for value, row in rows(text, "value").items()] == [
        ("0.010", "28.86", "30.50"),
        ("5e-02", "28.67", "28.00"),
        ("1/16", "", "26.50"),
        ("0.1", "28.31", ""),
    ]
    assert lines(markdown)[3] == ["1/16 (base)", "—", "26.50 ± 2.12"]
    assert r"$z_{\mathrm{occ}}^{\mathrm{prior}}$ & paper & ours" in tex


@pytest.mark.parametrize(
    ("num_parts", "order"),
    [(8, ["0.010", "5e-02", "0.1", "1/8"]), (64, ["0.010", "1/64", "5e-02", "0.1"]), (10, ["0.010", "5e-02", "1/10"])],
)
def test_a_fraction_stands_where_its_number_belongs(
    config: dict[str, Any], root: Path, tmp_path: Path, num_parts: int, order: list[str]
) -> None:
    files = priors(config, num_parts)
    table = rows(write(report_sweep, tmp_path, files, config, root / "paper/sweep_occurrence_prior.csv")[0], "value")
    assert list(table) == order
    # Where it is the paper's number, that stands beside it.
    assert table[f"1/{num_parts}"]["paper"] == ("28.31" if num_parts == 10 else "")


def test_a_fraction_that_is_another_row_is_refused(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    files = priors(config, num_parts=20)
    with pytest.raises(PatchVAEError, match=r"2\.json: occurrence_prior: 1/20, as in patchvae\.occurrence_prior=5e-02"):
        write(report_sweep, tmp_path, files, config, root / "paper/sweep_occurrence_prior.csv")


def test_a_key_that_the_paper_does_not_sweep(config: dict[str, Any], tmp_path: Path) -> None:
    config |= {"key": "my_key", "paper_column": None}
    text, markdown, tex = write(report_sweep, tmp_path, contents(["cifar100"], key="my_key"), config, None)
    assert list(rows(text, "value")) == ["4", "16", "128"]
    assert lines(markdown)[0] == ["my_key", "CIFAR-100 ours"]
    assert markdown.startswith("Run quick_1: top-1")
    assert "| 16 (base) |" in markdown
    assert "paper" not in markdown
    assert r"my\_key & ours \\" in tex


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("model.temperature.floor", "0.1"),
        ("temperature.floor", "0.1"),
        ("finetune.weight_decay", "0.5"),
        ("detach_occurrence", "True"),
        ("occurrence_prior", "1/16"),
        ("pretrain.lr", "base"),
        ("num_parts.4", "base"),
    ],
)
def test_where_the_base_value_is_told(key: str, told: str) -> None:
    content = finetuning("patchvae", "cifar100", "conv1-5", 0, 9)
    model = {"temperature": {"floor": 0.1}, "detach_occurrence": True, "num_parts": 16, "occurrence_prior": "1/N"}
    content["pretraining"] = pretraining("cifar100", "patchvae", **model)
    content["config"]["weight_decay"] = 0.5
    assert value_of(content, key) == told


def test_the_base_on_other_data_sets_is_passed_over(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    paper, files = root / "paper/sweep_num_parts.csv", contents(["cifar100"])
    expected = write(report_sweep, tmp_path, files, config, paper)
    other = finetuning("patchvae", "indoor67", "conv1-5", 0, 9) | {"epochs": 9}
    other["pretraining"] = pretraining("indoor67", "patchvae", num_parts=99)
    assert write(report_sweep, tmp_path, [*files, other], config, paper) == expected
    with pytest.raises(PatchVAEError, match=r"6\.json: regime 'conv1' is not one of this table's regimes"):
        write(report_sweep, tmp_path, [*files, other | {"dataset": "cifar100", "regime": "conv1"}], config, paper)


def test_the_base_has_one_value_and_no_other_row_has_it(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    files = contents(["cifar100"])
    files[3]["pretraining"]["model"]["num_parts"] = 8
    with pytest.raises(PatchVAEError, match=r"3\.json: num_parts: 8, but 16 in .*2\.json"):
        write(report_sweep, tmp_path, files, config, root / "paper/sweep_num_parts.csv")
    files[2]["pretraining"]["model"]["num_parts"] = files[3]["pretraining"]["model"]["num_parts"] = 4.0
    with pytest.raises(PatchVAEError, match=r"2\.json: num_parts: 4\.0, as in patchvae\.num_parts=4$"):
        write(report_sweep, tmp_path, files, config, root / "paper/sweep_num_parts.csv")
    assert not (tmp_path / "out").exists()


def test_errors_name_the_file(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    paper = root / "paper/sweep_num_parts.csv"
    files = contents(["cifar100"])
    with pytest.raises(
        PatchVAEError, match=r"no metrics file for patchvae\.num_parts=4, cifar100, conv1-5, table12, seed 1"
    ):
        write(report_sweep, tmp_path, files[:-1], config, paper)
    with pytest.raises(PatchVAEError, match=r"6\.json: model '.*num_parts=8' is not one of this table's models"):
        write(
            report_sweep,
            tmp_path,
            [*files, finetuning("patchvae.num_parts=8", "cifar100", "conv1-5", 0, 9)],
            config,
            paper,
        )
    with pytest.raises(PatchVAEError, match=r"sweep_part_dim\.csv"):
        write(report_sweep, tmp_path, files, config, root / "paper/sweep_part_dim.csv")
    assert not (tmp_path / "out").exists()
