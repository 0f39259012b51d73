"""The table of claims: its data, its numbers and verdicts from metrics files, what it prints, what it refuses."""

import base64
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from table_files import Content, accuracy, finetuning, images, lines, rows, write

from patchvae.errors import PatchVAEError
from patchvae.evaluation.bits import BY_DIGEST
from patchvae.params.reading import read_yaml
from patchvae.report.tables.claims import paper_spread, read_claims
from patchvae.report.tables.claims import report as report_claims
from patchvae.report.tables.claims_file import read_claims_file
from patchvae.report.tables.metrics import read_paper

PRIMARY = "cifar100-conv1-5-patchvae-over-beta-vae"
COUNT = 2000
# Images of COUNT that seeds 0, 1 and 2 get right
RIGHT = {
    "beta-vae": (560, 571, 583),
    "patchvae": (601, 610, 626),
    "patchvae+lw": (590, 612, 625),
    "random": (640, 655, 660),
    "random+bn": (700, 707, 724),
}
POOL = ("beta-vae", "patchvae", "random+bn", "random")


@pytest.fixture
def config() -> dict[str, Any]:
    return {
        "run": "quick_1",
        "seeds": [0, 1, 2],
        "select": "last",
        "datasets": ["cifar100"],
        "variants": ["random", "random+bn", "beta-vae", "patchvae", "patchvae+lw"],
        "regimes": ["conv1", "conv1-5"],
        "heads": ["table12"],
    }


@pytest.fixture
def sources(root: Path) -> tuple[Path, Path, list[Path]]:
    """The claims, the paper's numbers and its sweeps."""
    paper = root / "paper"
    return paper / "claims.yaml", paper / "table1.csv", [paper / "sweep_num_parts.csv", paper / "sweep_part_dim.csv"]


def outcome(variant: str, seed: int, correct: int, regime: str = "conv1-5", **changes: Any) -> Content:
    """A fine-tuning that gets so many images right, others with each seed and variant."""
    content = finetuning(variant, changes.get("dataset", "cifar100"), regime, seed, 100 * correct / COUNT)
    right = np.random.default_rng([seed, correct]).permutation(COUNT) < correct
    bits = {"right": base64.b64encode(np.packbits(right)).decode(), "right_order": BY_DIGEST}
    return {**content, "count": COUNT, **bits, **changes}


def contents(**changes: Any) -> list[Content]:
    return [
        outcome(model, seed, correct, **changes) for model, row in RIGHT.items() for seed, correct in enumerate(row)
    ]


def column() -> tuple[float, int]:
    """Standard error of a difference and its degrees of freedom, in percent: of the pool's rows alone."""
    table = 100 * np.array([RIGHT[model] for model in POOL]) / COUNT
    rest = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    df = (table.shape[0] - 1) * (table.shape[1] - 1)
    return float(np.sqrt(2 * (rest**2).sum() / df / table.shape[1])), df


