"""What the job of each rule calls: one function of the package, with the job's files."""

import contextlib
import importlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from patchvae.files import atomic
from patchvae.params.configs import check_config
from patchvae.plan.jobs import Job, states
from patchvae.plan.kinds import Files
from patchvae.plan.reports import REPORTS

logger = logging.getLogger(__name__)

SCRATCH = Path("scratch")  # states of interrupted trainings
# Names of what trainings and measurements read and write beside their data and their metrics
FILES = ("masks", "checkpoint", "pretrained", "rates", "inception", "reference")


def work(job: Job, config: dict[str, Any], device: str, threads: int) -> None:
    """Do a job: write its outputs. config: the job's, with addresses where there are any; device, threads: to use."""
    if job.rule in REPORTS:
        write_report(job, config, job.inputs, Path())
        return
    checked: Any = check_config(job.rule, config)
    if job.rule in WORK:
        WORK[job.rule](job, checked, threads)
    else:
        _compute(job, checked, device, threads)


def _path(files: str | list[str]) -> Path:
    return Path(files if isinstance(files, str) else files[0])


def _data(job: Job) -> Path:
    """The folder of the packed data set among a job's inputs."""
    from patchvae.jobs.local_copies import local_data

    return local_data(next(Path(path).parent for path in job.reads if path.startswith("data/packed/")))


def _pictures(job: Job) -> tuple[Path, Path]:
    """Where a figure's bitmap and its drawing go; the order of names in a job's file has no meaning."""
    return _path(job.outputs["png"]), _path(job.outputs["pdf"])


def _download(job: Job, config: Any, threads: int) -> None:
    from patchvae.data.sources import fetch_all

    fetch_all(config.given, Path("data/raw", config.given["dataset"]), _path(job.outputs["out"]))


def _prepare(job: Job, config: Any, threads: int) -> None:
    from patchvae.data.prepare import prepare

    sources = Path(str(job.inputs["sources"])) if "sources" in job.inputs else None
    raw = Path("data/raw", sources.stem) if sources else None
    prepare(config.given, sources, raw, _path(job.outputs["packed"]).parent, threads)


def _masks(job: Job, config: Any, threads: int) -> None:
    from patchvae.data.masks import write_masks

    write_masks(config.given, _path(job.inputs["images"]), _path(job.outputs["masks"]))


def _inception(job: Job, config: Any, threads: int) -> None:
    from patchvae.data.inception import fetch_inception

    fetch_inception(config.given, _path(job.outputs["out"]))


def _compute(job: Job, config: Any, device: str, threads: int) -> None:
    from patchvae.jobs.claim import Claim, Overtaken
    from patchvae.jobs.computing import compute
    from patchvae.jobs.local_copies import local_masks
    from patchvae.jobs.watch import Watcher

    given = {**job.inputs, **job.outputs}
    files = {name: _path(given[name]) for name in FILES if name in given}
    if "masks" in files:
        files["masks"] = local_masks(files["masks"])
    _, *name = Path(job.path).with_suffix("").parts
    watch = Watcher(Path("logs", *name[:1], "live", *name[1:]), job.rule, Claim(SCRATCH, Path(job.record)))
    try:
        compute(job.rule, config, _data(job), _path(given["metrics"]), device, threads, SCRATCH, watch, **files)
    except Overtaken as error:
        if states([job])[job.path].word != "right":
            raise
        # Another run of this job has written all outputs, which Snakemake would delete after an error of this one.
        logger.warning("%s: it has written %s", error, job.makes[0])


def _figure_masks(job: Job, config: Any, threads: int) -> None:
    from patchvae.report.figures.weight_masks import draw_weight_masks

    draw_weight_masks(_path(job.inputs["images"]), config.given, *_pictures(job))


def _draw(job: Job, config: Any, threads: int) -> None:
    """A figure by the first of the job's modules, from packed data and one other file."""
    (shown,) = (path for name, path in job.inputs.items() if name != "data")
    importlib.import_module(job.modules[0]).draw(config, _data(job), _path(shown), *_pictures(job))


def write_report(job: Job, config: dict[str, Any], inputs: Mapping[str, Files], root: Path) -> None:
    """Tables and figures from metrics files: what `report` of the rule's module makes, written to the job's outputs.

    inputs: the job's, or those of them that are here. The names of inputs are parameters of `report`; it returns texts
    by the names of the outputs, and a function that draws under `figure`.
    """

    def below(files: Files) -> Any:
        return root / files if isinstance(files, str) else [root / path for path in files]

    report = importlib.import_module(f"patchvae.report.tables.{job.rule}").report
    read = {name: below(files) for name, files in inputs.items()}
    written = {name: below(files) for name, files in job.outputs.items()}
    write_files(report(check_config(job.rule, config).given, **read), written)


def write_files(made: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
    """Write the texts that a report made to their outputs, all or none, then draw its figure.

    made: see `write_report`; outputs: by name, one path or as many as there are texts.
    """
    with contextlib.ExitStack() as stack:
        for name, paths in outputs.items():
            if name in made:
                texts = [(paths, made[name])] if isinstance(paths, Path) else zip(paths, made[name], strict=True)
                for path, text in texts:
                    stack.enter_context(atomic(path)).write_text(text, encoding="utf-8")
    if "png" in outputs:
        made["figure"](outputs)


# By rule; all others train or measure
WORK: dict[str, Callable[[Job, Any, int], None]] = {
    "download": _download,
    "prepare": _prepare,
    "digit_scenes": _prepare,
    "masks": _masks,
    "inception": _inception,
    "figure_masks": _figure_masks,
    "figure_parts": _draw,
    "figure_real_parts": _draw,
}
