"""Where every job's results lie, and which module does its work: what Snakemake, DVC and the tests share."""

import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "workflow")]

import reports  # noqa: E402
from reports import METRICS, REPORTS, figure  # noqa: E402

from patchvae import plan  # noqa: E402
from patchvae.models import kinds  # noqa: E402
from patchvae.plan import PARTS_FIGURES  # noqa: E402
from patchvae.provenance import PACKAGE, code_sha256, source_files  # noqa: E402
from patchvae.variants import variants  # noqa: E402

ARRAYS = [f"data/packed/{{dataset}}/{split}_{what}.npy" for split in ("train", "test") for what in ("images", "labels")]
OCCURRENCE = [f"data/packed/{{dataset}}/{split}_occurrence.npy" for split in ("train", "test")]
MANIFEST = "data/packed/{dataset}/manifest.json"
# What the packed data and the masks were made from; no job depends on it, so it decides on no training
DATA_RECORD, MASKS_RECORD = "data/packed/{dataset}/record.json", "data/masks/{dataset}/record.json"
CHECKPOINT = "results/{run}/checkpoints/pretrain/{dataset}/{variant}/seed{seed}.pt"

# Rule -> its outputs, the one by which a job is asked for first
OUTPUTS: dict[str, list[str]] = {
    "download": ["data/sources/{dataset}.json"],
    "prepare": [MANIFEST, *ARRAYS, DATA_RECORD],
    "digit_scenes": [MANIFEST, *ARRAYS, *OCCURRENCE, DATA_RECORD],
    "masks": ["data/masks/{dataset}/train.npy", MASKS_RECORD],
    "inception": ["data/inception.json"],
    "pretrain": [CHECKPOINT, METRICS["pretrain"]],
    **{rule: [METRICS[rule]] for rule in ("finetune", "probe", "reconstruct", "fid", "parts")},
    **{name: reports.outputs(name) for name in REPORTS},
    "figure_masks": [str(path) for path in figure("figure6_{dataset}").values()],
    "figure_parts": [str(path) for path in figure("{figure}_{dataset}").values()],
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
    "score_parts": "patchvae.evaluation.parts",
    **{name: f"patchvae.report.tables.{name}" for name in REPORTS},
    "figure_masks": "patchvae.report.figures.weight_masks",
    **PARTS_FIGURES,
}


def jobs(params: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every job of a run as (rule, wildcards), each once, none before what it needs."""
    yield from plan.jobs(params)
    yield from reports.reports(params)


# Commands on a model of any kind, whose source files count as well
OF_A_KIND = ("pretrain", "reconstruct", "fid")
OF_PATCHVAE = ("score_parts", *PARTS_FIGURES)
# Rule -> its command, where that has another name
COMMANDS = {"digit_scenes": "prepare", "parts": "score_parts"}


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
    return found | {name: [reports.SHELL] for name in REPORTS}


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
