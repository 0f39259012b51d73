"""The run's learning curves as two tidy CSVs, which `dvc plots` draws and compares between revisions."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from patchvae.files import write_text
from patchvae.records.metrics_files import read_metrics

PRETRAIN = ("dataset", "model", "seed", "epoch", "loss")
FINETUNE = ("table", "dataset", "regime", "head", "model", "seed", "epoch", "loss", "test_top1")


def history(path: Path | str, rule: str) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """What a metrics file is about, by column, and its record per epoch; controls have no epochs.

    Raises PatchVAEError for anything but the metrics of this rule.
    """
    metrics = read_metrics(path, rule)
    about = {"dataset": metrics["dataset"], "model": metrics["variant"], "seed": metrics["seed"]}
    if rule == "finetune":
        # Only the path names the table: TABLE/REGIME/HEAD/MODEL/DATASET/SEED
        about |= {"regime": metrics["regime"], "head": metrics.get("head"), "table": Path(path).parts[-6]}
    return about, metrics["history"]


def tidy(paths: Iterable[Path | str], rule: str, columns: Sequence[str]) -> str:
    """CSV with a row per training and epoch, sorted by what they are about; only the header if nothing was trained.

    Numbers have six digits; `loss` is the epoch's mean, `test_top1` percent after the epoch. Raises PatchVAEError
    naming a file that is wrong.
    """
    rows = []
    for path in paths:
        about, epochs = history(path, rule)
        rows += [[(about | record)[name] for name in columns] for record in epochs]
    key = columns.index("epoch") + 1
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in sorted(rows, key=lambda row: row[:key]):
        writer.writerow([f"{value:.6g}" if isinstance(value, float) else value for value in row])
    return text.getvalue()


def write(
    config: Mapping[str, Any],
    pretrain_files: Sequence[Path | str],
    finetune_files: Sequence[Path | str],
    pretrain_csv: Path | str,
    finetune_csv: Path | str,
) -> None:
    """Write the curves of pretrainings (PRETRAIN) and of fine-tunings (FINETUNE) from their metrics files.

    Raises PatchVAEError naming the file that is wrong; then nothing is written.
    """
    texts = (tidy(pretrain_files, "pretrain", PRETRAIN), tidy(finetune_files, "finetune", FINETUNE))
    for path, text in zip((pretrain_csv, finetune_csv), texts, strict=True):
        write_text(path, text)
