"""Synthetic metrics files, and what a table made of them says."""

import csv
import json
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from patchvae.evaluation.bits import BY_DIGEST, packed_bits
from patchvae.jobs.work import write_files

Content = dict[str, Any]
DEVICE = "AMD EPYC (2 cores)"
VERSIONS = {"python": "3.11.2", "torch": "2.14.1", "patchvae": "0.1.0"}
BEHIND = {"game": None, "checkpoint_sha256": "9" * 64}
STAND_INS = ("digits", "tiny")
FEATURES = {"features": 2048, "constant_features": 3}
TRIED = [{"lambda": strength, "held_out_top1": 20.0} for strength in (0.01, 0.1)]


def epoch(number: int, train_top1: Any) -> Content:
    """One record of a fine-tuning's history."""
    largest = {"loss_max": 2.0, "train_top1_max": train_top1}
    return {"epoch": number, "loss": 1.0, "train_top1": train_top1, "test_top1": 8.0, "test_top5": 9.0, **largest}


# What tables do not read of a metrics file
REST: dict[str, Content] = {
    "pretrain": {"loss": {}, "history": [], "epochs": 0, "batch_size": 64, "masks_sha256": "", **BEHIND},
    "finetune": {"history": [epoch(1, 9.0)], "train_top1": 9.0, "train_images": 50000, "batch_size": 64},
    "probe": {**FEATURES, "train_count": 50000, "held_out": 5000, "lambdas": TRIED},
    "few_labels": FEATURES,
    "rates": {"split": "train", "batch_size": 64},
}


def metrics(rule: str, variant: str, dataset: str, seed: int, **record: Any) -> Content:
    """A metrics file of 90 seconds on 10,000 test images; data sets of STAND_INS are marked."""
    tested = {"split": "test", "count": 10000, "pretraining": pretraining(dataset, variant)}
    return {
        "schema": 1,
        "rule": rule,
        "variant": variant,
        "dataset": dataset,
        "seed": seed,
        "config": config(variant, dataset, seed),
        "config_sha256": (f"{seed}" * 64)[:64],
        "code_sha256": "c" * 64,
        "commit": None,
        **dict.fromkeys(("data_sha256", "labels_sha256", "set_sha256", "order_sha256"), images("b" * 64)),
        "versions": VERSIONS,
        "device": DEVICE,
        "machines": [{"device": DEVICE, "threads": 2, "versions": VERSIONS}],
        "peak_memory_mb": 800.0,
        "precision": "bf16",
        "threads": 2,
        "seconds": 90.0,
        "images_per_second": 1000.0,
        **({} if rule == "pretrain" else tested),
        **REST.get(rule, {}),
        **record,
    }


def images(test: str) -> Content:
    """Digests of the usual training images and of some test images."""
    return {"train": "a" * 64, "test": test}


def config(variant: str, dataset: str, seed: int, **more: Any) -> Content:
    """What tables read of a job's configuration."""
    identity = {"dataset": dataset, "variant": variant, "seed": seed}
    return {**identity, "num_classes": 100, "stand_in": dataset in STAND_INS, **more}


def pretraining(dataset: str, variant: str, **model: Any) -> Content:
    """What metrics say of a pretraining of three epochs, or of none for a control."""
    return {
        "dataset": dataset,
        "variant": variant,
        "epochs": 0 if variant.startswith("random") else 3,
        "model": {"name": variant, **model},
        "stand_in": dataset in STAND_INS,
        "config_sha256": "e" * 64,
        "code_sha256": "f" * 64,
        **BEHIND,
        "data_sha256": {"train": "a" * 64},
    }


def accuracy(last: float) -> Content:
    """An accuracy whose best epoch is half a point better than the last."""
    return {"last": last, "best": last + 0.5, "best_epoch": 1}


def finetuning(variant: str, dataset: str, regime: str, seed: int, top1: float, top5: float = 99.0) -> Content:
    """The metrics of a fine-tuning of two epochs."""
    record = {"regime": regime, "head": "table12", "epochs": 2, "top1": accuracy(top1), "top5": accuracy(top5)}
    return metrics("finetune", variant, dataset, seed, **record)


def probing(variant: str, dataset: str, seed: int, top1: float, **changes: Any) -> Content:
    """The metrics of a linear probe that gets ten points more right of its training images."""
    record = {"top1": top1, "top5": 80.0, "train_top1": top1 + 10, "lambda": 0.01, "at_edge": False}
    record["config"] = config(variant, dataset, seed, pool=4, holdout=0.1)
    record |= {"right": packed_bits([image < 100 * top1 for image in range(10000)]), "right_order": BY_DIGEST}
    return metrics("probe", variant, dataset, seed, **record | changes)


def table(folder: Path, name: str = "table") -> dict[str, Path]:
    """A table's files by their kind."""
    return {kind: folder / f"{name}.{kind}" for kind in ("csv", "md", "tex", "html")}


def write(
    report: Callable[..., Mapping[str, Any]], folder: Path, contents: list[Content], *first: Any, **pictures: Path
) -> tuple[str, str, str]:
    """Texts of the CSV, Markdown and LaTeX that a report makes of metrics files; `first`: its arguments before them."""
    paths = [folder / f"{index}.json" for index in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(json.dumps(content))
    files = table(folder / "out")
    write_files(report(*first, paths), files | pictures)
    csv_text, markdown, latex, html = (path.read_text(encoding="utf-8") for path in files.values())
    check_latex(latex)
    check_html(html, markdown)
    return csv_text, markdown, latex


class _Cells(HTMLParser):
    """The texts of a page's table cells; its tags have to close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open:
            self.cells[-1] += data


def check_html(html: str, markdown: str) -> None:
    """The page is closed properly and holds the cells of the Markdown."""
    page = _Cells()
    page.feed(html)
    assert page.open == []
    rows = [line.strip("| ").split(" | ") for line in markdown.splitlines() if line.startswith("| ")][2:]
    assert page.cells == [cell.replace("**", "") for row in rows for cell in row]


def check_latex(text: str) -> None:
    """Nothing that a plain pdflatex could stumble over: other characters, braces left open, rows of other lengths."""
    assert text.isascii(), text
    assert text.count("{") == text.count("}")
    columns = len(text.split(r"\begin{tabular}{")[1].split("}")[0])
    body = [line for line in text.split(r"\toprule")[1].splitlines() if line.endswith(r"\\")]
    rows = [line for line in body if "multicolumn" not in line]
    assert {line.count(" & ") for line in rows} == {columns - 1}


def rows(text: str, *keys: str) -> dict[Any, Mapping[str, str]]:
    """Rows of a CSV by the values of `keys`."""
    found = {}
    for row in csv.DictReader(text.splitlines()):
        key = tuple(row[name] for name in keys)
        found[key[0] if len(keys) == 1 else key] = row
    return found


def lines(markdown: str) -> list[list[str]]:
    """Cells of a Markdown table, its head first, without the line of dashes."""
    table = [line for line in markdown.splitlines() if line.startswith("| ") and "---" not in line]
    return [line.strip("| ").split(" | ") for line in table]
