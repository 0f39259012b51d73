"""Table 1: its numbers by hand, its bytes, its errors, and the schema of what it is made from."""

import csv
import itertools
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from table_files import check_html, epoch, finetuning, pretraining, table
from table_files import metrics as table_metrics

from patchvae.errors import PatchVAEError
from patchvae.jobs.work import write_files
from patchvae.params.messages import checked
from patchvae.records.metrics_files import KINDS
from patchvae.report.tables.sheet import escape
from patchvae.report.tables.table1 import report as report_table1
from patchvae.report.tables.words import display_name

ROOT = Path(__file__).parents[3]
PAPER = ROOT / "paper/table1.csv"
# accuracies of seeds 0 and 1
TOP1 = {
    ("patchvae", "conv1"): (40.0, 43.0),
    ("patchvae", "conv1-5"): (20.0, 21.0),
    ("random", "conv1"): (30.0, 32.0),
    ("random", "conv1-5"): (21.0, 25.0),
}

Files = dict[str, dict[str, Any]]


@pytest.fixture
def config() -> dict[str, Any]:
    return {
        "run": "quick_1",
        "datasets": ["cifar100"],
        "variants": ["random", "patchvae"],
        "regimes": ["conv1", "conv1-5"],
        "heads": ["table12"],
        "seeds": [0, 1],
        "select": "last",
    }


def metrics(variant: str, dataset: str, regime: str, seed: int, top1: float) -> dict[str, Any]:
    history = [epoch(1, 9.0) | {"test_top1": top1 + 0.5}, epoch(2, 11.0) | {"test_top1": top1}]
    return finetuning(variant, dataset, regime, seed, top1) | {"history": history}


def all_metrics(config: dict[str, Any]) -> Files:
    cells = itertools.product(config["datasets"], TOP1.items(), config["seeds"])
    return {
        f"{dataset}-{variant}-{regime}-{seed}.json": metrics(variant, dataset, regime, seed, values[seed])
        for dataset, ((variant, regime), values), seed in cells
    }


