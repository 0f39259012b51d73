"""Where every job's results lie, and which module does its work: what Snakemake, DVC and the tests share."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from patchvae.plan import PARAMETER_TABLES, PARTS_FIGURES  # noqa: E402

KINDS = ("csv", "md", "tex", "html")
PICTURES = ("png", "pdf")


def files(folder: str, suffixes: tuple[str, ...]) -> list[str]:
    """One path per suffix."""
    return [f"{folder}.{suffix}" for suffix in suffixes]


ARRAYS = [f"data/packed/{{dataset}}/{split}_{what}.npy" for split in ("train", "test") for what in ("images", "labels")]
OCCURRENCE = [f"data/packed/{{dataset}}/{split}_occurrence.npy" for split in ("train", "test")]
MANIFEST = "data/packed/{dataset}/manifest.json"
CHECKPOINT = "results/{run}/checkpoints/pretrain/{dataset}/{variant}/seed{seed}.pt"
METRICS = {
    "pretrain": "results/{run}/metrics/pretrain/{dataset}/{variant}/seed{seed}.json",
    "finetune": "results/{run}/metrics/finetune/{table}/{regime}/{variant}/{dataset}/seed{seed}.json",
    "reconstruct": "results/{run}/metrics/reconstruct/{dataset}/{variant}/seed{seed}.json",
    "fid": "results/{run}/metrics/fid/{dataset}/{variant}/seed{seed}.json",
    "parts": "results/{run}/metrics/parts/{dataset}/{variant}/seed{seed}.json",
}

# Rule -> its outputs, the one by which a job is asked for first
OUTPUTS: dict[str, list[str]] = {
    "download": ["data/sources/{dataset}.json"],
    "prepare": [MANIFEST, *ARRAYS],
    "digit_scenes": [MANIFEST, *ARRAYS, *OCCURRENCE],
    "masks": ["data/masks/{dataset}/train.npy", "data/masks/{dataset}/manifest.json"],
    "inception": ["data/inception.json"],
    "pretrain": [CHECKPOINT, METRICS["pretrain"]],
    **{rule: [METRICS[rule]] for rule in ("finetune", "reconstruct", "fid", "parts")},
    "table1": files("results/{run}/tables/table1", KINDS),
    "table2": files("results/{run}/tables/table2", KINDS),
    "table7": files("results/{run}/tables/table7", KINDS),
    "sweep": [
        *files("results/{run}/tables/sweep_{key}", KINDS),
        *files("results/{run}/figures/sweep_{key}", PICTURES),
    ],
    "parts_table": files("results/{run}/tables/parts", KINDS),
    "parameter_tables": [
        path for table in PARAMETER_TABLES for path in files(f"results/{{run}}/tables/{table}", KINDS)
    ],
    "summary": ["results/{run}/summary.json"],
    "curves": ["results/{run}/curves/pretrain.csv", "results/{run}/curves/finetune.csv"],
    "figure_masks": files("results/{run}/figures/figure6_{dataset}", PICTURES),
    "figure_parts": files("results/{run}/figures/{figure}_{dataset}", PICTURES),
}

# Command -> the module whose source files, and all that they import, a job depends on
MODULES = {
    "download": "patchvae.data.sources",
    "prepare": "patchvae.data.prepare",
    "masks": "patchvae.data.masks",
    "inception": "patchvae.evaluation.inception",
    "pretrain": "patchvae.training.pretrain",
    "finetune": "patchvae.training.finetune",
    "reconstruct": "patchvae.evaluation.reconstruction",
    "fid": "patchvae.evaluation.fid",
    "parts": "patchvae.evaluation.parts",
    "table1": "patchvae.report.tables.table1",
    "table2": "patchvae.report.tables.table2",
    "table7": "patchvae.report.tables.table7",
    "sweep": "patchvae.report.sweeps",
    "parts_table": "patchvae.report.tables.parts",
    "parameter_tables": "patchvae.report.tables.parameters",
    "summary": "patchvae.report.summary",
    "curves": "patchvae.report.curves",
    "figure_masks": "patchvae.report.figures",
    **PARTS_FIGURES,
}


def shell_commands() -> dict[str, list[str]]:
    """Command -> the text of the shell commands of its rules, whose edits Snakemake sees and DVC would not."""
    found: dict[str, list[str]] = {command: [] for command in MODULES}
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for rule in re.split(r"^rule ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            shell = re.search(r"^    shell:\n((?: {8}.*\n)+)", rule, re.M)
            command = re.search(r'code_of\("(\w+)"\)', rule)
            if shell:
                for name in [command[1]] if command else PARTS_FIGURES:
                    found[name].append(shell[1])
    return found
