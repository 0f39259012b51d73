"""Every job of a run as a file that anyone can read and run: what it does, what it reads, what it makes."""

import contextlib
import functools
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from patchvae.errors import PatchVAEError
from patchvae.files import read_json, write_text
from patchvae.params.reading import Params
from patchvae.plan.code import fingerprint, modules_of_job
from patchvae.plan.kinds import Files
from patchvae.plan.layout import KINDS, OUTPUTS, benchmark_of, inputs, job_file_of, listing, log_of, paths, record_of
from patchvae.plan.reports import REPORTS
from patchvae.plan.settings import resolve
from patchvae.records.record import Record, config_digest, digest_of, job_digest, same

# Rules whose results name images by their places; all else holds for the same images in another order
ORDERED = ("masks", "figure_real_parts")
LOCATION = "location"  # key of a source whose value is an address: no part of what the data are
KEYS = ("rule", "config", "modules", "code", "inputs", "outputs", "record", "log", "after")  # of a job's file


@dataclass(frozen=True)
class Job:
    """One job: its configuration, the fingerprint of its code, and its files by name.

    All paths are from the project's folder. modules: those whose statements decide the result, with all that they
    import of what computes; code: the fingerprint of these statements; after: the files of the jobs that make its
    inputs; addresses: the configuration of a download with the places where its files are now.
    """

    rule: str
    wildcards: Params
    config: Params
    modules: list[str]
    code: str
    inputs: dict[str, Files]
    outputs: dict[str, Files]
    after: list[str]
    path: str
    record: str
    log: str
    benchmark: str
    title: str = ""  # of the table or figure that it makes
    addresses: Params | None = None

    @functools.cached_property
    def digest(self) -> str:
        """What the job is."""
        return job_digest(self.rule, self.config, self.code)

    @functools.cached_property
    def reads(self) -> list[str]:
        """Every file that it reads."""
        return [path for files in self.inputs.values() for path in paths(files)]

    @functools.cached_property
    def makes(self) -> list[str]:
        """Every file that it makes but its record."""
        return [path for files in self.outputs.values() for path in paths(files)]

    @property
    def places(self) -> str:
        """The file with its addresses, which no digest and no engine looks at."""
        return self.path.removesuffix(".json") + ".addresses"

    @property
    def text(self) -> str:
        """The content of its file."""
        return json.dumps({key: getattr(self, key) for key in KEYS}, indent=1, sort_keys=True) + "\n"


def read_job(path: Path | str) -> Job:
    """A job from its file; raises PatchVAEError naming a file that is missing or no job."""
    content = read_json(path)
    try:
        known = {key: content[key] for key in KEYS}
        job = Job(wildcards={}, path=str(path), benchmark="", **known)
        if job.rule not in KINDS or not isinstance(job.config, dict):
            raise KeyError(job.rule)
        job.digest, job.reads, job.makes  # noqa: B018
    except (KeyError, TypeError, AttributeError) as error:
        raise PatchVAEError(f"{path}: not the file of a job") from error
    return job


def settings(job: Job, others: Callable[[str], Job | None]) -> str:
    """The digest of a job's configuration and of those of the jobs before it.

    It stands for files that are gone, or of which no record says what made them. The code of what made results and
    checkpoints counts, that of what packed data does not, nor does a download: its checksum may be written down later.
    others: a job by the path of its file, or None.
    """
    makers = [found for path in job.after if (found := others(path)) is not None and found.rule != "download"]
    code = job.code if job.record.startswith("results/") else ""
    return config_digest({"config": job.config, "code": code, "after": [settings(found, others) for found in makers]})


def before(job: Job, others: Callable[[str], Job | None]) -> dict[str, str]:
    """The `settings` of the jobs that make what a job reads, by their files, as far as `others` has them."""
    return {path: settings(found, others) for path in job.after if (found := others(path)) is not None}


def without_addresses(config: Any) -> Any:
    """A configuration without the places where files are."""
    if not isinstance(config, dict):
        return config
    return {key: without_addresses(value) for key, value in config.items() if key != LOCATION}