def test_the_claims_are_all_that_the_paper_decides(sources: tuple[Path, Path, list[Path]]) -> None:
    paper = read_paper(sources[1], ["model", "dataset", "regime"], ["top1"]).top1
    claims, pool = read_claims(sources[0], paper)
    assert pool == ["beta-vae", "patchvae", "random", "random+bn"]
    assert list(claims.name[claims.primary]) == [PRIMARY]
    pairs = {(c.dataset, c.regime, frozenset([c.better, c.worse])) for c in claims.itertuples()}
    cells = list(itertools.product(("cifar100", "indoor67", "places205"), ("conv1", "conv1-3", "conv1-5")))
    twins = [
        (a, a.replace("patchvae", "beta-vae")) for a in ("patchvae", "patchvae+lw", "patchvae-gan", "patchvae-gan+lw")
    ]
    lw = [(a + "+lw", a) for a in ("beta-vae", "beta-vae-gan", "patchvae", "patchvae-gan")]
    control = list(itertools.product(("patchvae", "beta-vae"), ("random", "random+bn")))
    expected = {(*cell, frozenset(pair)) for cell in cells for pair in (*twins, *lw, *control)}
    bigan = {(d, r, frozenset([a, "bigan"])) for d, r in cells if r == "conv1-5" for a, _ in twins}
    assert pairs == expected | bigan and len(claims) == 36 + 36 + 36 + 12
    # As the paper's text and numbers have it
    assert (claims.paper_effect[claims.family != "control"] > 0).all()
    assert claims.paper_effect[claims.family == "control"].isna().all()
    assert set(claims.family[claims.source == "ours"]) == {"control"}
    assert "control" not in set(claims.family[claims.source == "paper"])
    assert set(claims.worse[claims.added == "after-results"]) == {"random"}
    assert (claims.worse == "random").sum() == (claims.added == "after-results").sum() == 18
    families = claims.set_index("name").groupby("family")
    assert {name: len(group) for name, group in families} == {
        "patchvae-vs-beta-vae": 36,
        "lw": 36,
        "control": 36,
        "bigan": 12,
    }
    twin = families.get_group("patchvae-vs-beta-vae")
    lost = twin[twin.better.str.startswith("beta-vae")].groupby(["dataset", "regime"]).size()
    assert lost.to_dict() == {("cifar100", "conv1"): 4, ("cifar100", "conv1-3"): 1, ("places205", "conv1"): 2}
    weighted = families.get_group("lw")
    assert list(weighted.index[~weighted.better.str.endswith("+lw")]) == ["cifar100-conv1-5-beta-vae-over-beta-vae+lw"]
    assert twin.paper_effect[PRIMARY] == pytest.approx(0.15)


def test_the_papers_spread_is_counted(sources: tuple[Path, Path, list[Path]]) -> None:
    paper = read_paper(sources[1], ["model", "dataset", "regime"], ["top1"]).top1
    assert paper_spread(paper, sources[2]).to_dict() == pytest.approx({"cifar100": 0.25, "indoor67": 1.12})
    assert paper_spread(paper, sources[2][1:])["cifar100"] == pytest.approx(28.97 - 28.72)
    assert paper_spread(paper, sources[2][:1])["indoor67"] == pytest.approx(14.33 - 13.43)
    assert paper_spread(paper, []).empty


def test_numbers_by_hand(config: dict[str, Any], sources: Any, tmp_path: Path) -> None:
    text = write(report_claims, tmp_path, contents(), config, *sources)[0]
    assert text.startswith(
        "name,family,source,added,primary,dataset,regime,head,better,worse,paper_effect,difference,low,high,level,p,df"
    )
    table = rows(text, "name", "head")
    assert len(table) == 120
    row = table[PRIMARY, "table12"]
    error, df = column()
    value = 100 * (np.mean(RIGHT["patchvae"]) - np.mean(RIGHT["beta-vae"])) / COUNT
    half = stats.t.isf(0.025, df) * error
    pairs = stats.ttest_rel(*(100 * np.array(RIGHT[model]) / COUNT for model in ("patchvae", "beta-vae")))
    further = half * np.sqrt(3) * np.sqrt(4 / 3)
    keys = ("difference", "low", "high", "level", "p", "df", "paired_low", "next_high", "n", "paper_effect")
    assert {key: float(row[key]) for key in keys} == pytest.approx(
        {
            "difference": value,
            "low": value - half,
            "high": value + half,
            "level": 0.95,
            "p": 2 * stats.t.sf(value / error, df),
            "df": 6,
            "paired_low": pairs.confidence_interval(0.95).low,
            "next_high": value + further,
            "n": 3,
            "paper_effect": 0.15,
        },
        abs=1e-4,
    )
    assert (row["primary"], row["family"], row["paper_spread"]) == ("true", "patchvae-vs-beta-vae", "0.2500")
    assert (row["verdict"], row["overall"]) == ("holds, larger than printed", "holds, larger than printed")
    assert (row["source"], row["added"], row["error_from"]) == ("paper", "", "pool")
    # Over images: the mean of the same differences
    assert (float(row["image_low"]) + float(row["image_high"])) / 2 == pytest.approx(value, abs=1e-4)
    # The variances of seeds and images, added
    image_error = (float(row["image_high"]) - value) / stats.t.isf(0.025, COUNT - 1)
    variance = error**2 + image_error**2
    both_df = variance**2 / (error**4 / df + image_error**4 / (COUNT - 1))
    both = value + stats.t.isf(0.025, both_df) * np.sqrt(variance)
    assert (float(row["both_high"]), float(row["both_df"])) == pytest.approx((both, both_df), rel=1e-4)
    # The file lists fifteen secondary claims of this column, of which five were run.
    said = {
        name: (row["level"], row["verdict"], row["error_from"], row["source"], row["added"])
        for (name, _), row in table.items()
        if row["verdict"] != "not run" and name != PRIMARY
    }
    assert said == {
        "cifar100-conv1-5-patchvae+lw-over-patchvae": (
            "0.9967",
            "undecided, smaller than printed",
            "pair",
            "paper",
            "",
        ),
        "cifar100-conv1-5-patchvae-over-random+bn": ("0.9967", "reversed", "pool", "ours", ""),
        "cifar100-conv1-5-beta-vae-over-random+bn": ("0.9967", "reversed", "pool", "ours", ""),
        "cifar100-conv1-5-patchvae-over-random": ("0.9967", "reversed", "pool", "ours", "after-results"),
        "cifar100-conv1-5-beta-vae-over-random": ("0.9967", "reversed", "pool", "ours", "after-results"),
    }
    row = table["cifar100-conv1-5-patchvae-gan-over-beta-vae-gan", "table12"]
    assert [row[key] for key in ("difference", "low", "level", "df", "image_low", "n")] == ["", "", "", "", "", "0"]


