"""The answer in a few lines: verdicts of primary claims, counts of the others, one column of Table 1."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from table_files import finetuning

from patchvae.report.comparisons import judge
from patchvae.report.tables.brief import brief
from patchvae.report.tables.finetunings import collect_accuracies

CONFIG: dict[str, Any] = {
    "seeds": [0, 1],
    "select": "last",
    "datasets": ["cifar100"],
    "variants": ["beta-vae", "patchvae", "random"],
    "regimes": ["conv1-5"],
    "heads": ["table12"],
}
POOL = ["beta-vae", "patchvae"]
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
    return collect_accuracies(CONFIG, paths)


def text(results: pd.DataFrame, claims: pd.DataFrame = CLAIMS, **changes: Any) -> list[str]:
    paper, config = PAPER.rename_axis(["model", "dataset", "regime"]), {**CONFIG, **changes}
    return brief(config, paper, results, judge(claims, results, config["heads"], POOL)).splitlines()


def test_sentence_differences_what_is_missing_picture_and_column(results: pd.DataFrame) -> None:
    first, _, points, _, head, printed, others, missing, _, picture, _, heading, _, *table, _, protocol = text(results)
    assert first == "**CIFAR-100 Conv[1-5]: PatchVAE is better than β-VAE under “Table 12 + ReLU”.**"
    assert points.startswith("PatchVAE minus β-VAE")
    assert head.startswith("- Table 12 + ReLU (") and "): +5.05 (+" in head and ", 2 seeds)" in head
    assert printed == "- The paper prints +0.15; runs of its own that should be equal differ by 0.25."
    assert others == (
        "- [Claims](claims.md) on CIFAR-100. The paper's other claims: reversed 1, not run 1; ours, against φ without"
        " pretraining: not run 1."
    )
    assert missing == "- Not run: 1 of 3 rows (— in the table)."
    assert picture == "![The paper's Table 1 against ours](../figures/answer.png)"
    assert heading.startswith("Top-1 test accuracy (%) on CIFAR-100 Conv[1-5], after the last epoch, 2 seeds")
    assert table == [
        "|Model|paper|Table 12 + ReLU|",
        "|---|---:|---:|",
        "|PatchVAE|28.70|25.55 ± 0.78|",
        "|BiGAN|27.70|—|",
        "|β-VAE|—|20.50 ± 0.71|",
    ]
    assert protocol.startswith("CIFAR-100: 3 epochs of pretraining and 2 of fine-tuning, 10,000 test images")


def test_heads_that_disagree_are_in_one_sentence(results: pd.DataFrame) -> None:
    turned = results.replace({"model": {"patchvae": "beta-vae", "beta-vae": "patchvae"}}).assign(head="dropout")
    alone = results[results.seed == 0].assign(head="own")
    every, heads = pd.concat([results, turned, alone]), ["table12", "dropout", "own", "linear"]
    lines = text(every, heads=heads)
    assert lines[0] == (
        "**CIFAR-100 Conv[1-5]: PatchVAE is better than β-VAE under “Table 12 + ReLU”, worse under “dropout” and not"
        " told apart under “own”.**"
    )
    # A user's own head keeps its key; one that was not run has no line.
    assert [line.split(" (")[0] for line in lines[4:7]] == ["- Table 12 + ReLU", "- dropout", "- own: +5.00"]
    assert lines[7].startswith("- The paper prints")


def test_what_was_not_run_and_fewer_seeds(results: pd.DataFrame) -> None:
    lines = text(results, seeds=[0, 1, 2], regimes=["conv1", "conv1-5"], datasets=["cifar100", "indoor67"])
    assert "- Not run: 1 of 3 rows (— in the table), Conv1, Indoor67." in lines
    assert "|β-VAE|—|20.50 ± 0.71 [2]|" in lines
    nothing = text(results, CLAIMS.replace("beta-vae", "bigan").iloc[:1])
    assert nothing[0] == "**CIFAR-100 Conv[1-5]: PatchVAE against BiGAN was not run.**"


def test_label_controls_say_how_long_they_were_pretrained(results: pd.DataFrame) -> None:
    extra = results[results.model == "patchvae"].assign(model="labelled", pretrain_epochs=7)
    lines = text(pd.concat([results, extra]), variants=[*CONFIG["variants"], "labelled"])
    assert lines[-1].endswith("φ pretrained with its labels (control): 7 epochs of pretraining.")


def test_a_run_without_claims_says_so(results: pd.DataFrame) -> None:
    assert text(results, CLAIMS.assign(dataset="imagenet")) == ["No claim is about a data set of this run."]


def test_a_claim_counts_once_however_many_heads_there_are(results: pd.DataFrame) -> None:
    """By its verdict over all heads, of the paper's claims and of ours apart."""
    other = results.assign(head="wide", value=results.value.where(results.model != "beta-vae", 90 + results.seed))
    random = results[results.model == "beta-vae"].assign(model="random", value=[10.0, 11.3])
    every = pd.concat([results, other, random, random.assign(head="wide")])
    config = CONFIG | {"heads": ["table12", "wide"]}
    table = judge(CLAIMS, every, config["heads"], ["patchvae", "beta-vae"])
    lines = brief(config, PAPER.rename_axis(["model", "dataset", "regime"]), every, table).splitlines()
    assert (
        "- [Claims](claims.md) on CIFAR-100. The paper's other claims: depends on the head 1, not run 1; ours, against"
        " φ without pretraining: holds 1." in lines
    )
