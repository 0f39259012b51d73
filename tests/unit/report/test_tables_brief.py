"""The answer in a few lines: verdicts of primary claims, counts of the others, one column of Table 1."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from table_files import finetuning

from patchvae.report.comparisons import judge
from patchvae.report.tables.brief import brief
from patchvae.report.tables.outcomes import collect_outcomes

CONFIG: dict[str, Any] = {
    "seeds": [0, 1],
    "select": "last",
    "datasets": ["cifar100"],
    "variants": ["beta-vae", "patchvae", "random"],
    "regimes": ["conv1-5"],
    "heads": ["table12"],
}
COLUMN = {"family": "f", "dataset": "cifar100", "regime": "conv1-5", "paper_spread": 0.25}
CLAIM: dict[str, Any] = {**COLUMN, "source": "paper"}
CLAIMS = pd.DataFrame(
    [
        {"name": "a", "primary": True, "better": "patchvae", "worse": "beta-vae", "paper_effect": 0.15, **CLAIM},
        {"name": "b", "primary": False, "better": "patchvae", "worse": "bigan", "paper_effect": 1.0, **CLAIM},
        {"name": "c", "primary": False, "better": "beta-vae", "worse": "patchvae", "paper_effect": 2.0, **CLAIM},
        {"name": "d", "primary": False, "better": "patchvae", "worse": "random", **CLAIM, "source": "ours"},
    ]
)
TOP1 = {"beta-vae": (20.0, 21.0), "patchvae": (25.0, 26.1)}
PAPER = pd.Series({("patchvae", "cifar100", "conv1-5"): 28.7, ("bigan", "cifar100", "conv1-5"): 27.7})


@pytest.fixture
def results(tmp_path: Path) -> pd.DataFrame:
    paths = []
    for model, values in TOP1.items():
        for seed, top1 in enumerate(values):
            paths.append(tmp_path / f"{model}{seed}.json")
            paths[-1].write_text(json.dumps(finetuning(model, "cifar100", "conv1-5", seed, top1)))
    return collect_outcomes(CONFIG, paths)


def text(results: pd.DataFrame, claims: pd.DataFrame = CLAIMS) -> list[str]:
    paper = PAPER.rename_axis(["model", "dataset", "regime"])
    return brief(CONFIG, paper, results, judge(claims, results, CONFIG["heads"], ["patchvae", "beta-vae"])).splitlines()


def test_verdicts_counts_and_the_column(results: pd.DataFrame) -> None:
    primary, others, empty, heading, _, *table, _, protocol = text(results)
    assert primary.startswith(
        "- **PatchVAE over β-VAE, CIFAR-100 Conv[1-5]: holds, larger than printed.** table12: +5.05 (+"
    )
    assert primary.endswith(", 2 seeds). The paper prints +0.15; its own equal runs differ by 0.25.")
    assert others == (
        "- The paper's other claims: 1 reversed, 1 not run; our own claims, against the controls: 1 not run."
    )
    assert heading.startswith("Top-1 test accuracy (%) on CIFAR-100 Conv[1-5]") and empty == ""
    assert table == [
        "| Model | paper | table12 |",
        "| --- | ---: | ---: |",
        "| PatchVAE | 28.70 | 25.55 ± 0.78 (2) |",
        "| BiGAN | 27.70 | — |",
        "| β-VAE | — | 20.50 ± 0.71 (2) |",
    ]
    assert protocol.startswith("CIFAR-100: 3 epochs of pretraining and 2 of fine-tuning, 10,000 test images")


def test_a_run_without_claims_says_so(results: pd.DataFrame) -> None:
    assert text(results, CLAIMS.assign(dataset="imagenet")) == ["No claim is about a data set of this run."]


def test_a_claim_counts_once_however_many_heads_there_are(results: pd.DataFrame) -> None:
    """By its verdict over all heads, of the paper's claims and of ours apart."""
    other = results.assign(head="wide", value=results.value.where(results.model != "beta-vae", 90 + results.seed))
    random = results[results.model == "beta-vae"].assign(model="random", value=[10.0, 11.3])
    every = pd.concat([results, other, random, random.assign(head="wide")])
    config = CONFIG | {"heads": ["table12", "wide"]}
    table = judge(CLAIMS, every, config["heads"], ["patchvae", "beta-vae"])
    counted = brief(config, PAPER.rename_axis(["model", "dataset", "regime"]), every, table).splitlines()[1]
    assert counted == (
        "- The paper's other claims: 1 depends on the head, 1 not run; our own claims, against the controls: 1 holds."
    )