def test_the_printed_sheet(config: dict[str, Any], sources: Any, tmp_path: Path) -> None:
    _, markdown, tex = write(report_claims, tmp_path, contents(), config, *sources)
    head, first, *rest = lines(markdown)
    assert head[:8] == ["Claim", "Column", "Head", "Paper", "Ours", "Seeds", "p", "Level"]
    assert head[8:] == ["Interval", "Of pairs", "Over images", "Seeds and images", "Verdict"]
    assert first[:5] == ["**PatchVAE over β-VAE**", "CIFAR-100 Conv[1-5]", "Table 12 + ReLU", "+0.15", "+2.05"]
    assert (first[5], first[7], first[12]) == ("3", "95 %", "holds, larger than printed")
    # By regime as in the configuration, others last; families keep together; other data sets are left out.
    assert [row[1] for row in rest] == [
        *["CIFAR-100 Conv1"] * 12,
        *["CIFAR-100 Conv[1-5]"] * 15,
        *["CIFAR-100 Conv[1-3]"] * 12,
    ]
    assert [row[0] for row in rest[:4]] == [
        "β-VAE over PatchVAE",
        "β-VAE + L_w over PatchVAE + L_w",
        "β-VAE-GAN over PatchVAE-GAN",
        "β-VAE-GAN + L_w over PatchVAE-GAN + L_w",
    ]
    assert rest[0][2:] == ["—", "+1.05", *["—"] * 8, "not run"]
    control = next(row for row in rest if row[0].startswith("β-VAE over Random φ, Batch") and row[-1] != "not run")
    assert control[3:8] == ["—", "−6.95", "3", "<0.001", "99.67 %"]
    assert all(cell.startswith("−") and " to −" in cell for cell in (control[8], *control[10:12]))
    assert {row[0] for row in rest if row[0].endswith("†")} == {
        "β-VAE over Random φ (control)†",
        "PatchVAE over Random φ (control)†",
    }
    for part in (
        "Run quick_1: differences of top-1 test accuracy in points, after the last epoch, 3 seeds",
        "single run",
        "0.25 points on CIFAR-100.",
        "their trainings scatter equally",
        "among β-VAE, PatchVAE, Random φ (control) and Random φ, BatchNorm of the data (control), its",
        "95 % for the primary claim; 100 % − 5 % / m",
        "†: added when the first results were known.",
        "3 epochs of pretraining and 2 of fine-tuning",
        "22.5 minutes",
        "Reversed: it lies below 0.",
    ):
        assert part in markdown
    # One float for the primary claim, with the caption, and one per data set.
    assert tex.count(r"\begin{table*}") == 2
    assert r"\label{tab:claims}" in tex and r"\label{tab:claims_cifar100}" in tex
    assert tex.index(r"\label{tab:claims}") < tex.index("+2.05") < tex.index("claims_cifar100")
    assert "$-$6.95" in tex


