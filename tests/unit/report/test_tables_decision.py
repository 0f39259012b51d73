"""The decision: every outcome of its rule, what it ignores, what it prints, what it refuses."""

import base64
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from table_files import Content, finetuning, images, lines, probing, rows, write

from patchvae.errors import PatchVAEError
from patchvae.evaluation.bits import BY_DIGEST
from patchvae.params.reading import load_params, read_yaml
from patchvae.plan.settings import resolve
from patchvae.report.tables.claims_file import Decision, read_claims_file
from patchvae.report.tables.decision import decide, sentence
from patchvae.report.tables.decision import report as report_decision

NAMES = ["standardised", "standardised + dropout", "tuned rate", "linear probe"]
HEADS = ["standardised", "standardised-dropout", "tuned", "probe"]
RULE = Decision(
    better="patchvae",
    worse="beta-vae",
    dataset="cifar100",
    regime="conv1-5",
    level=0.05,
    heads={head: {} for head in HEADS[:3]},
    probe=True,
    seeds=[3, 4, 5],
)
ABOVE, BELOW, AROUND = (1.0, 1.4, 1.1), (-1.0, -0.7, -1.2), (0.5, -0.4, 0.1)
BASE = {3: 30.0, 4: 30.7, 5: 29.8, 0: 30.1, 1: 30.3, 2: 30.2}


def cells(gains: dict[str, Sequence[float]], seeds: Sequence[int] = (3, 4, 5)) -> pd.DataFrame:
    """Results of both rows: gains of PatchVAE by head."""
    found = []
    for head, row in gains.items():
        for seed, gain in zip(seeds, row, strict=True):
            common = {"head": head, "seed": seed, "num_classes": 100, "right": None}
            found += [
                {"model": "beta-vae", "value": BASE[seed], **common},
                {"model": "patchvae", "value": BASE[seed] + gain, **common},
            ]
    return pd.DataFrame(found)


def outcome(table: pd.DataFrame) -> str:
    verdicts = set(table.verdict[table.role == "deciding"])
    assert len(verdicts) == 1 and set(table.verdict[table.role == "other"]) == {""}
    return str(verdicts.pop())


@pytest.mark.parametrize(
    ("gains", "verdict", "signs"),
    [
        ([ABOVE] * 4, "better", "++++"),
        ([BELOW] * 4, "worse", "----"),
        ([ABOVE, ABOVE, ABOVE, AROUND], "depends on the head", "+++0"),
        ([BELOW, ABOVE, ABOVE, ABOVE], "depends on the head", "-+++"),
        ([BELOW, BELOW, AROUND, BELOW], "depends on the head", "--0-"),
        ([AROUND] * 4, "depends on the head", "0000"),
    ],
)
def test_the_rule(gains: list[Sequence[float]], verdict: str, signs: str) -> None:
    table = decide(RULE, cells(dict(zip(HEADS, gains, strict=True))))
    assert outcome(table) == verdict
    deciding = table[table.role == "deciding"]
    assert "".join(deciding.sign) == signs and list(deciding["head"]) == HEADS
    for row, gain in zip(deciding.itertuples(), gains, strict=True):
        test = stats.ttest_1samp(gain, 0).confidence_interval(0.95)
        assert (row.difference, row.low, row.high) == pytest.approx((np.mean(gain), test.low, test.high))
        assert (row.n, row.seeds, row.over, row.missing) == (3, "3 4 5", "seeds", "")
    said = sentence(RULE, table)
    assert all(name in said for name in NAMES) and "not run" not in said and "Other seeds" not in said


def test_the_level_is_the_rules() -> None:
    """An interval at 95 % excludes 0 where one at 99.9 % does not."""
    found = cells(dict.fromkeys(HEADS, ABOVE))
    strict = RULE.model_copy(update={"level": 0.001})
    assert (outcome(decide(RULE, found)), outcome(decide(strict, found))) == ("better", "depends on the head")


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("model", ["patchvae", "beta-vae"])
def test_one_missing_cell_leaves_it_open(head: str, model: str) -> None:
    found = cells(dict.fromkeys(HEADS, ABOVE))
    gone = (found["head"] == head) & (found.model == model) & (found.seed == 4)
    table = decide(RULE, found[~gone])
    assert outcome(table) == "not decided: not run"
    row = table[(table.role == "deciding") & (table["head"] == head)].iloc[0]
    assert (row.missing, row.sign, row.n) == ("4", "", 2) and math.isnan(row.difference)
    assert f"seed 4 under {NAMES[HEADS.index(head)]} not run" in sentence(RULE, table)


def test_what_is_missing_is_named() -> None:
    table = decide(RULE, cells(dict.fromkeys(HEADS, ABOVE[:1]), [0]))
    said = "(seeds 3 to 5 not run)"
    assert outcome(table) == "not decided: not run" and said in sentence(RULE, table)
    some = cells({"standardised": ABOVE[:1], "tuned": ABOVE[:1]}, [4])
    every = pd.concat([some, cells({"standardised-dropout": ABOVE, "probe": ABOVE})])
    said = "seeds 3 and 5 under standardised; seeds 3 and 5 under tuned rate not run"
    assert said in sentence(RULE, decide(RULE, every))


