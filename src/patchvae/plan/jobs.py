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
from patchvae.params import model_kinds
from patchvae.params.reading import Params
from patchvae.params.variants import variants
from patchvae.plan.kinds import PARTS_FIGURES, Files
from patchvae.plan.layout import KINDS, OUTPUTS, listing, mapped, own_files, paths
from patchvae.plan.settings import resolve
from patchvae.records.provenance import code_sha256
from patchvae.records.record import Record, config_digest, digest_of, job_digest, same

# Rules whose code depends on the kind of the model, which is PatchVAE for some
OF_A_KIND = ("pretrain", "reconstruct", "fid")
OF_PATCHVAE = ("parts", "real_parts", "figure_parts")
# Rules whose results name images by their places; all else holds for the same images in another order
ORDERED = ("masks", "figure_real_parts")
LOCATION = "location"  # key of a source whose value is an address: no part of what the data are
KEYS = ("rule", "config", "modules", "code", "inputs", "outputs", "record", "log", "after")  # of a job's file


# What the code of a job is, by its modules: a process plans many jobs of the same ones
fingerprint = functools.cache(code_sha256)


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
    def epochs(self) -> int:
        """The epochs of a training; 0 for any other job."""
        epochs = self.config.get("epochs")
        return epochs if isinstance(epochs, int) else 0

    @property
    def places(self) -> str:
        """The file with its addresses, which no digest and no engine looks at."""
        return self.path.removesuffix(".json") + ".addresses"

    @property
    def text(self) -> str:
        """The content of its file."""
        return _json({key: getattr(self, key) for key in KEYS})


def read_job(path: Path | str) -> Job:
    """A job from its file; raises PatchVAEError naming a file that is missing or no job."""
    content = read_json(path)
    try:
        job = Job(wildcards={}, path=str(path), benchmark="", **{key: content[key] for key in KEYS})
        if job.rule not in KINDS or not isinstance(job.config, dict):
            raise KeyError(job.rule)
        job.digest, job.reads, job.makes  # noqa: B018
    except (KeyError, TypeError, AttributeError) as error:
        raise PatchVAEError(f"{path}: not the file of a job") from error
    return job


def lineage(job: Job, others: Callable[[str], Job | None]) -> str:
    """The digest of a job's configuration and of those of the jobs before it.

    It stands for files that are gone, or of which no record says what made them. The code of what made results and
    checkpoints counts, that of what packed data does not, nor does a download: its checksum may be written down later.
    others: a job by the path of its file, or None.
    """
    makers = [maker for maker in filter(None, map(others, job.after)) if maker.rule != "download"]
    code = job.code if job.record.startswith("results/") else ""
    return config_digest({"config": job.config, "code": code, "after": [lineage(maker, others) for maker in makers]})


def before(job: Job, others: Callable[[str], Job | None]) -> dict[str, str]:
    """The `lineage` of the jobs that make what a job reads, by their files, as far as `others` has them."""
    return {path: lineage(found, others) for path in job.after if (found := others(path)) is not None}


def without_addresses(config: Any) -> Any:
    """A configuration without the places where files are."""
    if not isinstance(config, dict):
        return config
    return {key: without_addresses(value) for key, value in config.items() if key != LOCATION}


def planned(params: Params, root: Path = Path()) -> list[Job]:
    """Every job of a run, none before what it needs; root: the project's folder."""
    listed = [(rule, wildcards | {"run": params["run"]}, files) for rule, wildcards, files in listing(params)]
    made = {
        path.format(**names): own_files(rule)["path"].format(**names)
        for rule, names, _ in listed
        for path in OUTPUTS[rule]
    }
    return [_job(params, *entry, made, root) for entry in listed]


def _job(
    params: Params, rule: str, names: Params, inputs: Mapping[str, Files], made: Mapping[str, str], root: Path
) -> Job:
    reads: dict[str, Files] = {}
    for key, files in inputs.items():
        if isinstance(files, list):
            reads[key] = [file for path in files for file in _files_in(path, made)]
        elif not files.startswith("?") or (root / files[1:]).is_file():
            reads[key] = files.removeprefix("?")
    config, modules = resolve(params, rule, names), [*_modules(params, rule, names)]
    return Job(
        rule,
        names,
        without_addresses(config),
        modules,
        fingerprint(*modules),
        reads,
        {key: mapped(files, lambda path: path.format(**names)) for key, files in KINDS[rule].outputs.items()},
        sorted({made[path] for files in reads.values() for path in paths(files) if path in made}),
        addresses=config if config != without_addresses(config) else None,
        **{key: pattern.format(**names) for key, pattern in own_files(rule).items()},
    )


def _files_in(path: str, made: Iterable[str]) -> list[str]:
    """What the run makes in a folder of results, or any other path itself."""
    return [file for file in made if file.startswith(f"{path}/")] if path.startswith("results/") else [path]


def _modules(params: Params, rule: str, names: Params) -> tuple[str, ...]:
    """The modules whose statements, with those of all that they import, decide a job's result."""
    module = PARTS_FIGURES[names["figure"]] if rule == "figure_parts" else KINDS[rule].module
    if rule in OF_PATCHVAE:
        return module, *model_kinds.modules("patchvae")
    if rule in OF_A_KIND:
        return module, *model_kinds.modules(params["variants"][variants(params)[names["variant"]].base]["model"])
    return (module,)


# ---- which results are right


class State(NamedTuple):
    """Whether a job's results are `right`, `wrong`, `missing` or, where what is left of them is right, `partial`."""

    word: str
    why: str = ""  # what is wrong, or a file that is missing: one that is more than a means, if there is such a one


def states(jobs: Sequence[Job], root: Path = Path()) -> dict[str, State]:
    """The state of every job's results, by the path of its file.

    Results are right if the record beside them names this job, the files that lie here are those that were read and
    written, and no file that was read comes from a job whose results are wrong. Files that were read need not be here,
    or may have no record: then their jobs must be as they were, see `lineage`.
    """
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
        return lineage(by_path[job], by_path.get)

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


def write(jobs: Sequence[Job], root: Path = Path(), folder: Path | None = None) -> dict[str, State]:
    """Write the files of a run's jobs, take away those that it no longer has, and return the `states` of the jobs.

    The file of a right job becomes older than its outputs and that of a wrong one newer, so that an engine that
    compares times alone runs the wrong ones. folder: where jobs/ is to lie, by default in root.
    Raises PatchVAEError where packed data of another run would be replaced.
    """
    folder = folder or root
    found = states(jobs, root)
    refuse_data_of_another_run(jobs, found, root)
    if folder == root:
        _bring_to_the_present({path for job in jobs for path in (job.path, job.record, *job.reads, *job.makes)}, root)
    texts = {job.path: job.text for job in jobs}
    texts |= {job.places: _json(job.addresses) for job in jobs if job.addresses is not None}
    for path, text in texts.items():
        if not (folder / path).is_file() or (folder / path).read_text(encoding="utf-8") != text:
            write_text(folder / path, text)
    for job in jobs:
        # Snakemake counts the file with a job's seconds among its outputs, which a job run by hand leaves as it was.
        outputs = [root / path for path in (job.record, *job.makes, job.benchmark)]
        _settle(folder / job.path, outputs, found[job.path].word)
    for run in {Path(job.path).parts[1] for job in jobs}:
        for file in (folder / "jobs" / run).rglob("*.*"):
            if file.is_file() and file.relative_to(folder).as_posix() not in texts:
                file.unlink()
    return found


def _json(content: Params) -> str:
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


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