def test_heads_that_disagree(config: dict[str, Any], sources: Any, tmp_path: Path) -> None:
    config |= {"heads": ["table12", "dropout"]}
    swapped = {"patchvae": "beta-vae", "beta-vae": "patchvae"}
    other = [{**c, "variant": swapped.get(c["variant"], c["variant"]), "head": "dropout"} for c in contents()]
    text, markdown, _ = write(report_claims, tmp_path, contents(head="table12") + other, config, *sources)
    table = rows(text, "name", "head")
    assert table[PRIMARY, "table12"]["verdict"] == "holds, larger than printed"
    assert table[PRIMARY, "dropout"]["verdict"] == "reversed"
    assert {table[PRIMARY, head]["overall"] for head in config["heads"]} == {"depends on the head"}
    first = lines(markdown)[1:4]
    assert [(row[2], row[-1]) for row in first] == [
        ("Table 12 + ReLU", "holds, larger than printed"),
        ("dropout", "reversed"),
        ("all", "depends on the head"),
    ]
    # Under one head alone it is not judged yet; of the others the head that was run is printed, once.
    markdown = write(report_claims, tmp_path, contents(), config, *sources)[1]
    printed = [(row[0], row[2], row[-1]) for row in lines(markdown)]
    assert printed[1:3] == [
        ("**PatchVAE over β-VAE**", "Table 12 + ReLU", "holds, larger than printed"),
        ("**PatchVAE over β-VAE**", "all", "not run"),
    ]
    assert [row for row in printed if row[0] == "PatchVAE + L_w over PatchVAE"] == [
        ("PatchVAE + L_w over PatchVAE", "—", "not run"),
        ("PatchVAE + L_w over PatchVAE", "Table 12 + ReLU", "undecided, smaller than printed"),
        ("PatchVAE + L_w over PatchVAE", "—", "not run"),
    ]


def test_one_seed_decides_nothing(config: dict[str, Any], sources: Any, tmp_path: Path) -> None:
    config |= {"seeds": [1]}
    files = [content for content in contents() if content["seed"] == 1]
    text, markdown, _ = write(report_claims, tmp_path, files, config, *sources)
    run = [row for row in rows(text, "name").values() if row["n"] == "1"]
    assert [row["verdict"] for row in run] == ["undecided"] * 6
    assert {row["low"] + row["high"] + row["df"] for row in run} == {""} and all(row["image_low"] for row in run)
    assert lines(markdown)[1][4:10] == ["+1.95", "1", "—", "95 %", "—", "—"]
    assert "1 seed:" in markdown


def test_missing_trainings(config: dict[str, Any], sources: Any, tmp_path: Path) -> None:
    """Rows with unequal seeds are judged by those that they share, a row without any is not run."""
    gone = {("patchvae", 0), ("patchvae+lw", 2), *(("random+bn", seed) for seed in range(3))}
    files = [content for content in contents() if (content["variant"], content["seed"]) not in gone]
    table = rows(write(report_claims, tmp_path, files, config, *sources)[0], "name")
    row = table[PRIMARY]
    # The pool is not complete, so that the two pairs stand alone.
    assert (row["n"], row["df"], row["error_from"], row["verdict"]) == ("2", "1", "pair", "holds")
    assert float(row["difference"]) == pytest.approx(100 * ((610 - 571) + (626 - 583)) / 2 / COUNT)
    assert table["cifar100-conv1-5-patchvae-over-random+bn"]["verdict"] == "not run"
    row = table["cifar100-conv1-5-patchvae+lw-over-patchvae"]
    assert (row["n"], row["difference"], row["verdict"]) == ("1", "0.1000", "undecided")  # 612 and 610, of seed 1