def planned(params: Params, root: Path | None = None) -> list[Job]:
    """Every job of a run, none before what it needs; root: the project's folder, by default this one."""
    listed = [(rule, wildcards | {"run": params["run"]}, more) for rule, wildcards, more in listing(params)]
    made = {
        path.format(**names): job_file_of(rule).format(**names) for rule, names, _ in listed for path in OUTPUTS[rule]
    }
    return [_job(params, *entry, made, root) for entry in listed]


def _job(
    params: Params, rule: str, names: Params, more: Mapping[str, str], made: Mapping[str, str], root: Path | None
) -> Job:
    def named(files: Files) -> Files:
        return files.format(**names) if isinstance(files, str) else [path.format(**names) for path in files]

    config, reads = resolve(params, rule, names), {**inputs(rule, params, names, made, root), **more}
    modules = [*modules_of_job(params, rule, names)]
    title = REPORTS[rule].title.format(**names) if rule in REPORTS else "Figures" if rule.startswith("figure_") else ""
    return Job(
        rule,
        names,
        without_addresses(config),
        modules,
        fingerprint(*modules),
        reads,
        {key: named(files) for key, files in KINDS[rule].outputs.items()},
        sorted({made[path] for files in reads.values() for path in paths(files) if path in made}),
        job_file_of(rule).format(**names),
        record_of(rule).format(**names),
        log_of(rule).format(**names),
        benchmark_of(rule).format(**names),
        title,
        config if config != without_addresses(config) else None,
    )


# ---- which results are right


class State(NamedTuple):
    """Whether a job's results are `right`, `wrong`, `missing` or, where what is left of them is right, `partial`."""

    word: str
    why: str = ""  # what is wrong, or a file that is missing: one that is more than a means, if there is such a one


def states(jobs: Sequence[Job], root: Path | None = None) -> dict[str, State]:
    """The state of every job's results, by the path of its file.

    Results are right if the record beside them names this job, the files that lie here are those that were read and
    written, and no file that was read comes from a job whose results are wrong. Files that were read need not be here,
    or may have no record: then their jobs must be as they were, see `settings`.
    """
    root = root or Path()
    by_path = {job.path: job for job in jobs}
    makers = {path: job for job in jobs for path in job.makes}
    wrong: set[str] = set()

    @functools.cache
    def digest(path: str) -> str | None:
        try:
            return digest_of(root / path) if (root / path).is_file() else None
        except PatchVAEError:
            return "cannot be read"

    @functools.cache
    def wanted(job: str) -> str:
        return settings(by_path[job], by_path.get)

    def state(job: Job) -> State:
        gone = [path for path in job.makes if digest(path) is None]
        missing = next(iter(sorted(gone, key=is_means)), None)
        if not (root / job.record).is_file():
            return State("missing", missing or job.record)
        try:
            record = Record.load(root / job.record)
        except PatchVAEError:
            return State("wrong", "its record cannot be read")
        if record.job != job.digest:
            return State("wrong", "parameters or code")
        if {*record.read} != {*job.reads} or {*record.wrote} != {*job.makes}:
            return State("wrong", "it was made from other files, or made others")
        for path in job.makes:
            if digest(path) not in (record.wrote[path], None):
                return State("wrong", f"{path} is not what the job wrote")
        for path in job.reads:
            here, maker = digest(path), makers[path].path if path in makers else ""
            if path in wrong or (here is not None and not same(here, record.read[path], ordered=job.rule in ORDERED)):
                return State("wrong", f"{path} is not what was read")
            unsure = maker and (here is None or found[maker].word == "missing")
            if unsure and record.after.get(maker) != wanted(maker):
                return State("wrong", f"{path} was made with other parameters or code than it is wanted with")
        return State("partial", missing) if missing else State("right")

    found: dict[str, State] = {}
    for job in jobs:
        found[job.path] = state(job)
        if found[job.path].word == "wrong":
            wrong.update(job.makes)
    return found


def is_means(path: str) -> bool:
    """Whether a file is no result of a run, but what results are made from."""
    return path.startswith("data/") or "/checkpoints/" in path


