"""The file of one job, beside no run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patchvae.files import write_text
from patchvae.params import model_kinds
from patchvae.params.reading import Params
from patchvae.plan.jobs import OF_PATCHVAE, Job, fingerprint
from patchvae.plan.kinds import Files
from patchvae.plan.layout import KINDS, listing


def jobs(params: Params) -> list[tuple[str, Params]]:
    """Every job of a run as (rule, wildcards)."""
    return [(rule, wildcards) for rule, wildcards, _ in listing(params)]


def packed_files(folder: str) -> list[str]:
    """All files of packed data."""
    return [f"{folder}/manifest.json"] + [
        f"{folder}/{split}_{what}.npy" for split in ("train", "test") for what in ("images", "labels")
    ]


def write_job(
    rule: str,
    config: Mapping[str, Any],
    inputs: dict[str, Files],
    outputs: dict[str, Files],
    root: Path | None = None,
) -> Path:
    """The file jobs/small/RULE.json below a folder, by default the current one; record and log are called RULE, too."""
    kind = config["model"]["name"] if rule == "pretrain" else "patchvae" if rule in OF_PATCHVAE else None
    modules = [KINDS[rule].module, *(model_kinds.modules(kind) if kind else ())]
    path = f"jobs/small/{rule}.json"
    code = fingerprint(*modules)
    job = Job(
        rule, {}, dict(config), modules, code, inputs, outputs, [], path, f"{rule}.record", f"logs/{rule}.log", ""
    )
    write_text((root or Path()) / path, job.text)
    return (root or Path()) / path