def test_images_only_of_the_epoch_that_is_reported(config: dict[str, Any], sources: Any, tmp_path: Path) -> None:
    files = contents()
    best = rows(write(report_claims, tmp_path, files, config | {"select": "best"}, *sources)[0], "name")[PRIMARY]
    assert (best["image_low"], best["verdict"]) == ("", "holds, larger than printed")
    # The first files do not tell which images were right.
    del files[0]["right"]
    table = rows(write(report_claims, tmp_path, files, config, *sources)[0], "name")
    assert (table[PRIMARY]["image_low"], table[PRIMARY]["verdict"]) == ("", "holds, larger than printed")
    assert table["cifar100-conv1-5-patchvae+lw-over-patchvae"]["image_low"] != ""
    for content in files:
        content.pop("right", None)
    table = rows(write(report_claims, tmp_path, files, config, *sources)[0], "name")
    assert {row["image_low"] for row in table.values()} == {""}
    assert table[PRIMARY]["verdict"] == "holds, larger than printed"


def test_pairs_stay_pairs_where_a_row_was_measured_in_another_order(
    config: dict[str, Any], sources: Any, tmp_path: Path
) -> None:
    sets = {"set_sha256": {"train": "d" * 64, "test": "e" * 64}}
    files = contents(**sets)
    first = write(report_claims, tmp_path, files, config, *sources)
    other = {
        "data_sha256": {"train": "1" * 64, "test": "2" * 64},
        "order_sha256": {"train": "3" * 64, "test": "4" * 64},
    }
    moved = [content | (other if content["variant"] == "patchvae" else {}) for content in files]
    assert write(report_claims, tmp_path, moved, config, *sources) == first
    assert rows(first[0], "name")[PRIMARY]["image_low"] != ""
    # Bits in the order in which the images lay are of no known images.
    for order, message in (({}, "right: without right_order"), ({"right_order": "as packed"}, "right_order: ")):
        kept = {key: value for key, value in moved[0].items() if key != "right_order"}
        with pytest.raises(PatchVAEError, match=rf"0\.json: {message}"):
            write(report_claims, tmp_path, [kept | order, *moved[1:]], config, *sources)


def test_no_number_of_the_paper_stands_beside_a_stand_in(config: dict[str, Any], sources: Any, tmp_path: Path) -> None:
    files = contents()
    for content in files:
        content["config"]["stand_in"] = True
    text, markdown, _ = write(report_claims, tmp_path, files, config, *sources)
    table = rows(text, "name")
    assert {row["paper_effect"] + row["paper_spread"] for row in table.values() if row["dataset"] == "cifar100"} == {""}
    assert table["indoor67-conv1-5-patchvae-over-beta-vae"]["paper_effect"] == "0.3700"
    # Without the paper's number nothing is smaller than it.
    assert table["cifar100-conv1-5-patchvae+lw-over-patchvae"]["verdict"] == "undecided"
    assert markdown.startswith("> **DEMO") and "0.25 points" not in markdown and "printed numbers" not in markdown


def test_a_run_of_which_no_claim_is(config: dict[str, Any], sources: Any, tmp_path: Path) -> None:
    config |= {"datasets": ["digits"]}
    text, markdown, tex = write(report_claims, tmp_path, contents(dataset="digits"), config, *sources)
    assert {row["verdict"] for row in rows(text, "name").values()} == {"not run"}
    assert len(lines(markdown)) == 1 and "No claim is about the data sets of this run." in markdown
    assert tex.count(r"\begin{table*}") == 1