def test_only_the_listed_seeds_decide() -> None:
    """Other seeds, rows and heads change no deciding line; the other seeds are told as known."""
    found = cells(dict.fromkeys(HEADS, ABOVE))
    alone = decide(RULE, found)
    known = pd.concat([cells({"standardised": [-9.0]}, [0]), cells({"probe": [-9.0, -8.0, -9.5]}, [0, 1, 2])])
    others = [known, found.assign(model="random", value=1.0), cells({"table12": BELOW}, [3, 4, 5])]
    table = decide(RULE, pd.concat([found, *others]))
    deciding = table.role == "deciding"
    pd.testing.assert_frame_equal(table[deciding], alone[deciding])
    lines = table[~deciding].set_index("head")
    test = stats.ttest_1samp([-9.0, -8.0, -9.5], 0).confidence_interval(0.95)
    row = lines.loc["probe"]
    assert (row.difference, row.low, row.high) == pytest.approx((-26.5 / 3, test.low, test.high))
    assert (row.seeds, row.over, row.n) == ("0 1 2", "seeds", 3)
    assert list(lines.n) == [1, 0, 0, 3] and set(lines.missing) == {""}
    said = sentence(RULE, table)
    assert "standardised −9.00 (seed 0); linear probe −8.83 (" in said.split("Other seeds")[1]


def test_a_single_known_seed_has_an_interval_over_images() -> None:
    rng = np.random.default_rng(0)
    right = {"beta-vae": rng.random(400) < 0.3, "patchvae": rng.random(400) < 0.4}
    found = pd.DataFrame(
        [
            {"model": model, "head": "tuned", "seed": 0, "value": 100 * bits.mean(), "num_classes": 100, "right": bits}
            for model, bits in right.items()
        ]
    )
    row = decide(RULE, found).query("role == 'other' and head == 'tuned'").iloc[0]
    gain = 100 * (right["patchvae"].astype(float) - right["beta-vae"])
    test = stats.ttest_1samp(gain, 0).confidence_interval(0.95)
    assert (row.difference, row.low, row.high) == pytest.approx((gain.mean(), test.low, test.high))
    assert (row.over, row.n) == ("images", 1)


def test_near_chance_there_is_no_sign() -> None:
    found = cells(dict.fromkeys(HEADS, ABOVE))
    found.loc[(found["head"] == "tuned") & (found.model == "beta-vae"), "value"] = 1.0
    table = decide(RULE, found)
    assert outcome(table) == "depends on the head"
    row = table[(table.role == "deciding") & (table["head"] == "tuned")].iloc[0]
    assert row.sign == "" and math.isnan(row.difference)
    assert "; tuned rate —; " in sentence(RULE, table)
    assert "and near chance under tuned rate" in sentence(RULE, table)


@pytest.fixture
def config() -> dict[str, Any]:
    return {"run": "quick_1", "seeds": [0, 1, 2], "select": "last"}


@pytest.fixture
def claims(root: Path) -> Path:
    return root / "paper/claims.yaml"


COUNT = 2000
SETTINGS = {
    "standardised": {"standardise": True, "head_dropout": 0.0, "lr": 0.01},
    "standardised-dropout": {"standardise": True, "head_dropout": 0.5, "lr": 0.01},
    "tuned": {"standardise": False, "head_dropout": 0.0, "lr": "chosen"},
}
SETTINGS = {head: {"head_relu": True, "batch_size": 128, "epochs": 90} | own for head, own in SETTINGS.items()}


def bits(correct: int, seed: int) -> str:
    right = np.random.default_rng([seed, correct]).permutation(COUNT) < correct
    return base64.b64encode(np.packbits(right)).decode()


def metrics_files(seeds: Sequence[int], better: int, worse: int) -> list[Content]:
    """Of both rows under all classifiers: images that each seed gets right, a few more with every seed."""
    files = []
    for seed in seeds:
        for model, correct in (("patchvae", better + seed % 3), ("beta-vae", worse + 2 * seed)):
            right = {"count": COUNT, "right": bits(correct, seed), "right_order": BY_DIGEST}
            top1 = 100 * correct / COUNT
            for head in HEADS[:3]:
                content = finetuning(model, "cifar100", "conv1-5", seed, top1) | {"head": head} | right
                files.append(content | {"config": content["config"] | dict(SETTINGS[head])})
            files.append(probing(model, "cifar100", seed, top1, **right))
    return files


def written(folder: Path, files: list[Content], config: dict[str, Any], claims: Path) -> tuple[str, str, str]:
    return write(lambda paths: report_decision(config, claims, paths, []), folder, files)


