"""What the job of each rule calls: one function of the package, with the job's files."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patchvae.params.jobs import check_config
from patchvae.plan.jobs import Job
from patchvae.plan.kinds import Files
from patchvae.plan.names import PARTS_FIGURES
from patchvae.plan.reports import REPORTS

SCRATCH = Path("scratch")  # states of interrupted trainings


@dataclass(frozen=True)
class Machine:
    """What a job may use here; no part of its result's identity."""

    device: str = "auto"
    threads: int | None = None


def work(job: Job, config: dict[str, Any], machine: Machine) -> None:
    """Do a job: write its outputs. config: the job's, with addresses where there are any."""
    if job.rule in REPORTS:
        write_report(job, config, job.inputs)
    else:
        WORK[job.rule](job, check_config(job.rule, config), machine)


def _path(files: str | list[str]) -> Path:
    return Path(files if isinstance(files, str) else files[0])


def _data(job: Job) -> Path:
    """The folder of the packed data set among a job's inputs."""
    from patchvae.jobs.local_copies import local_data

    return local_data(next(Path(path).parent for path in job.reads if path.startswith("data/packed/")))


def _pictures(job: Job) -> tuple[Path, Path]:
    """Where a figure's bitmap and its drawing go; the order of names in a job's file says nothing."""
    return _path(job.outputs["png"]), _path(job.outputs["pdf"])


def _download(job: Job, config: Any, machine: Machine) -> None:
    from patchvae.data.sources import fetch_all

    fetch_all(config.given, Path("data/raw", config.given["dataset"]), _path(job.outputs["out"]))


def _prepare(job: Job, config: Any, machine: Machine) -> None:
    from patchvae.data.prepare import prepare

    sources = Path(str(job.inputs["sources"])) if "sources" in job.inputs else None
    raw = Path("data/raw", sources.stem) if sources else None
    prepare(config.given, sources, raw, _path(job.outputs["packed"]).parent, machine.threads)


def _masks(job: Job, config: Any, machine: Machine) -> None:
    from patchvae.data.masks import write_masks

    write_masks(config.given, _path(job.inputs["images"]), _path(job.outputs["masks"]))


def _inception(job: Job, config: Any, machine: Machine) -> None:
    from patchvae.evaluation.inception import fetch_inception

    fetch_inception(config.given, _path(job.outputs["out"]))


def _watched(job: Job) -> tuple[Any, AbstractContextManager[None]]:
    """What follows a training, and what lets it end well where another run of it was faster."""
    from patchvae.jobs.claim import Claim, unless_finished_by_another
    from patchvae.jobs.watch import Watcher

    _, run, *name = Path(job.path).with_suffix("").parts
    watch = Watcher(Path("logs", run, "live", *name), job.rule, Claim(SCRATCH, Path(job.record)))
    return watch, unless_finished_by_another(job)


def _pretrain(job: Job, config: Any, machine: Machine) -> None:
    from patchvae.jobs.local_copies import local_masks
    from patchvae.training.pretrain import pretrain

    masks = local_masks(Path(str(job.inputs["masks"]))) if "masks" in job.inputs else None
    watch, unless_finished = _watched(job)
    outputs = _path(job.outputs["checkpoint"]), _path(job.outputs["metrics"])
    with unless_finished:
        pretrain(config, _data(job), masks, *outputs, SCRATCH, machine.device, machine.threads, watch)


def _finetune(job: Job, config: Any, machine: Machine) -> None:
    from patchvae.training.finetune import finetune

    rates = Path(str(job.inputs["rates"])) if "rates" in job.inputs else None
    files = _data(job), _path(job.inputs["pretrained"]), _path(job.outputs["metrics"])
    watch, unless_finished = _watched(job)
    with unless_finished:
        finetune(config, *files, SCRATCH, machine.device, machine.threads, watch, rates)


def _rates(job: Job, config: Any, machine: Machine) -> None:
    from patchvae.training.rates import choose_rate

    files = _data(job), _path(job.inputs["pretrained"]), _path(job.outputs["metrics"])
    watch, unless_finished = _watched(job)
    with unless_finished:
        choose_rate(config, *files, SCRATCH, machine.device, machine.threads, watch)


def _measurement(function: str, *inputs: str) -> Callable[[Job, Any, Machine], None]:
    """The job of a measurement, MODULE:FUNCTION, that takes these inputs after the data."""

    def measure(job: Job, config: Any, machine: Machine) -> None:
        module, _, name = function.partition(":")
        files = [_path(job.inputs[key]) if key in job.inputs else None for key in inputs]
        call = getattr(importlib.import_module(module), name)
        call(config, _data(job), *files, _path(job.outputs["metrics"]), machine.device, machine.threads)

    return measure


def _figure_masks(job: Job, config: Any, machine: Machine) -> None:
    from patchvae.report.figures.weight_masks import draw_weight_masks

    draw_weight_masks(_path(job.inputs["images"]), config.given, *_pictures(job))


def _figure_parts(job: Job, config: Any, machine: Machine) -> None:
    figure = _path(job.outputs["png"]).name.partition("_")[0]
    draw = importlib.import_module(PARTS_FIGURES[figure]).draw
    draw(config, _data(job), _path(job.inputs["checkpoint"]), *_pictures(job))


def _figure_real_parts(job: Job, config: Any, machine: Machine) -> None:
    from patchvae.report.figures.real_parts import draw

    draw(config, _data(job), _path(job.inputs["measured"]), *_pictures(job))


def write_report(
    job: Job, config: dict[str, Any], inputs: Mapping[str, Files], root: Path | None = None, partial: bool = False
) -> None:
    """A table or figure from metrics files: `write` of its module, whose parameters are the names of its files.

    inputs: the job's, or those of them that are here; partial: whether cells may be missing.
    """
    write = importlib.import_module(f"patchvae.report.tables.{job.rule}").write
    root, given = root or Path(), dict[str, Any]()
    for key, files in (*inputs.items(), *job.outputs.items()):
        given[key] = root / files if isinstance(files, str) else [root / path for path in files]
    if partial and "partial" in inspect.signature(write).parameters:
        given["partial"] = True
    write(check_config(job.rule, config).given, **given)


WORK: dict[str, Callable[[Job, Any, Machine], None]] = {
    "download": _download,
    "prepare": _prepare,
    "digit_scenes": _prepare,
    "masks": _masks,
    "pretrain": _pretrain,
    "finetune": _finetune,
    "rates": _rates,
    "probe": _measurement("patchvae.evaluation.probe:probe", "pretrained"),
    "few_labels": _measurement("patchvae.evaluation.few_labels:few_labels", "pretrained"),
    "few_labels_pixels": _measurement("patchvae.evaluation.few_labels:few_labels", "pretrained"),
    "reconstruct": _measurement("patchvae.evaluation.reconstruction:reconstruct", "checkpoint"),
    "inception": _inception,
    "fid": _measurement("patchvae.evaluation.fid:fid", "checkpoint", "inception"),
    "parts": _measurement("patchvae.evaluation.parts:score_parts", "checkpoint"),
    "real_parts": _measurement("patchvae.evaluation.real_parts:measure_parts", "checkpoint", "reference"),
    "figure_masks": _figure_masks,
    "figure_parts": _figure_parts,
    "figure_real_parts": _figure_real_parts,
}