def test_a_claim_of_ones_own(config: dict[str, Any], sources: Any, tmp_path: Path) -> None:
    mine = "{name: mine, dataset: digits, regime: conv1, better: my_own, worse: patchvae, family: own}"
    (tmp_path / "claims.yaml").write_text(sources[0].read_text() + f"  - {mine}\n")
    config |= {"datasets": ["digits"], "variants": ["my_own", "patchvae"]}
    correct = {"my_own": (900, 912, 905), "patchvae": (800, 806, 811)}
    files = [
        outcome(model, seed, n, "conv1", dataset="digits")
        for model, row in correct.items()
        for seed, n in enumerate(row)
    ]
    text, markdown, _ = write(report_claims, tmp_path, files, config, tmp_path / "claims.yaml", *sources[1:])
    row = rows(text, "name")["mine"]
    assert (row["verdict"], row["df"], row["paper_effect"]) == ("holds", "2", "")
    assert lines(markdown)[1][:2] == ["my_own over PatchVAE", "digits (demo) Conv1"]


def test_a_claim_is_printed_with_its_family(config: dict[str, Any], sources: Any, tmp_path: Path) -> None:
    place = tmp_path / "claims.yaml"
    last = "{name: last, dataset: cifar100, regime: conv1, better: patchvae-gan, worse: random"
    place.write_text(f"{sources[0].read_text()}  - {last}, family: patchvae-vs-beta-vae}}\n")
    markdown = write(report_claims, tmp_path, contents(), config, place, *sources[1:])[1]
    names = [row[0] for row in lines(markdown)]
    assert names[5:8] == [
        "β-VAE-GAN + L_w over PatchVAE-GAN + L_w",
        "PatchVAE-GAN over Random φ (control)",
        "β-VAE + L_w over β-VAE",
    ]


