"""Where every job's results lie, and which module does its work: what Snakemake, DVC and the tests share."""

import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from patchvae.models import kinds  # noqa: E402
from patchvae.plan import PARAMETER_TABLES, PARTS_FIGURES  # noqa: E402
from patchvae.provenance import PACKAGE, code_sha256, source_files  # noqa: E402
from patchvae.variants import variants  # noqa: E402

KINDS = ("csv", "md", "tex", "html")
PICTURES = ("png", "pdf")


def files(folder: str, suffixes: tuple[str, ...]) -> list[str]:
    """One path per suffix."""
    return [f"{folder}.{suffix}" for suffix in suffixes]


ARRAYS = [f"data/packed/{{dataset}}/{split}_{what}.npy" for split in ("train", "test") for what in ("images", "labels")]
OCCURRENCE = [f"data/packed/{{dataset}}/{split}_occurrence.npy" for split in ("train", "test")]
MANIFEST = "data/packed/{dataset}/manifest.json"
# What the packed data and the masks were made from; no job depends on it, so it decides on no training
DATA_RECORD, MASKS_RECORD = "data/packed/{dataset}/record.json", "data/masks/{dataset}/record.json"
CHECKPOINT = "results/{run}/checkpoints/pretrain/{dataset}/{variant}/seed{seed}.pt"
METRICS = {
    "pretrain": "results/{run}/metrics/pretrain/{dataset}/{variant}/seed{seed}.json",
    "finetune": "results/{run}/metrics/finetune/{table}/{regime}/{head}/{variant}/{dataset}/seed{seed}.json",
    "probe": "results/{run}/metrics/probe/{dataset}/{variant}/seed{seed}.json",
    "reconstruct": "results/{run}/metrics/reconstruct/{dataset}/{variant}/seed{seed}.json",
    "fid": "results/{run}/metrics/fid/{dataset}/{variant}/seed{seed}.json",
    "parts": "results/{run}/metrics/parts/{dataset}/{variant}/seed{seed}.json",
}

# Rule -> its outputs, the one by which a job is asked for first
OUTPUTS: dict[str, list[str]] = {
    "download": ["data/sources/{dataset}.json"],
    "prepare": [MANIFEST, *ARRAYS, DATA_RECORD],
    "digit_scenes": [MANIFEST, *ARRAYS, *OCCURRENCE, DATA_RECORD],
    "masks": ["data/masks/{dataset}/train.npy", MASKS_RECORD],
    "inception": ["data/inception.json"],
    "pretrain": [CHECKPOINT, METRICS["pretrain"]],
    **{rule: [METRICS[rule]] for rule in ("finetune", "probe", "reconstruct", "fid", "parts")},
    "table1": [*files("results/{run}/tables/table1", KINDS), "results/{run}/tables/table1_seeds.csv"],
    "claims": [
        *files("results/{run}/tables/claims", KINDS),
        "results/{run}/tables/answer.md",
        *files("results/{run}/figures/answer", PICTURES),
    ],
    "probe_table": files("results/{run}/tables/probe_{dataset}", KINDS),
    "lengths": [
        *files("results/{run}/tables/lengths_{dataset}", KINDS),
        *files("results/{run}/figures/lengths_{dataset}", PICTURES),
    ],
    "sensitivity": files("results/{run}/tables/sensitivity_{dataset}", KINDS),
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

# Command -> the module on whose source files, and all that they import, a job depends
MODULES = {
    "download": "patchvae.data.sources",
    "prepare": "patchvae.data.prepare",
    "masks": "patchvae.data.masks",
    "inception": "patchvae.evaluation.inception",
    "pretrain": "patchvae.training.pretrain",
    "finetune": "patchvae.training.finetune",
    "probe": "patchvae.evaluation.probe",
    "reconstruct": "patchvae.evaluation.reconstruction",
    "fid": "patchvae.evaluation.fid",
    "parts": "patchvae.evaluation.parts",
    "table1": "patchvae.report.tables.table1",
    "claims": "patchvae.report.claims",
    "probe_table": "patchvae.report.tables.probe",
    "lengths": "patchvae.report.lengths",
    "sensitivity": "patchvae.report.tables.sensitivity",
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


# Commands on a model of any kind, whose source files count as well
OF_A_KIND = ("pretrain", "reconstruct", "fid")
OF_PATCHVAE = ("parts", *PARTS_FIGURES)
# Rule -> its command, where that has another name
COMMANDS = {"digit_scenes": "prepare"}


def modules_of(command: str, kind: str | None = None) -> tuple[str, ...]:
    """The modules on which a command depends, for a model of this kind."""
    kind = "patchvae" if command in OF_PATCHVAE else kind
    return (MODULES[command], *(kinds.modules(kind) if kind else ()))


@functools.cache
def fingerprint(command: str, kind: str | None = None) -> str:
    """What the code of a command is, for a model of this kind; the jobs' records hold the same."""
    return code_sha256(*modules_of(command, kind))


def kind_of(params: dict[str, Any], variant: str) -> str:
    """The kind of a variant's model."""
    return str(params["variants"][variants(params)[variant].base]["model"])


def code_of(params: dict[str, Any], rule: str, wildcards: dict[str, Any]) -> str:
    """The fingerprint of the code of one job."""
    command = wildcards["figure"] if rule == "figure_parts" else COMMANDS.get(rule, rule)
    return fingerprint(command, kind_of(params, wildcards["variant"]) if command in OF_A_KIND else None)


def shell_commands() -> dict[str, list[str]]:
    """Command -> the text of the shell commands of its rules, whose edits Snakemake sees and DVC would not."""
    found: dict[str, list[str]] = {command: [] for command in MODULES}
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for rule in re.split(r"^rule ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            shell = re.search(r"^    shell:\n((?: {8}.*\n)+)", rule, re.M)
            name = rule.split(":")[0]
            if shell:
                for command in PARTS_FIGURES if name == "figure_parts" else [COMMANDS.get(name, name)]:
                    found[command].append(shell[1])
    return found


def fingerprints(params: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and content of every file in data/code: one per command, or per variant where its model's kind counts."""
    shells = shell_commands()
    for command in MODULES:
        names = {f"{command}.json": None}
        if command in OF_A_KIND:
            names = {f"{command}/{variant}.json": kind_of(params, variant) for variant in variants(params)}
        for name, kind in names.items():
            files = [path.relative_to(PACKAGE.parent).as_posix() for path in source_files(*modules_of(command, kind))]
            yield name, {"files": files, "sha256": fingerprint(command, kind), "shell": shells[command]}
