"""The file of one job, beside no run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patchvae.files import write_text
from patchvae.plan.code import COMMANDS, fingerprint, modules_of
from patchvae.plan.jobs import Job
from patchvae.plan.kinds import Files


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
    kind = config["model"]["name"] if rule == "pretrain" else None
    modules = [*modules_of(COMMANDS[rule], kind)]
    path = f"jobs/small/{rule}.json"
    code = fingerprint(*modules)
    job = Job(
        rule, {}, dict(config), modules, code, inputs, outputs, [], path, f"{rule}.record", f"logs/{rule}.log", ""
    )
    write_text((root or Path()) / path, job.text)
    return (root or Path()) / path
