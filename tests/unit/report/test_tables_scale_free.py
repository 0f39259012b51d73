"""The table of classifiers without scale: its numbers by hand, rates that were chosen, what was not run."""

import json
from pathlib import Path
from typing import Any

import pytest
from table_files import Content, epoch, finetuning, lines, metrics, rows

from patchvae.errors import PatchVAEError
from patchvae.report.tables.scale_free import report as report_scale_free

TRIED = {
    "patchvae": {0.003: 30.0, 0.01: 31.5, 0.03: 31.0},
    "random": {0.003: 20.0, 0.01: 21.0, 0.03: None},
}


@pytest.fixture
def config() -> dict[str, Any]:
    return {
        "run": "quick_1",
        "seeds": [0, 1],
        "select": "last",
        "datasets": ["cifar100"],
        "variants": ["patchvae", "random"],
        "regime": "conv1-5",
        "heads": ["standardised", "tuned"],
        "tuned": ["tuned"],
    }


def cell(variant: str, head: str, seed: int, top1: float, dataset: str = "cifar100", lr: float = 0.01) -> Content:
    content = finetuning(variant, dataset, "conv1-5", seed, top1) | {"head": head}
    content["config"] = content["config"] | {"lr": "chosen" if head == "tuned" else lr}
    content["history"] = [epoch(1, top1 + 5) | {"test_top1": top1}]
    return content | ({"lr": lr} if head == "tuned" else {})


def search(variant: str, at_edge: bool = False, **changes: Any) -> Content:
    tried = [{"lr": lr, "held_out_top1": top1, "train_top1": top1} for lr, top1 in TRIED[variant].items()]
    record = {"regime": "conv1-5", "head": "tuned", "lr": 0.01, "at_edge": at_edge, "rates": tried, "split": "train"}
    record |= {"count": 5000, "train_images": 45000, "epochs": 30, "batch_size": 128}
    record["features"] = {"mean_abs": 47.0, "largest_eigenvalue": 1446.0}
    return metrics("rates", variant, "cifar100", 0, **record) | changes


def contents() -> list[Content]:
    return [
        cell("patchvae", "standardised", 0, 30.0),
        cell("patchvae", "standardised", 1, 31.0),
        cell("patchvae", "tuned", 0, 32.0, lr=0.01),
        cell("random", "standardised", 0, 28.0),
    ]


def table(config: dict[str, Any], folder: Path, tuned: list[Content], searched: list[Content]) -> tuple[str, str]:
    """Texts of CSV and Markdown."""
    folder.mkdir(exist_ok=True)
    files: dict[str, list[Path]] = {"tuned": [], "searched": []}
    for kind, found in (("tuned", tuned), ("searched", searched)):
        for number, content in enumerate(found):
            files[kind].append(folder / f"{kind}{number}.json")
            files[kind][-1].write_text(json.dumps(content))
    made = report_scale_free(config, files["tuned"], files["searched"])
    return made["csv"], made["md"]


def test_numbers_by_hand(config: dict[str, Any], tmp_path: Path) -> None:
    text, markdown = table(config, tmp_path, contents(), [search("patchvae"), search("random", at_edge=True)])
    found = rows(text, "model", "head")
    row = found["patchvae", "standardised"]
    assert (row["mean"], row["std"], row["n"], row["train_mean"], row["lr"]) == ("30.50", "0.71", "2", "35.50", "0.01")
    assert row["rates"] == row["at_edge"] == ""
    row = found["patchvae", "tuned"]
    assert (row["mean"], row["n"], row["lr"], row["at_edge"]) == ("32.00", "1", "0.01", "false")
    assert row["rates"] == "0.003 30.00, 0.01 31.50, 0.03 31.00"
    assert (row["mean_abs"], row["largest_eigenvalue"]) == ("47.00", "1446.00")
    row = found["random", "tuned"]  # its rate was chosen, its cell was not run
    assert (row["n"], row["mean"], row["lr"], row["at_edge"]) == ("0", "", "", "true")
    assert row["rates"] == "0.003 20.00, 0.01 21.00, 0.03 diverged"
    body = lines(markdown)
    assert [line[1:] for line in body[1:]] == [
        ["**30.50 ± 0.71**", "35.50", "**32.00** [1]", "37.00", "0.01"],
        ["28.00 [1]", "33.00", "—", "—", "—"],
    ]
    assert "5,000 training images" in markdown and "may lie beyond: Random φ (control)" in markdown


def test_without_a_search(config: dict[str, Any], tmp_path: Path) -> None:
    text, markdown = table(config, tmp_path, contents()[:2], [])
    assert rows(text, "model", "head")["patchvae", "tuned"]["rates"] == ""
    assert "held" not in markdown and lines(markdown)[1][3:] == ["—", "—", "—"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"count": 1000}, "images of cifar100: 1000, but 5000"),
        ({"epochs": 10}, "epochs of fine-tuning on cifar100: 10, but 30"),
        ({"lr": "x"}, "lr: 'x' is not a number"),
        ({"rule": "finetune"}, "not the metrics"),
    ],
)
def test_wrong_searches(config: dict[str, Any], tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(PatchVAEError, match=message):
        table(config, tmp_path / "wrong", contents(), [search("patchvae"), search("random", **changed)])