def write(config: dict[str, Any], files: Files, folder: Path, paper: Path = PAPER, shuffle: bool = False) -> list[str]:
    """Texts of the CSV, Markdown and LaTeX."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    paths = [folder / name for name in files]
    if shuffle:
        random.Random(0).shuffle(paths)
    outputs = table(folder / "out")
    write_files(report_table1(config, paper, paths), outputs)
    *texts, html = (path.read_text(encoding="utf-8") for path in outputs.values())
    check_html(html, texts[1])
    return texts


def rows(text: str) -> dict[tuple[str, str, str], dict[str, str]]:
    return {(row["model"], row["dataset"], row["regime"]): row for row in csv.DictReader(text.splitlines())}


def test_numbers_by_hand(config: dict[str, Any], tmp_path: Path) -> None:
    text = write(config, all_metrics(config), tmp_path)[0]
    cells = rows(text)
    assert text.startswith("model,dataset,regime,head,paper,mean,std,n,")
    row = cells["patchvae", "cifar100", "conv1"]
    # Sample standard deviation of 40 and 43: 3 / sqrt(2).
    assert (row["paper"], row["mean"], row["std"], row["n"]) == ("43.07", "41.50", "2.12", "2")
    assert (row["last_mean"], row["best_mean"], row["epochs"], row["test_images"]) == ("41.50", "42.00", "2", "10000")
    assert (row["seconds"], row["precision"], row["config_sha256"]) == ("180.00", "bf16", f"{'0' * 12}; {'1' * 12}")
    assert cells["random", "cifar100", "conv1-5"]["paper"] == ""
    row = cells["bigan", "cifar100", "conv1-5"]
    assert (row["paper"], row["mean"], row["std"], row["n"], row["best_mean"]) == ("31.58", "", "", "0", "")
    models = list(dict.fromkeys(model for model, _, _ in cells))
    assert models[0] == "beta-vae"
    assert models[-2:] == ["imagenet-pretrained", "random"]
    assert len(models) == 11
    assert len(cells) == 22


def test_best_epoch_and_one_seed(config: dict[str, Any], tmp_path: Path) -> None:
    config |= {"select": "best", "seeds": [1]}
    text, markdown, _ = write(config, all_metrics(config), tmp_path)
    row = rows(text)["patchvae", "cifar100", "conv1"]
    assert (row["mean"], row["std"], row["n"], row["last_mean"]) == ("43.50", "", "1", "43.00")
    assert "best on the test set" in markdown
    assert ", 1 seed, classifier Table 12 + ReLU;" in markdown
    assert "±" not in markdown


def test_markdown(config: dict[str, Any], tmp_path: Path) -> None:
    text = write(config, all_metrics(config), tmp_path)[1]
    lines = text.splitlines()
    assert "| Model | CIFAR-100 Conv1 | CIFAR-100 Conv[1-5] |" in lines
    # Bold marks our best of a column, even where it is the control.
    assert "| PatchVAE | **41.50 ± 2.12** (43.07) | 20.50 ± 0.71 (28.72) |" in lines
    assert "| Random φ (control) | 31.00 ± 1.41 | **23.00 ± 2.83** |" in lines
    assert "| β-VAE-GAN + L_w | — (45.61) | — (31.53) |" in lines
    for part in ("quick_1", "3 epochs of pretraining and 2 of fine-tuning", "10,000 test images", "chance 1.00 %"):
        assert part in text
    assert "after the last epoch, 2 seeds" in text
    assert "AMD EPYC (2 cores), bf16" in text
    assert "12.0 minutes" in text
    assert "DEMO" not in text


def test_latex(config: dict[str, Any], tmp_path: Path) -> None:
    text = write(config, all_metrics(config), tmp_path)[2]
    assert r"PatchVAE & \textbf{41.50 $\pm$ 2.12} (43.07) & 20.50 $\pm$ 0.71 (28.72) \\" in text
    assert r"$\beta$-VAE + $L_w$ & --- (44.96) & --- (28.33) \\" in text
    assert r"quick\_1" in text
    assert r"1.00 \%" in text
    assert r"\begin{tabular}{lrr}" in text
    body = text.split(r"\toprule")[1]
    assert all(line.count("&") == 2 for line in body.splitlines() if line.endswith(r"\\") and "multicolumn" not in line)
    assert text.count("{") == text.count("}")
    assert text.isascii()
    assert sorted(re.findall(r"\\begin{(.*?)}", text)) == sorted(re.findall(r"\\end{(.*?)}", text))


def test_demo_says_so(config: dict[str, Any], tmp_path: Path) -> None:
    config |= {"datasets": ["digits"]}
    files = all_metrics(config)
    for content in files.values():
        content["pretraining"]["epochs"] = min(1, content["pretraining"]["epochs"])
    text, markdown, tex = write(config, files, tmp_path)
    assert all(row["paper"] == "" for row in rows(text).values())
    assert markdown.startswith("> **DEMO on stand-in data - not comparable with the paper")
    assert "DEMO on stand-in data - not comparable with the paper" in tex
    assert "CIFAR" not in markdown + tex
    assert "BiGAN" not in markdown
    assert "parentheses" not in markdown
    assert "| Model | digits (demo) Conv1 |" in markdown
    assert "1 epoch of pretraining" in markdown


def test_two_datasets_and_a_variant_of_ones_own(config: dict[str, Any], tmp_path: Path) -> None:
    config |= {"datasets": ["indoor67", "cifar100"], "variants": ["random", "patchvae", "my_own"]}
    files = all_metrics(config)
    for name, content in list(files.items()):
        if content["variant"] == "patchvae":
            files[f"own-{name}"] = {**content, "variant": "my_own"}
    text, markdown, tex = write(config, files, tmp_path)
    assert [dataset for _, dataset, _ in rows(text)][:4] == ["indoor67"] * 2 + ["cifar100"] * 2
    assert [line.split(" | ")[0] for line in markdown.splitlines()][-3:] == [
        "| ImageNet-pretrained φ",
        "| my_own",
        "| Random φ (control)",
    ]
    # Equally good cells are both bold.
    assert markdown.count("**41.50 ± 2.12**") == 4
    assert r"\begin{table*}" in tex
    assert r"\cmidrule(lr){2-3}\cmidrule(lr){4-5}" in tex
    assert r"my\_own" in tex


def test_the_tenth_row_saw_labels(config: dict[str, Any], tmp_path: Path) -> None:
    config |= {"variants": ["imagenet-pretrained", "random", "patchvae"]}
    files = all_metrics(config)
    for seed, regime in itertools.product((0, 1), ("conv1", "conv1-5")):
        files[f"{regime}-{seed}"] = metrics("imagenet-pretrained", "cifar100", regime, seed, 60.0)
        # Its epochs are not those of the other rows, whose images are others.
        files[f"{regime}-{seed}"]["pretraining"] = pretraining("imagenet64", "imagenet-pretrained") | {"epochs": 7}
    _, markdown, tex = write(config, files, tmp_path)
    # It is better than all others and does not compete with them.
    assert "| ImageNet-pretrained φ | 60.00 ± 0.00 (55.99) | 60.00 ± 0.00 (54.36) |" in markdown
    assert "| PatchVAE | **41.50 ± 2.12** (43.07) |" in markdown
    assert "our best per column among φ trained without labels" in markdown
    assert "ImageNet-pretrained φ: pretrained with the labels of ImageNet at 64×64." in markdown
    assert r"ImageNet-pretrained $\phi$ & 60.00" in tex
    assert "CIFAR-100: 3 epochs of pretraining and 2" in markdown
    for dataset, name in (("tiny", "tiny (demo)"), ("imagenet64", "imagenet64 (demo)"), ("places205", "Places205")):
        for content in files.values():
            if content["variant"] == "imagenet-pretrained":
                content["pretraining"] |= {"dataset": dataset, "stand_in": "demo" in name}
        markdown = write(config, files, tmp_path)[1]
        assert f"ImageNet-pretrained φ: pretrained with the labels of {name}, not of ImageNet." in markdown


def test_no_number_of_the_paper_stands_beside_a_stand_in(config: dict[str, Any], tmp_path: Path) -> None:
    files = all_metrics(config)
    for content in files.values():
        content["config"]["stand_in"] = True
    text, markdown, _ = write(config, files, tmp_path)
    assert {row["paper"] for row in rows(text).values()} == {""}
    assert "28.72" not in markdown and "cifar100 (demo)" in markdown
    assert markdown.startswith("> **DEMO on stand-in data - not comparable with the paper (cifar100)")


def test_what_is_learned_by_heart_and_dead_games_are_marked(config: dict[str, Any], tmp_path: Path) -> None:
    files = all_metrics(config)
    assert "†" not in (text := write(config, files, tmp_path)[1])
    assert "‡" not in text
    for seed in (0, 1):
        files[f"cifar100-random-conv1-{seed}.json"]["history"][-1]["train_top1"] = 99.8 + seed / 5
    for game in ({"accuracy": 51.0, "fresh": 59.0}, {"accuracy": 72.0, "fresh": 90.0}, None):  # alive, and none
        files["cifar100-patchvae-conv1-1.json"]["pretraining"]["game"] = game
        assert "‡" not in write(config, files, tmp_path)[1]
    files["cifar100-patchvae-conv1-1.json"]["pretraining"]["game"] = {"accuracy": 51.0, "fresh": 61.0}
    text = write(config, files, tmp_path)[1]
    assert re.findall(r"[0-9.]+ ± [0-9.]+(?:\*\*)?[†‡]", text) == ["**41.50 ± 2.12**‡"[2:], "31.00 ± 1.41†"]
    assert "†: training accuracy of 99.9 % or more" in text
    assert "‡: the game with the discriminator was dead" in text


def test_all_files_or_none(config: dict[str, Any], tmp_path: Path) -> None:
    files = all_metrics(config)
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "file").touch()
    made = report_table1(config, PAPER, [tmp_path / name for name in files])
    with pytest.raises(PatchVAEError, match=r"cannot write .*file/table1\.html"):
        write_files(made, table(tmp_path / "out") | {"html": tmp_path / "file/table1.html"})
    assert list((tmp_path / "out").iterdir()) == []


def test_bytes_do_not_depend_on_the_order_of_files(config: dict[str, Any], tmp_path: Path) -> None:
    files = all_metrics(config)
    first = write(config, files, tmp_path / "1")
    assert write(config, files, tmp_path / "1") == first
    assert write(config, files, tmp_path / "2", shuffle=True) == first


def broken(**changes: Any) -> dict[str, Any]:
    return {**metrics("patchvae", "cifar100", "conv1", 0, 40.0), **changes}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (broken(schema=2), "schema 1"),
        (broken(rule="pretrain"), "fine-tuning"),
        (broken(variant="patch-vae"), "patch-vae"),
        (broken(dataset="cifar10"), "cifar10"),
        (broken(regime="conv2"), "conv2"),
        (broken(seed=7), "seed 7"),
        (broken(top1={"last": 100.5, "best": 50}), "top1.last"),
        (broken(top1={"last": 50, "best": -1}), "top1.best"),
        (broken(top1={"last": float("nan"), "best": 50}), "top1.last"),
        (broken(top1={"last": "41", "best": 50}), "top1.last"),
        (broken(top1={"last": True, "best": 50}), "top1.last"),
        (broken(top1={"last": 41}), "top1.best: missing"),
        (broken(top1=41), "top1: 41 is not a mapping"),
        (broken(config={"dataset": "cifar100", "variant": "patchvae", "seed": 0}), "'num_classes' is missing"),
        (broken(config="none"), "config: 'none' is not"),
        (broken(epochs=90), "epochs of fine-tuning on cifar100: 90, but 2 in "),
        (broken(pretraining={"dataset": "cifar100"}), "pretraining.variant: missing"),
        (broken(pretraining=pretraining("cifar100", "patchvae") | {"epochs": -1}), "pretraining.epochs: -1 is"),
        (
            broken(pretraining=pretraining("cifar100", "patchvae") | {"epochs": 9}),
            "epochs of pretraining on cifar100: 9, but 3 in ",
        ),
        (broken(variant=["patchvae"]), "patchvae"),
        ([], "not the metrics (schema 1) of a fine-tuning"),
    ],
)
def test_a_wrong_metrics_file_is_named(config: dict[str, Any], tmp_path: Path, content: Any, said: str) -> None:
    files = all_metrics(config) | {"cifar100-patchvae-conv1-0.json": content}
    with pytest.raises(PatchVAEError, match=r"cifar100-patchvae-conv1-0\.json") as error:
        write(config, files, tmp_path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_doubled_cell_is_named(config: dict[str, Any], tmp_path: Path) -> None:
    files = all_metrics(config)
    with pytest.raises(PatchVAEError, match=r"copy\.json.*same cell.*cifar100-random-conv1-0\.json"):
        write(config, files | {"copy.json": files["cifar100-random-conv1-0.json"]}, tmp_path)


def test_what_was_not_run_is_empty(config: dict[str, Any], tmp_path: Path) -> None:
    files = all_metrics(config)
    for name in ("random-conv1-1", "patchvae-conv1-5-0", "patchvae-conv1-5-1"):
        del files[f"cifar100-{name}.json"]
    text, markdown, _ = write(config, files, tmp_path)
    row = rows(text)["random", "cifar100", "conv1"]
    assert (row["mean"], row["std"], row["n"]) == ("30.00", "", "1")
    row = rows(text)["patchvae", "cifar100", "conv1-5"]
    assert (row["paper"], row["mean"], row["n"]) == ("28.72", "", "0")
    assert "| PatchVAE | **41.50 ± 2.12** (43.07) | — (28.72) |" in markdown
    assert "| 30.00 [1] |" in markdown and "[n]: of n seeds so far" in markdown
    with pytest.raises(PatchVAEError, match="no metrics file for random, cifar100, conv1, table12, seed 0"):
        write(config, {}, tmp_path)


def test_other_test_images_are_named(config: dict[str, Any], tmp_path: Path) -> None:
    files = all_metrics(config)
    files["cifar100-patchvae-conv1-1.json"]["set_sha256"]["test"] = "d" * 64
    with pytest.raises(PatchVAEError, match=r"cifar100-patchvae-conv1-1\.json: tested on other images"):
        write(config, files, tmp_path)


def test_unreadable_files_are_named(config: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PatchVAEError, match=r"gone\.json"):
        report_table1(config, PAPER, [tmp_path / "gone.json"])
    paper = tmp_path / "paper.csv"
    for content in ("model,dataset,top1\n", "model,dataset,regime,top1\na,b,c,many\n", ""):
        paper.write_text(content)
        with pytest.raises(PatchVAEError, match=r"paper\.csv"):
            write(config, all_metrics(config), tmp_path / "runs", paper)
    with pytest.raises(PatchVAEError, match=r"none\.csv"):
        write(config, all_metrics(config), tmp_path / "runs", tmp_path / "none.csv")


def test_display_names() -> None:
    keys = ["beta-vae", "patchvae+lw", "beta-vae-gan+lw", "bigan", "patchvae+lw2", "big_gan"]
    assert list(map(display_name, keys)) == [
        "β-VAE",
        "PatchVAE + L_w",
        "β-VAE-GAN + L_w",
        "BiGAN",
        "patchvae+lw2",
        "big_gan",
    ]
    assert escape("50 % of {a_b} & #1 \\ ± β-VAE + L_w") == (
        r"50 \% of \{a\_b\} \& \#1 \textbackslash{} $\pm$ $\beta$-VAE + $L_w$"
    )


def test_symbols_are_formulas_where_they_stand_alone() -> None:
    assert escape("β_occ, d_p < 1 and z_occ^prior") == (
        r"$\beta_{\mathrm{occ}}$, $d_p$ \textless{} 1 and $z_{\mathrm{occ}}^{\mathrm{prior}}$"
    )
    assert escape("add_part L_weighted") == r"add\_part L\_weighted"


def pretrain_metrics() -> dict[str, Any]:
    terms = {"loss": 9.0, "reconstruction": 7.0, "kl_occ": 1.0, "kl_app": 1.0}
    return table_metrics("pretrain", "patchvae", "cifar100", 0, loss=terms, history=[{"epoch": 1, **terms}], epochs=1)


def test_results_of_controls_are_accepted() -> None:
    control = pretrain_metrics() | {"loss": {}, "history": [], "epochs": 0, "seconds": 0.0, "images_per_second": 0.0}
    for content in (metrics("patchvae", "cifar100", "conv1", 0, 40.0), pretrain_metrics(), control):
        assert checked(KINDS[content["rule"]].result, content, "").given == content


COMMON = [[], ["history", 0], ["versions"], ["data_sha256"], ["history", 0, "epoch"]]


@pytest.mark.parametrize(
    ("rule", "path"),
    [("pretrain", path) for path in [*COMMON, ["loss"]]]
    + [("finetune", path) for path in [*COMMON, ["top1"], ["pretraining"]]],
)
def test_results_are_closed(rule: str, path: list[Any]) -> None:
    content: Any = pretrain_metrics() if rule == "pretrain" else metrics("patchvae", "cifar100", "conv1", 0, 40.0)
    whole = content
    for key in path[:-1]:
        content = content[key]
    if path:
        content[path[-1]] = {**content[path[-1]], "typo": 1} if isinstance(content[path[-1]], dict) else "first"
    else:
        content["typo"] = 1
    with pytest.raises(PatchVAEError, match="^m.json: .*(typo|history.0.epoch)") as error:
        checked(KINDS[rule].result, whole, "m.json: ")
    assert "\n" not in str(error.value)
