"""The table of flipped choices: differences to the base, their words, and whose order changes."""

from pathlib import Path
from typing import Any

import pytest
from table_files import Content, epoch, finetuning, images, lines, rows, write

from patchvae.errors import PatchVAEError
from patchvae.report.tables.sensitivity import report as report_sensitivity

SETTINGS = {
    "table12": {"head_relu": True, "head_dropout": 0.0},
    "dropout": {"head_relu": True, "head_dropout": 0.5},
    "authors-rate": {"head_relu": True, "head_dropout": 0.0, "lr": 0.1, "batch_size": 256},
    "linear": {"head_relu": False, "head_dropout": 0.0},
}
TOP1 = {
    "table12": {"random+bn": 24.0, "beta-vae": 25.0, "patchvae": 25.23},
    "dropout": {"random+bn": 27.0, "beta-vae": 29.1, "patchvae": 28.73},
    "authors-rate": {"random+bn": 22.0, "beta-vae": 23.0, "patchvae": 24.0},
    "linear": {"random+bn": 20.0, "beta-vae": 21.0, "patchvae": 21.0},
}
E54 = "E54: best epoch on the test set instead of the last"


@pytest.fixture
def config() -> dict[str, Any]:
    return {
        "run": "quick_1",
        "seed": 3,
        "select": "last",
        "datasets": ["cifar100"],
        "variants": ["random+bn", "beta-vae", "patchvae"],
        "regime": "conv1-5",
        "base_head": "table12",
        "heads": ["dropout", "authors-rate", "linear"],
        "settings": SETTINGS,
    }


def contents(dataset: str = "cifar100") -> list[Content]:
    """Only the training of PatchVAE with the first head learns its images by heart."""
    files = []
    for head, row in TOP1.items():
        for model, top1 in row.items():
            train = 99.9 if (head, model) == ("table12", "patchvae") else 99.89
            history = [epoch(1, 5.0), epoch(2, train)]
            files.append(finetuning(model, dataset, "conv1-5", 3, top1) | {"head": head, "history": history})
    files[2]["top1"]["best"] = 25.25
    return files


def test_numbers_by_hand(config: dict[str, Any], tmp_path: Path) -> None:
    text, markdown, tex = write(report_sensitivity, tmp_path, contents(), config)
    assert text.startswith("head,select,dataset,model,mean,difference,std,n,train_top1,order_changed,test_images,")
    table = rows(text, "head", "select", "model")
    assert len(table) == 15
    row = table["dropout", "last", "patchvae"]
    assert (row["mean"], row["difference"], row["std"], row["n"]) == ("28.73", "3.50", "", "1")
    assert (row["train_top1"], row["order_changed"]) == ("99.89", "true")
    row = table["table12", "last", "patchvae"]
    assert (row["mean"], row["difference"], row["train_top1"], row["order_changed"]) == ("25.23", "", "99.90", "")
    # Its best epoch's training accuracy is not told.
    row = table["table12", "best", "patchvae"]
    assert (row["mean"], row["difference"], row["train_top1"], row["order_changed"]) == ("25.25", "0.02", "", "true")
    assert lines(markdown) == [
        ["Classifier", "CIFAR-100 β-VAE", "CIFAR-100 PatchVAE", "CIFAR-100 Random φ + BN", "CIFAR-100 order changes"],
        ["Table 12 + ReLU (base)", "25.00", "25.23†", "24.00", "—"],
        ["dropout: head_dropout 0.5", "29.10 (+4.10)", "28.73 (+3.50)", "27.00 (+3.00)", "yes"],
        ["authors' rate and batch: lr 0.1, batch_size 256", "23.00 (−2.00)", "24.00 (−1.23)", "22.00 (−2.00)", "no"],
        # Of two that are equal none is first.
        ["Table 12 as printed: head_relu false", "21.00 (−4.00)", "21.00 (−4.23)", "20.00 (−4.00)", "—"],
        [E54, "25.50 (+0.50)", "25.25 (+0.02)", "24.50 (+0.50)", "yes"],
    ]
    assert markdown.startswith(
        "Run quick_1: top-1 test accuracy (%) at Conv[1-5] with other choices in the classifier, after the last"
        " epoch; in parentheses the difference to the base in points. Base: Table 12 + ReLU, with head_relu true,"
        " head_dropout 0.0. Every row changes what it names and nothing else. One training per cell (seed 3), so a"
        " small difference may be chance. Order changes: whether PatchVAE and β-VAE change places against the base."
        " Classifier Table 12 + ReLU: the paper's Table 12, and between its two layers a ReLU that is"
        " not in it. CIFAR-100: 3 epochs of pretraining and 2 of fine-tuning, 10,000 test images, chance 1.00 %."
        " Measured on AMD EPYC (2 cores), bf16; fine-tuning took 18.0 minutes in all.\n"
    )
    assert markdown.endswith(
        "\n\n†: training accuracy of 99.9 % or more: it has learned its images by heart.\n",
    )
    assert r"Table 12 + ReLU (base) & 25.00 & 25.23$\dagger$ & 24.00 & --- \\" in tex
    assert r"dropout: head\_dropout 0.5 & 29.10 (+4.10)" in tex and r"\label{tab:sensitivity}" in tex