def test_undecided_on_the_shipped_rule(config: dict[str, Any], claims: Path, tmp_path: Path) -> None:
    """Seed 0 alone: known beforehand, and every deciding seed is missing."""
    files = [*metrics_files([0], 600, 610), probing("random", "cifar100", 0, 20.0), probing("patchvae", "tiny", 0, 9.0)]
    text, markdown, _ = written(tmp_path, files, config, claims)
    table = rows(text, "role", "head")
    assert len(table) == 8
    row = table["deciding", "tuned"]
    assert (row["verdict"], row["missing"], row["difference"]) == ("not decided: not run", "3 4 5 6 7 8 9", "")
    for head in HEADS:
        row = table["other", head]
        assert (row["difference"], row["n"], row["over"], row["verdict"]) == ("-0.5000", "1", "images", "")
        assert float(row["low"]) < -0.5 < float(row["high"])
    assert lines(markdown)[0][1:] == [
        "Other seeds: difference",
        "Other seeds: seeds",
        "Deciding: difference",
        "Deciding: seeds",
        "Deciding: sign",
    ]
    assert lines(markdown)[4][0] == "linear probe" and lines(markdown)[4][2:] == ["0, over images", "—", "—", "—"]
    assert "Decision: not decided: not run (seeds 3 to 9)." in markdown


def test_decided_on_the_shipped_rule(config: dict[str, Any], claims: Path, tmp_path: Path) -> None:
    text, markdown, _ = written(tmp_path, metrics_files(range(3, 10), 700, 600), config, claims)
    table = rows(text, "role", "head")
    assert {table["deciding", head]["verdict"] for head in HEADS} == {"better"}
    gains = [5 + 100 * (seed % 3 - 2 * seed) / COUNT for seed in range(3, 10)]
    test = stats.ttest_1samp(gains, 0).confidence_interval(0.95)
    row = table["deciding", "standardised"]
    found = [float(row[key]) for key in ("difference", "low", "high")]
    assert found == pytest.approx([np.mean(gains), test.low, test.high], abs=1e-4)
    assert {row[-1] for row in lines(markdown)[1:]} == {"+"} and "Decision: better." in markdown


def test_without_any_file_nothing_is_decided(config: dict[str, Any], claims: Path, tmp_path: Path) -> None:
    made = report_decision(config, claims, [], [])
    text = made["answer"]
    assert text.startswith("**Under classifiers that do not depend on the scale") and text.count("\n") == 1
    assert "not decided (seeds 3 to 9 not run)" in text and "Other seeds" not in text
    assert {row["verdict"] for row in rows(made["csv"], "role", "head").values()} == {
        "not decided: not run",
        "",
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 77}, "seed 77 is not one"),
        ({"epochs": 3}, "epochs of fine-tuning on cifar100: 3, but 2 in"),
        ({"right": "AAAA"}, "3 bytes in base64 are not those of 2000 bits"),
        ({"set_sha256": images("c" * 64)}, "tested on other images"),
    ],
)
def test_a_wrong_metrics_file_is_named(
    config: dict[str, Any], claims: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    files = metrics_files([0, 1], 600, 610)
    files[4] |= changes
    with pytest.raises(PatchVAEError, match=r"4\.json: ") as error:
        written(tmp_path, files, config, claims)
    assert said in str(error.value) and not (tmp_path / "out").exists()


def test_a_file_without_a_decision_is_named(config: dict[str, Any], claims: Path, tmp_path: Path) -> None:
    content = read_yaml(claims)
    del content["decision"]
    (tmp_path / "mine.yaml").write_text(json.dumps(content))
    with pytest.raises(PatchVAEError, match=r"mine\.yaml: decision: missing"):
        written(tmp_path, metrics_files([0], 600, 610), config, tmp_path / "mine.yaml")


def test_the_shipped_rule_is_the_one_that_was_fixed(claims: Path) -> None:
    rule = read_claims_file(claims).decision
    assert rule.given == RULE.model_copy(update={"seeds": [3, 4, 5, 6, 7, 8, 9], "heads": SETTINGS}).given


def test_the_shipped_heads_are_those_that_the_rule_names(root: Path, claims: Path) -> None:
    params = load_params([root / "params.yaml", root / "configs/cifar100.yaml"])
    for head, settings in read_claims_file(claims).decision.heads.items():
        job = {"dataset": "cifar100", "variant": "patchvae", "regime": "conv1-5", "head": head, "seed": 3}
        assert settings.items() <= resolve(params, "finetune", job).items()


def test_a_classifier_with_other_settings_is_refused(config: dict[str, Any], claims: Path, tmp_path: Path) -> None:
    files = metrics_files([0], 600, 610)
    files[1]["config"] = files[1]["config"] | {"head_dropout": 0.1}
    with pytest.raises(PatchVAEError, match=r"1\.json: head_dropout is 0\.1, but the rule of the decision has 0\.5"):
        written(tmp_path, files, config, claims)
