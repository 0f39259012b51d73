"""Accuracies against the length of pretraining: what fills which cell, and the lines that are drawn of it."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from table_files import Content, finetuning, images, lines, probing, rows, write

from patchvae.errors import PatchVAEError
from patchvae.report.figures.lengths import draw_lengths
from patchvae.report.tables.lengths import report as report_lengths

# Accuracies of the fine-tunings, seed 0; seed 1 has one point more; a probe has ten more
TOP1 = {
    ("random", 0): 22.0,
    ("random+bn", 0): 24.0,
    ("patchvae.epochs=10", 10): 27.0,
    ("patchvae.epochs=3", 3): 26.0,
    ("patchvae", 90): 28.0,
    ("beta-vae.epochs=10", 10): 26.5,
    ("beta-vae.epochs=3", 3): 25.5,
    ("beta-vae", 90): 27.5,
}


@pytest.fixture
def config() -> dict[str, Any]:
    return {
        "run": "quick_1",
        "seeds": [0, 1],
        "select": "last",
        "datasets": ["cifar100"],
        "variants": ["beta-vae", "patchvae"],
        "regime": "conv1-5",
        "heads": ["table12"],
        "epochs": [3, 10],
    }


def trained(content: Content, model: str, epochs: int) -> Content:
    """As a snapshot tells its pretraining: the variant's, and the epoch."""
    content["pretraining"] |= {"variant": model.partition(".")[0], "epochs": epochs}
    return content


def finetunings(dataset: str = "cifar100", head: str = "table12", more: float = 0.0) -> list[Content]:
    return [
        trained(finetuning(model, dataset, "conv1-5", seed, top1 + seed + more) | {"head": head}, model, epochs)
        for ((model, epochs), top1), seed in itertools.product(TOP1.items(), (0, 1))
    ]


def linear_probes(dataset: str = "cifar100") -> list[Content]:
    return [
        trained(probing(model, dataset, seed, top1 + seed + 10), model, epochs)
        for ((model, epochs), top1), seed in itertools.product(TOP1.items(), (0, 1))
    ]


def split(config: dict[str, Any], paths: list[Path]) -> dict[str, Any]:
    """`report_lengths` of files of both kinds."""
    probes = [path for path in paths if '"rule": "probe"' in path.read_text()]
    return report_lengths(config, [path for path in paths if path not in probes], probes)