def needed(jobs: Sequence[Job], found: Mapping[str, State]) -> list[Job]:
    """The jobs whose outputs a whole run wants: all but those that lack a checkpoint or data alone, which nobody reads.

    These are not made again for results that were made from them and are right.
    """
    readers: dict[str, list[str]] = {}
    for job in jobs:
        for other in job.after:
            readers.setdefault(other, []).append(job.path)
    wanted: dict[str, bool] = {}
    for job in reversed(jobs):
        (word, why), reading = found[job.path], readers.get(job.path)
        at_work = any(wanted[path] and found[path].word != "right" for path in reading or ())
        wanted[job.path] = word in ("right", "wrong") or not is_means(why) or not reading or at_work
    return [job for job in jobs if wanted[job.path]]


# ---- job files


def write(jobs: Sequence[Job], root: Path | None = None, folder: Path | None = None) -> dict[str, State]:
    """Write the files of a run's jobs, take away those that it no longer has, and return the `states` of the jobs.

    The file of a right job becomes older than its outputs and that of a wrong one newer, so that an engine that
    compares times alone runs the wrong ones. folder: where jobs/ is to lie, by default in root.
    Raises PatchVAEError where packed data of another run would be replaced.
    """
    root = root or Path()
    folder = folder or root
    found = states(jobs, root)
    refuse_data_of_another_run(jobs, found, root)
    if folder == root:
        _bring_to_the_present({path for job in jobs for path in (job.path, job.record, *job.reads, *job.makes)}, root)
    for job in jobs:
        file = folder / job.path
        _put(file, job.text)
        if job.addresses is not None:
            _put(folder / job.places, json.dumps(job.addresses, indent=1, sort_keys=True) + "\n")
        # Snakemake counts the file with a job's seconds among its outputs, which a job run by hand leaves as it was.
        _settle(file, [root / path for path in (job.record, *job.makes, job.benchmark)], found[job.path].word)
    wanted = {job.path for job in jobs} | {job.places for job in jobs if job.addresses is not None}
    for run in {Path(job.path).parts[1] for job in jobs}:
        for file in (folder / "jobs" / run).rglob("*.*"):
            if file.is_file() and file.relative_to(folder).as_posix() not in wanted:
                file.unlink()
    return found


def _put(file: Path, text: str) -> None:
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        write_text(file, text)


def _bring_to_the_present(paths: Iterable[str], root: Path) -> None:
    """Take a second from now as the time of files of the future, as of a clock that was set back.

    Snakemake takes no output that is older than what it was made from.
    """
    now = time.time()
    for path in paths:
        with contextlib.suppress(OSError):  # a file that is not here, or another user's
            if os.stat(root / path).st_mtime > now:
                os.utime(root / path, (now - 1, now - 1))


def _settle(file: Path, outputs: Sequence[Path], word: str) -> None:
    times = [os.stat(path).st_mtime for path in outputs if path.is_file()]
    if not times:
        return
    oldest, own = min(times), os.stat(file).st_mtime
    if word in ("right", "partial") and own >= oldest:
        os.utime(file, (oldest - 1, oldest - 1))
    if word in ("wrong", "missing") and own <= oldest:
        for newer in (time.time(), oldest + 0.001, oldest + 2):  # not in the future, where file systems allow for it
            os.utime(file, (newer, newer))
            if os.stat(file).st_mtime > oldest:
                break


def refuse_data_of_another_run(jobs: Sequence[Job], found: Mapping[str, State], root: Path) -> None:
    """Raise PatchVAEError for packed data that lie here for another run, which wants them otherwise."""
    for job in jobs:
        if found[job.path].word == "wrong" and not job.record.startswith("results/"):
            _, run, *name = Path(job.path).parts
            for other in {path.name for path in (root / "jobs").glob("*")} - {run}:
                with contextlib.suppress(PatchVAEError):  # no such job there, or one of an earlier version
                    theirs = read_job(root / "jobs" / other / Path(*name))
                    made_with = Record.load(root / job.record).config
                    if made_with == config_digest(theirs.config) != config_digest(job.config):
                        break
            else:
                continue
            raise PatchVAEError(
                f"{job.makes[0]} was made for run {other}, which wants it otherwise: give the data set of run {run}"
                f" another name under `datasets`, or delete jobs/{other} if nobody needs that run's data any more"
            )
