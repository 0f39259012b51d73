"""A copy of the repository, Snakemake in it, and changed parameters."""

import copy
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Overlays of whole runs
OVERLAYS = sorted(path for path in (ROOT / "configs").glob("*.yaml") if path.stem != "nothing")
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--nocolor"]


def copy_checkout(destination: Path) -> Path:
    """A copy of every file that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():  # a tracked file may be deleted
            target = destination / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    return destination


def environment() -> dict[str, str]:
    """Without what the test's own environment would lend to a job."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "SNAKEMAKE_PROFILE")}


def run_snakemake(place: Path, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [*SNAKEMAKE, *map(str, arguments)]
    return subprocess.run(command, cwd=place, env=environment(), capture_output=True, text=True, timeout=3000)


def rule_texts() -> dict[str, str]:
    """Rule -> its text in workflow/rules, without what `use rule` takes from another rule."""
    files = sorted((ROOT / "workflow/rules").glob("*.smk"))
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    _, *parts = re.split(r"^(?:use rule \w+ as |rule )(\w+)(?: with)?:\n", text, flags=re.M)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def do_step(task: Any, step: int) -> dict[str, Any]:
    """One step of a training by hand."""
    import torch

    task.prepare(step)
    terms: dict[str, Any] = task.step(torch.tensor(step))
    return terms


def pretrain(
    config: Any, data: Path, masks: Path | None, checkpoint: Path, metrics: Path, *machine: Any, **more: Any
) -> None:
    """The job of a pretraining, beside no run; machine, more: as for `computed`."""
    given = {"masks": masks} if masks else {}
    computed("pretrain", config, data, metrics, *machine, checkpoint=checkpoint, **given, **more)


def finetune(config: Any, data: Path, pretrained: Path, metrics: Path, *machine: Any, **more: Any) -> None:
    """The job of a fine-tuning, beside no run; machine, more: as for `computed`."""
    computed("finetune", config, data, metrics, *machine, pretrained=pretrained, **more)


def computed(
    rule: str,
    config: Any,
    data: Path,
    metrics: Path,
    scratch: Path,
    device: str = "cpu",
    threads: int = 1,
    watch: Any = None,
    **files: Path,
) -> None:
    """The job of a rule that trains or measures, beside no run."""
    from patchvae.jobs.computing import compute

    compute(rule, config, data, metrics, device, threads, scratch, watch, **files)


def weighted(config: Any) -> bool:
    """Whether a variant trains with L_w; some kinds have no such setting."""
    return bool(getattr(config, "weighted_loss", False))


def untrained(config: dict[str, Any]) -> Any:
    """The network of a pretraining's configuration at its initial weights."""
    from patchvae.models.factory import network_of
    from patchvae.training.pretrain import seeded_model

    return seeded_model(network_of(config["model"]), config["image_size"], config["seed"])


def changed(params: dict[str, Any], dotted: str, value: Any) -> dict[str, Any]:
    """A copy of the parameters with one value replaced or added."""
    new = copy.deepcopy(params)
    node = new
    *parents, last = dotted.split("/")
    for key in parents:
        node = node[key]
    node[last] = value
    return new