def test_numbers_by_hand(config: dict[str, Any], tmp_path: Path) -> None:
    text, markdown, tex = write(split, tmp_path, finetunings() + linear_probes(), config)
    assert text.startswith("dataset,stand_in,head,variant,epochs,model,mean,std,n,train_mean,test_images,")
    table = rows(text, "head", "variant", "epochs")
    assert list(table)[:9] == [
        ("table12", "beta-vae", "0"),
        ("table12", "beta-vae", "3"),
        ("table12", "beta-vae", "10"),
        ("table12", "beta-vae", "90"),
        ("table12", "patchvae", "0"),
        ("table12", "patchvae", "3"),
        ("table12", "patchvae", "10"),
        ("table12", "patchvae", "90"),
        ("table12", "random", "0"),
    ]
    row = table["table12", "patchvae", "10"]
    assert (row["model"], row["mean"], row["std"], row["n"]) == ("patchvae.epochs=10", "27.50", "0.71", "2")
    assert {table["table12", v, "0"]["model"] for v in config["variants"]} == {"random+bn"}
    assert (table["table12", "patchvae", "90"]["model"], table["table12", "patchvae", "0"]["mean"]) == (
        "patchvae",
        "24.50",
    )
    row = table["probe", "beta-vae", "3"]
    assert (row["mean"], row["train_mean"], row["stand_in"]) == ("36.00", "46.00", "false")
    assert lines(markdown) == [
        ["Model, classifier", *(f"CIFAR-100 {epochs}" for epochs in (0, 3, 10, 90))],
        ["β-VAE, Table 12 + ReLU", "24.50 ± 0.71", "26.00 ± 0.71", "27.00 ± 0.71", "28.00 ± 0.71"],
        ["PatchVAE, Table 12 + ReLU", "24.50 ± 0.71", "26.50 ± 0.71", "27.50 ± 0.71", "28.50 ± 0.71"],
        ["Random φ (control), Table 12 + ReLU", "22.50 ± 0.71", "—", "—", "—"],
        ["β-VAE, linear probe", "34.50 ± 0.71", "36.00 ± 0.71", "37.00 ± 0.71", "38.00 ± 0.71"],
        ["PatchVAE, linear probe", "34.50 ± 0.71", "36.50 ± 0.71", "37.50 ± 0.71", "38.50 ± 0.71"],
        ["Random φ (control), linear probe", "32.50 ± 0.71", "—", "—", "—"],
    ]
    assert markdown.startswith(
        "Run quick_1: top-1 test accuracy (%) against the length of pretraining, 2 seeds, mean ± sample standard"
        " deviation; columns: epochs of pretraining. Classifiers at Conv[1-5], after the last epoch. Classifier Table"
        " 12 + ReLU: the paper's Table 12, and between its two layers a ReLU that is not in it. 0"
        " epochs: Random φ, BatchNorm of the data (control). The lengths between are snapshots of one training per"
        " seed. Linear probe: ridge regression on the features of the frozen φ, averaged to a grid of 4×4 where they"
        " are more; its strength λ is chosen on 10 % of the training images. CIFAR-100: 2 epochs of fine-tuning,"
        " 10,000 test images, chance 1.00 %. The paper has no such table. Measured on AMD EPYC (2 cores), bf16;"
        " fine-tuning and probing took 48.0 minutes in all.\n"
    )
    assert r"\label{tab:lengths}" in tex and r"PatchVAE, Table 12 + ReLU & 24.50 $\pm$ 0.71" in tex


def test_what_was_not_run_is_empty(config: dict[str, Any], tmp_path: Path) -> None:
    config |= {"datasets": ["cifar100", "indoor67"], "heads": ["table12", "dropout"]}
    gone = {("patchvae.epochs=3", 0), ("patchvae.epochs=3", 1), ("beta-vae", 1)}
    files = [content for content in finetunings() if (content["variant"], content["seed"]) not in gone]
    text, markdown, _ = write(split, tmp_path, files, config)
    table = rows(text, "dataset", "head", "variant", "epochs")
    row = table["cifar100", "table12", "patchvae", "3"]
    assert (row["model"], row["n"], row["mean"]) == ("patchvae.epochs=3", "0", "")
    row = table["cifar100", "table12", "beta-vae", "90"]
    assert (row["mean"], row["std"], row["n"]) == ("27.50", "", "1")
    # Nothing tells how long a pretraining on the other data set would be.
    assert table["indoor67", "dropout", "patchvae", ""]["n"] == "0"
    # A head without any number is left out, and so are the probes.
    assert lines(markdown) == [
        [
            "Model, classifier",
            *(f"CIFAR-100 {epochs}" for epochs in (0, 3, 10, 90)),
            *(f"Indoor67 {epochs}" for epochs in (0, 3, 10, "all")),
        ],
        ["β-VAE, Table 12 + ReLU", "24.50 ± 0.71", "26.00 ± 0.71", "27.00 ± 0.71", "27.50 [1]", *"————"],
        ["PatchVAE, Table 12 + ReLU", "24.50 ± 0.71", "—", "27.50 ± 0.71", "28.50 ± 0.71", *"————"],
        ["Random φ (control), Table 12 + ReLU", "22.50 ± 0.71", *"———————"],
    ]
    assert "[n]: of n seeds so far" in markdown
    assert "ridge" not in markdown and "Indoor67: " not in markdown


def test_probes_alone(config: dict[str, Any], tmp_path: Path) -> None:
    markdown = write(split, tmp_path, linear_probes(), config)[1]
    assert [row[0] for row in lines(markdown)[1:]] == [
        "β-VAE, linear probe",
        "PatchVAE, linear probe",
        "Random φ (control), linear probe",
    ]


