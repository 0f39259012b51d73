"""Names of the jobs of tests/e2e/engines.yaml, as their log files have them."""

from collections.abc import Iterable
from typing import Any

from patchvae.plan.reports import REPORTS as ALL

RUN = "engines"
DATASETS, ROWS = ("small", "other"), ("patchvae", "patchvae+lw", "random")
PATCHVAES = ("patchvae", "patchvae+lw")


def pretrained(rows: Iterable[str], seed: int = 0, datasets: Iterable[str] = DATASETS) -> set[str]:
    return {f"{RUN}/pretrain/{dataset}/{row}/seed{seed}" for row in rows for dataset in datasets}


def finetuned(rows: Iterable[str], seed: int = 0) -> set[str]:
    return {f"{RUN}/finetune/table1/conv1-5/table12/{row}/{dataset}/seed{seed}" for row in rows for dataset in DATASETS}


def swept(value: Any, seed: int = 0, key: str = "num_parts") -> set[str]:
    row = f"patchvae.{key}={value}"
    return pretrained([row], seed, ["small"]) | {f"{RUN}/finetune/{key}/conv1-5/table12/{row}/small/seed{seed}"}


SWEPT = swept(4) | swept(8)
# Reports of Table 1's metrics that every run has
TABLE1 = {
    f"{RUN}/tables/{name}"
    for name, report in ALL.items()
    if not report.each and any("finetune/table1" in path for path in report.inputs.get("metrics_files", []))
}
SWEEP = {f"{RUN}/tables/sweep_num_parts"}
REPORTS = {f"{RUN}/summary", f"{RUN}/curves/pretrain"}  # of all tables, and of all metrics
PARAMETERS = {f"{RUN}/tables/table8"}  # counts what the models' modules build
PARTS = {f"{RUN}/figures/figure{number}_small" for number in (1, 3, 4, 5)}
FIGURE6 = {f"{RUN}/figures/figure6_small"}
MASKS = {f"data/masks/{dataset}" for dataset in DATASETS}
RATE = (
    finetuned(ROWS) | {job for job in SWEPT if "/finetune/" in job} | TABLE1 | SWEEP | REPORTS
)  # after an edit of finetune.lr
WEIGHTED = MASKS | pretrained(["patchvae+lw"]) | finetuned(["patchvae+lw"]) | TABLE1 | REPORTS | FIGURE6  # of the masks