def test_bytes_do_not_depend_on_the_order_of_files(config: dict[str, Any], sources: Any, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = write(report_claims, tmp_path / "a", contents(), config, *sources)
    assert write(report_claims, tmp_path / "b", contents()[::-1], config, *sources) == first


BITS = base64.b64encode(bytes(COUNT // 8)).decode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"right": BITS}, "right holds 0 images, but its top-1 accuracy says 560"),
        ({"right": BITS[4:]}, "247 bytes in base64 are not those of 2000 bits"),
        ({"right": "?" * 300}, "base64"),
        ({"right": 7}, "right: 7 is not"),
        ({"head": "wide"}, "head 'wide' is not one of this table's heads"),
        ({"variant": "patch-vae"}, "model 'patch-vae' is not one"),
        ({"seed": 9}, "seed 9 is not one"),
        ({"variant": "patchvae"}, "the same cell and seed as"),
        ({"epochs": 3}, "epochs of fine-tuning on cifar100: 3, but 2 in"),
        ({"count": 1, "right": "AA==", "top1": accuracy(0.0)}, "test images of cifar100: 1, but 2000 in"),
        ({"set_sha256": images("c" * 64)}, "tested on other images"),
        ({"top1": {"last": 101.0, "best": 50.0}}, "top1.last"),
        ({"rule": "pretrain"}, "not the metrics"),
    ],
)
def test_a_wrong_metrics_file_is_named(
    config: dict[str, Any], sources: Any, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    files = contents()
    files[-1] = {**outcome("beta-vae", 0, 560), "variant": "random+bn", "seed": 2, **changes}
    if changes.get("variant") == "patchvae":
        files[-1]["seed"] = 0
    with pytest.raises(PatchVAEError, match=r"\d+\.json") as error:
        write(report_claims, tmp_path, files, config, *sources)
    assert said in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_without_any_metrics_file(config: dict[str, Any], sources: Any, tmp_path: Path) -> None:
    with pytest.raises(PatchVAEError, match="no metrics file"):
        write(report_claims, tmp_path, [], config, *sources)


def edited(path: Path, place: Path, change: Callable[[Any], None]) -> Path:
    """The file of claims after a change of its content."""
    content = read_yaml(path)
    change(content)
    place.write_text(json.dumps(content))
    return place


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"better": "patchvae", "worse": "beta-vae"}, "first: the paper's patchvae is no better than its beta-vae"),
        ({"worse": "beta-vae"}, "first: beta-vae is compared with itself"),
        ({"name": PRIMARY}, f"{PRIMARY}: the same name or the same two rows as"),
        ({"better": "patchvae", "worse": "random+bn"}, "the same name or the same two rows as first"),
        ({"better": "random+bn", "worse": "patchvae"}, "the same name or the same two rows as first"),
        ({"primary": "yes"}, "first: primary: 'yes' is not"),
        ({"dataset": ""}, "first: dataset: '' is not"),
        ({"regime": "conv2"}, "first: regime: 'conv2' is not"),
        ({"added": "later"}, "first: added: 'later' is not"),
        ({"primery": True}, "first: primery: unknown key"),
        ({"name": ""}, "claims.0: "),
    ],
)
def test_a_wrong_claim_is_named(
    config: dict[str, Any], sources: Any, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    place = edited(
        sources[0], tmp_path / "mine.yaml", lambda content: content["claims"][0].update({"name": "first"} | changes)
    )
    with pytest.raises(PatchVAEError, match=r"mine\.yaml: ") as error:
        write(report_claims, tmp_path, contents(), config, place, *sources[1:])
    assert said in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.update(pool=["patchvae"]), "pool: "),
        (lambda content: content.update(pools=[]), "pools: unknown key; did you mean pool?"),
        (lambda content: content.update(claims=[]), "claims: "),
        (lambda content: content["claims"].append("patchvae"), "claims.120: "),
        (lambda content: content["claims"][3].pop("worse"), "worse: missing"),
        (lambda content: content.pop("pool"), "pool: missing"),
        (lambda content: content["decision"].update(worse="patchvae"), "decision.worse: patchvae is compared"),
        (lambda content: content["decision"].update(seeds=[3]), "decision.seeds: "),
        (lambda content: content["decision"].update(level=1.5), "decision.level: 1.5 is not"),
    ],
)
def test_a_wrong_file_of_claims_is_named(sources: Any, tmp_path: Path, change: Any, said: str) -> None:
    with pytest.raises(PatchVAEError, match=r"mine\.yaml: ") as error:
        read_claims_file(edited(sources[0], tmp_path / "mine.yaml", change))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_unreadable_files_are_named(config: dict[str, Any], sources: Any, tmp_path: Path) -> None:
    claims, paper, sweeps = sources
    broken = tmp_path / "sweep_part_dim.csv"
    for text in ("", "name,dataset\n", "pool: [a, b]\n", "claims: {"):
        broken.write_text(text)
        with pytest.raises(PatchVAEError, match=r"sweep_part_dim\.csv"):
            write(report_claims, tmp_path, contents(), config, broken, paper, sweeps)
    for text in ("", "prior,dataset,top1\n0.1,cifar100,1\n", "d_p,dataset,top1\n3,cifar100,1\n", "d_p,dataset\n6,a\n"):
        broken.write_text(text)
        with pytest.raises(PatchVAEError, match=r"sweep_part_dim\.csv"):
            write(report_claims, tmp_path, contents(), config, claims, paper, [*sweeps, broken])
    for place in range(3):
        files: list[Any] = [claims, paper, sweeps]
        gone = tmp_path / "gone/sweep_part_dim.csv"
        files[place] = [gone] if place == 2 else gone
        with pytest.raises(PatchVAEError, match=r"gone/sweep_part_dim\.csv"):
            write(report_claims, tmp_path, contents(), config, *files)


def test_near_chance_stands_a_dash(config: dict[str, Any], sources: Any, tmp_path: Path) -> None:
    """A head under which a row is below five times chance: no difference, no verdict, and none over all heads."""
    config |= {"heads": ["table12", "rate"]}
    low = [outcome("beta-vae", seed, 60 + seed) | {"head": "rate"} for seed in range(3)]
    high = [outcome("patchvae", seed, 300 + seed) | {"head": "rate"} for seed in range(3)]
    text, markdown, _ = write(report_claims, tmp_path, [*contents(), *low, *high], config, *sources)
    row = rows(text, "name", "head")[PRIMARY, "rate"]
    assert (row["verdict"], row["difference"] + row["low"] + row["image_low"], row["n"]) == ("near chance", "", "3")
    assert row["overall"] == "depends on the head"
    assert lines(markdown)[2][2:] == ["rate", "+0.15", "—", "3", *["—"] * 7]
    assert "below 5 times chance" in markdown