@pytest.mark.parametrize(
    ("place", "changes", "said"),
    [
        (4, {"top1": {"last": 101.0, "best": 50.0}}, r"4\.json: top1\.last: 101\.0"),
        (4, {"seed": 5}, r"4\.json: seed 5 is not one of this table's seeds"),
        (4, {"variant": "patchvae.epochs=3"}, r"6\.json: the same cell and seed as .*4\.json"),
        (4, {"epochs": 7}, r"4\.json: epochs of fine-tuning on cifar100: 7, but 2 in .*2\.json"),
        (4, {"rule": "fid"}, r"4\.json: not the metrics \(schema 1\) of a fine-tuning or a linear probe"),
        # Whose phi it is not
        (4, {"pretraining": None}, r"4\.json: pretraining: None"),
        (0, {"epochs of pretraining": 3}, r"0\.json: 3 epochs of pretraining in random"),
        (9, {"epochs of pretraining": 89}, r"9\.json: epochs of pretraining on cifar100: 89, but 90 in .*14\.json"),
        (16, {"top1": -1}, r"16\.json: top1: -1"),
        (
            16,
            {"set_sha256": images("c" * 64)},
            r"16\.json: tested on other images of cifar100 than .*2\.json",
        ),
    ],
)
def test_a_wrong_file_is_named(config: dict[str, Any], tmp_path: Path, place: int, changes: Content, said: str) -> None:
    files = finetunings() + linear_probes()
    epochs = changes.get("epochs of pretraining")
    files[place] |= changes if epochs is None else {"pretraining": files[place]["pretraining"] | {"epochs": epochs}}
    with pytest.raises(PatchVAEError, match=said):
        write(split, tmp_path, files, config)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"variant": "patchvae+lw"},
        {"variant": "patchvae.epochs=30"},
        {"dataset": "indoor67"},
        {"regime": "conv1"},
        {"head": "dropout"},
        {"head": "probe"},
    ],
)
def test_cells_of_other_tables_are_passed_over(config: dict[str, Any], tmp_path: Path, changes: Content) -> None:
    files = finetunings() + linear_probes()
    expected = write(split, tmp_path, files, config)
    # Whatever is said there of images and epochs
    other = finetuning("patchvae", "cifar100", "conv1-5", 0, 99.0) | {
        "epochs": 7,
        "set_sha256": images("c" * 64),
    }
    assert write(split, tmp_path, [*files, other | changes], config) == expected
    if "regime" not in changes and "head" not in changes:
        assert write(split, tmp_path, [*files, probing("patchvae", "cifar100", 0, 80.0) | changes], config) == expected
    broken = other | changes | {"top1": {"last": 101.0, "best": 50.0}}
    with pytest.raises(PatchVAEError, match=r"32\.json: top1\.last: 101\.0"):
        write(split, tmp_path, [*files, broken], config)


def test_files_of_other_tables_alone_are_no_table(config: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PatchVAEError, match="no metrics file for random"):
        write(split, tmp_path, [content | {"regime": "conv1"} for content in finetunings()], config)
    assert not (tmp_path / "out").exists()


def test_a_whole_pretraining_is_longer_than_its_snapshots(config: dict[str, Any], tmp_path: Path) -> None:
    files = [content for content in finetunings() if content["variant"] in config["variants"]]
    for epochs in (0, 10):
        for content in files:
            content["pretraining"]["epochs"] = epochs
        with pytest.raises(PatchVAEError, match=rf"\d\.json: {epochs} epochs of pretraining, not more than"):
            write(split, tmp_path, files, config)


def test_without_any_file(config: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PatchVAEError, match=r"no metrics file for random\+bn, cifar100, conv1-5, table12, seed 0"):
        write(split, tmp_path, [], config)


