"""What DVC has recorded of the files here, and whether an engine is at work in this folder; changes nothing."""

import contextlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))  # this checkout's package, installed or not

try:
    import psutil

    from patchvae.errors import PatchVAEError
except ModuleNotFoundError as missing:
    sys.exit(f"{missing.name} is not installed for {sys.executable}: source .venv/bin/activate")

# Lies here while the tracked run may have results that DVC has not recorded
UNRECORDED = ROOT / ".snakemake/unrecorded"


@contextlib.contextmanager
def dvc_repo() -> Iterator[Any]:
    """This folder as DVC's `Repo`; raises PatchVAEError with DVC's own words for a file that it cannot read."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(ROOT)) as repo:
            yield repo
    except DvcException as error:
        raise PatchVAEError(f"dvc.yaml, dvc.lock: {' '.join(str(error).split())}") from error


def stages() -> set[str]:
    """The job file of every stage that DVC makes of dvc.yaml and params.yaml; the plan's has none."""
    with dvc_repo() as repo:
        commands = [stage.cmd.split() for stage in repo.index.stages]
    return {words[1] for words in commands if words[0] == "workflow/job"}


def recorded_results(repo: Any) -> list[Any]:
    """Every file that a stage makes, as DVC's `Output`; the folder of the job files is none."""
    return [out for out in repo.index.outs if not out.hash_info.isdir]


def cached(repo: Any, md5: str) -> Path:
    """Where DVC's cache has a file of this MD5, if it has it."""
    return Path(repo.cache.local.oid_to_path(md5))


def unrecorded() -> list[str]:
    """Results, packed data and masks that lie here and not in DVC's cache."""
    from dvc.fs import localfs
    from dvc_data.hashfile.hash import hash_file

    with dvc_repo() as repo:
        here = [out.def_path for out in recorded_results(repo) if out.use_cache and (ROOT / out.def_path).is_file()]
        # `repo.state` remembers the MD5 of a file until the file changes.
        md5s = {name: hash_file(str(ROOT / name), localfs, "md5", repo.state)[1].value for name in here}
        return [name for name in here if not cached(repo, md5s[name]).exists()]


def refuse_links(names: Iterable[str]) -> None:
    """Raise PatchVAEError where a folder of these files is a link that leads out of this project."""
    for folder in sorted({Path(name).parent for name in names}):
        for part in (*reversed(folder.parents), folder):
            if (ROOT / part).is_symlink() and not (ROOT / part).resolve().is_relative_to(ROOT):
                raise PatchVAEError(
                    f"{part} is a link to another folder, where DVC records nothing: move this whole project there,"
                    " mount the disk in the link's place, or do without DVC with `config: [dvc=false]` in a profile"
                )


def some(names: list[str]) -> str:
    """The first three names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def processes() -> Iterator[tuple[int, list[str], list[str]]]:
    """(number, words of the command line, their file names) of every process that works in this folder or below it.

    Those that started this one are left out.
    """
    started_by = {process.pid for process in psutil.Process().parents()}
    for process in psutil.process_iter(["cmdline", "cwd"]):
        place = Path(process.info["cwd"] or "/")
        experiment = place.is_relative_to(ROOT / ".dvc")  # DVC's experiments have copies of the folder there
        if process.pid not in started_by and place.is_relative_to(ROOT) and not experiment:
            words = process.info["cmdline"] or []
            yield process.pid, words, [Path(word).name for word in words]


def dvc_at_work() -> str | None:
    """The DVC process that removes or writes files of this folder, or None.

    DVC's own lock, .dvc/tmp/rwlock, is empty between two stages, and outlives a killed DVC.
    """
    for number, words, names in processes():
        if "dvc" not in names[:3]:
            continue
        command = words[names.index("dvc") + 1 :]
        if "--cd" in command[:-1]:
            del command[command.index("--cd") + 1]
        command = [word for word in command if not word.startswith("-") or word in ("--temp", "--queue")]
        writes = command[:1] in (["repro"], ["checkout"], ["pull"], ["fetch"], ["commit"], ["gc"])
        tries = command[:1] in (["exp"], ["experiments"]) and command[1:2] in (["run"], ["apply"])
        if writes or (tries and not {"--temp", "--queue"} & set(command)):
            return f"`dvc {' '.join(command)}` (process {number})"
    return None


def job_at_work() -> str | None:
    """A Snakemake or one of its jobs in this folder, or None; jobs outlive a Snakemake that `kill -9` ended."""
    for number, words, names in processes():
        if "snakemake" in names[:3] or "patchvae.cli" in words:
            return f"`{' '.join(words)[:80]}` (process {number})"
    return None


def refuse_while_at_work() -> None:
    """Raise PatchVAEError while an engine works here, or if Snakemake's lock says so."""
    at_work = dvc_at_work() or job_at_work()
    if at_work:
        raise PatchVAEError(f"{at_work} works in this folder: wait for it")
    refuse_while_locked()


def refuse_while_locked() -> None:
    """Raise PatchVAEError if Snakemake's lock lies here; it does not say on which machine that Snakemake works."""
    if locked():
        raise PatchVAEError(
            "another snakemake works in this folder, or one was killed: wait for it or `workflow/sync.py mend`"
        )


def locked() -> bool:
    """Whether Snakemake's lock lies here."""
    return any((ROOT / ".snakemake/locks").glob("*"))