def test_what_was_not_run_is_empty(config: dict[str, Any], tmp_path: Path) -> None:
    gone = {("table12", "patchvae"), ("authors-rate", "beta-vae")}
    files = [content for content in contents() if (content["head"], content["variant"]) not in gone]
    text, markdown, _ = write(report_sensitivity, tmp_path, files, config)
    row = rows(text, "head", "select", "model")["authors-rate", "last", "beta-vae"]
    assert (row["n"], row["mean"] + row["difference"] + row["train_top1"] + row["order_changed"]) == ("0", "")
    # Without the base there is neither a difference nor an order to change.
    assert lines(markdown)[1:] == [
        ["Table 12 + ReLU (base)", "25.00", "—", "24.00", "—"],
        ["dropout: head_dropout 0.5", "29.10 (+4.10)", "28.73", "27.00 (+3.00)", "—"],
        ["authors' rate and batch: lr 0.1, batch_size 256", "—", "24.00", "22.00 (−2.00)", "—"],
        ["Table 12 as printed: head_relu false", "21.00 (−4.00)", "21.00", "20.00 (−4.00)", "—"],
        [E54, "25.50 (+0.50)", "—", "24.50 (+0.50)", "—"],
    ]
    assert "†" not in markdown
    # Nothing of the base
    files = [content for content in contents() if content["head"] != "table12"]
    printed = lines(write(report_sensitivity, tmp_path, files, config)[1])
    assert printed[1] == ["Table 12 + ReLU (base)", "—", "—", "—", "—"]
    assert printed[2] == ["dropout: head_dropout 0.5", "29.10", "28.73", "27.00", "—"]
    assert printed[5] == [E54, "—", "—", "—", "—"]


def test_near_chance_there_is_no_order(config: dict[str, Any], tmp_path: Path) -> None:
    """Below five times chance: neither a difference nor an order, in the CSV and as printed."""
    files = contents()
    for content in files:
        if (content["head"], content["variant"]) == ("authors-rate", "beta-vae"):
            content["top1"] = {"last": 4.99, "best": 5.5, "best_epoch": 1}
    text, markdown, _ = write(report_sensitivity, tmp_path, files, config)
    table = rows(text, "head", "select", "model")
    row = table["authors-rate", "last", "beta-vae"]
    assert (row["mean"], row["difference"], row["order_changed"]) == ("4.99", "", "")
    assert table["authors-rate", "last", "patchvae"]["order_changed"] == ""
    assert lines(markdown)[3][1:] == ["4.99 (—)", "24.00 (−1.23)", "22.00 (−2.00)", "—"]
    assert "below 5 times chance" in markdown
    for content in files:
        if content["top1"]["last"] == 4.99:
            content["top1"]["last"] = 5.0
    markdown = write(report_sensitivity, tmp_path, files, config)[1]
    assert lines(markdown)[3][1:] == ["5.00 (−20.00)", "24.00 (−1.23)", "22.00 (−2.00)", "no"]
    assert "times chance" not in markdown