def report(config: dict[str, Any], folder: Path, contents: list[Content]) -> None:
    """The table and the figure of these files."""
    write(split, folder, contents, config, png=folder / "a.png", pdf=folder / "a.pdf")


def test_lines_and_points(config: dict[str, Any], drawn: list[Figure], tmp_path: Path) -> None:
    config |= {"datasets": ["indoor67", "cifar100", "digits"], "heads": ["table12", "dropout"]}
    files = finetunings() + finetunings(head="dropout", more=5) + linear_probes() + finetunings("digits")
    report(config, tmp_path, files)
    cifar, digits = drawn[0].axes
    # Without a number there is no panel.
    assert [axes.get_title() for axes in drawn[0].axes] == ["CIFAR-100", "digits (demo)"]
    assert [tick.get_text() for tick in cifar.get_xticklabels()] == ["0", "3", "10", "90"]
    whole = [line for line in cifar.lines if len(line.get_xydata()) == 4]
    assert [line.get_linestyle() for line in whole] == ["-", "-", "--", "--", ":", ":"]
    assert whole[1].get_xydata()[:, 1].tolist() == [24.5, 26.5, 27.5, 28.5]
    # Both begin at the control; behind it they stand beside each other.
    assert whole[0].get_xydata()[:, 0].tolist() == pytest.approx([0, 0.95, 1.95, 2.95])
    assert whole[1].get_xydata()[:, 0].tolist() == pytest.approx([0, 1.05, 2.05, 3.05])
    starts = {
        (line.get_color(), line.get_marker(), *line.get_xydata()[0])
        for line in cifar.lines
        if len(line.get_xydata()) == 1 and line.get_marker() in "osD"
    }
    assert {(colour, y) for colour, marker, x, y in starts if x == 0} == {
        (colour, y + more) for colour, y in (("black", 24.5), ("0.6", 22.5)) for more in (0, 5, 10)
    }
    # A bar for every point, as each has two seeds
    bars = [segment for collection in cifar.collections for segment in collection.get_segments()]
    assert len(bars) == 3 * (2 * 3 + 2)
    assert digits.get_legend() is None
    assert [text.get_text() for text in drawn[0].legends[0].texts] == [
        "β-VAE",
        "PatchVAE",
        " ",
        "Random φ + BN",
        "Random φ",
        " ",
        "Table 12 + ReLU",
        "dropout",
        "linear probe",
    ]
    assert cifar.get_ylabel() == "top-1 (%), mean ± std (n = 2)"


def test_one_seed_without_controls(config: dict[str, Any], drawn: list[Figure], tmp_path: Path) -> None:
    files = [c for c in finetunings() if c["seed"] == 0 and not c["variant"].startswith("random")]
    report(config | {"variants": ["beta-vae", "patchvae"]}, tmp_path, files)
    (axes,) = drawn[0].axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["3", "10", "90"]
    assert not any(len(segment) for bars in axes.collections for segment in bars.get_segments())
    assert [text.get_text() for text in drawn[0].legends[0].texts] == ["β-VAE", "PatchVAE", "Table 12 + ReLU", " "]
    assert axes.get_ylabel() == "top-1 (%)"


def test_same_bytes(config: dict[str, Any], tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        report(config, tmp_path / name, (finetunings() + linear_probes())[:: 1 if name == "a" else -1])
    for name in ("a.png", "a.pdf", "out/table.csv", "out/table.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (tmp_path / "a/a.png").read_bytes().startswith(b"\x89PNG")


def test_table_without_an_accuracy(config: dict[str, Any], tmp_path: Path) -> None:
    line = "3,cifar100,false,patchvae,table12,,,0"
    (tmp_path / "table.csv").write_text(f"epochs,dataset,stand_in,variant,head,mean,std,n\n{line}\n")
    with pytest.raises(PatchVAEError, match=r"table\.csv: holds no accuracy to draw"):
        draw_lengths(tmp_path / "table.csv", config, tmp_path / "a.png", tmp_path / "a.pdf")
    assert not (tmp_path / "a.png").exists()
