"""The run's learning curves as two tidy CSVs, which `dvc plots` draws and compares between revisions."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from patchvae.records.metrics_files import read_metrics
from patchvae.report.tables.config import File, Files, Settings

PRETRAIN = ("dataset", "model", "seed", "epoch", "loss")
FINETUNE = ("table", "dataset", "regime", "head", "model", "seed", "epoch", "loss", "test_top1")


def tidy(paths: Iterable[File], rule: str, columns: Sequence[str]) -> str:
    """CSV with a row per training and epoch, sorted by what they are about; only the header if nothing was trained.

    Numbers have six digits; `loss` is the epoch's mean, `test_top1` percent after the epoch. Raises PatchVAEError
    naming a file that is no metrics file of this rule.
    """
    rows = []
    for path in paths:
        metrics = read_metrics(path, rule)
        # Only the path names the table: TABLE/REGIME/HEAD/MODEL/DATASET/SEED
        about = {**metrics, "model": metrics["variant"], "table": Path(path).parts[-6:][0]}
        rows += [[(about | epoch)[name] for name in columns] for epoch in metrics["history"]]
    key = columns.index("epoch") + 1
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in sorted(rows, key=lambda row: row[:key]):
        writer.writerow([f"{value:.6g}" if isinstance(value, float) else value for value in row])
    return text.getvalue()


def report(config: Settings, pretrain_files: Files, finetune_files: Files) -> dict[str, str]:
    """The curves of pretrainings (columns PRETRAIN) and of fine-tunings (FINETUNE) from their metrics files."""
    return {
        "pretrain_csv": tidy(pretrain_files, "pretrain", PRETRAIN),
        "finetune_csv": tidy(finetune_files, "finetune", FINETUNE),
    }