def test_without_the_pair_there_is_no_order(config: dict[str, Any], tmp_path: Path) -> None:
    config |= {"variants": ["random+bn", "patchvae"]}
    files = [content for content in contents() if content["variant"] != "beta-vae"]
    text, markdown, _ = write(report_sensitivity, tmp_path, files, config)
    assert lines(markdown)[0] == ["Classifier", "CIFAR-100 PatchVAE", "CIFAR-100 Random φ + BN"]
    assert "rder" not in text + markdown


def test_data_sets_side_by_side_and_the_best_epoch(config: dict[str, Any], tmp_path: Path) -> None:
    config |= {"datasets": ["cifar100", "digits", "indoor67"], "select": "best", "heads": ["dropout"]}
    files = [c for c in contents() + contents("digits") if c["head"] in ("table12", "dropout")]
    text, markdown, tex = write(report_sensitivity, tmp_path, files, config)
    assert rows(text, "head", "select", "model")["table12", "last", "beta-vae"]["difference"] == ""
    assert lines(markdown)[3][:5] == [
        "E54: last epoch instead of the best on the test set",
        "25.00 (−0.50)",
        "25.23 (−0.02)",
        "24.00 (−0.50)",
        "yes",
    ]
    assert lines(markdown)[3][9:] == ["—"] * 4
    assert "DEMO" in markdown and "digits (demo): 3 epochs" in markdown and "Indoor67: " not in markdown
    assert r"\multicolumn{4}{c}{digits (demo)}" in tex


def test_settings_that_only_the_base_has(config: dict[str, Any], tmp_path: Path) -> None:
    settings = {**SETTINGS, "table12": {**SETTINGS["table12"], "lr": 0.1}, "linear": {**SETTINGS["table12"], "lr": 0.1}}
    markdown = write(report_sensitivity, tmp_path, contents(), config | {"settings": settings})[1]
    names = [row[0] for row in lines(markdown)]
    assert names[2:5] == [
        "dropout: head_dropout 0.5, lr by default",
        "authors' rate and batch: batch_size 256",
        "Table 12 as printed: no change",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"top1": {"last": 101.0, "best": 50.0}}, r"4\.json: top1\.last: 101\.0"),
        ({"head": "table12"}, r"4\.json: the same cell and seed as .*1\.json"),
        ({"epochs": 7}, r"4\.json: epochs of fine-tuning on cifar100: 7, but 2 in .*0\.json"),
        ({"rule": "probe"}, r"4\.json: not the metrics \(schema 1\) of a fine-tuning"),
        ({"history": []}, r"4\.json: history: \[\] is not of length 1 or more"),
        ({"history": [epoch(1, "99")]}, r"4\.json: history\.0\.train_top1: '99'"),
    ],
)
def test_a_wrong_file_is_named(config: dict[str, Any], tmp_path: Path, changes: Content, said: str) -> None:
    files = contents()
    files[4] |= changes
    with pytest.raises(PatchVAEError, match=said):
        write(report_sensitivity, tmp_path, files, config)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"variant": "patchvae+lw"},
        {"dataset": "indoor67"},
        {"regime": "conv1"},
        {"head": "wide"},
        {"seed": 0},
    ],
)
def test_cells_of_other_tables_are_passed_over(config: dict[str, Any], tmp_path: Path, changes: Content) -> None:
    expected = write(report_sensitivity, tmp_path, contents(), config)
    # Whatever is said there of images and epochs
    other = finetuning("patchvae", "cifar100", "conv1-5", 3, 99.0) | {
        "epochs": 7,
        "set_sha256": images("c" * 64),
    }
    assert write(report_sensitivity, tmp_path, [*contents(), other | changes], config) == expected
    broken = other | changes | {"top1": {"last": 101.0, "best": 50.0}}
    with pytest.raises(PatchVAEError, match=r"12\.json: top1\.last: 101\.0"):
        write(report_sensitivity, tmp_path, [*contents(), broken], config)
    with pytest.raises(PatchVAEError, match=r"no metrics file for .*seed 3"):
        write(report_sensitivity, tmp_path, [other | changes], config)


def test_without_any_file(config: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PatchVAEError, match="no metrics file"):
        write(report_sensitivity, tmp_path, [], config)
