"""What DVC and Snakemake know of the files here, and whether either is at work; changes nothing."""

import json
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

try:
    import psutil
    from layout import ROOT

    from patchvae.errors import PatchVAEError
    from patchvae.status import marker, record_of
except ModuleNotFoundError as missing:
    sys.exit(f"{missing.name} is not installed for {sys.executable}: source .venv/bin/activate")

# There may be results of the tracked run that DVC has not recorded
UNRECORDED = ROOT / ".snakemake/unrecorded"


def stages() -> set[tuple[str, str]]:
    """(rule, first output) of every stage that DVC makes of dvc.yaml and params.yaml; the check's has none."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(ROOT)) as repo:
            commands = [stage.cmd.split() for stage in repo.index.stages]
    except DvcException as error:
        raise PatchVAEError(f"dvc.yaml: {' '.join(str(error).split())}") from error
    return {(words[1], words[2]) for words in commands if words[0] == "workflow/job"}


class Recorded(NamedTuple):
    """A file that a stage makes."""

    name: str
    cached: bool  # or in git
    digest: str | None  # its MD5 in dvc.lock
    place: Callable[[str], Path]  # where the cache has the object of an MD5
    hashed: Callable[[], str]  # the MD5 of the file here; DVC remembers it until the file changes


def recorded_results() -> Iterator[Recorded]:
    """Every file that a stage makes, as dvc.yaml and dvc.lock have it."""
    from dvc.exceptions import DvcException
    from dvc.fs import localfs
    from dvc.repo import Repo
    from dvc_data.hashfile.hash import hash_file

    try:
        with Repo(str(ROOT)) as repo:

            def place(md5: str) -> Path:
                return Path(repo.cache.local.oid_to_path(md5))

            for out in repo.index.outs:
                if out.hash_info and out.hash_info.isdir:
                    continue

                def hashed(path: str = str(ROOT / out.def_path)) -> str:
                    return str(hash_file(path, localfs, "md5", repo.state)[1].value)

                digest = out.hash_info.value if out.hash_info else None
                yield Recorded(out.def_path, out.use_cache, digest, place, hashed)
    except DvcException as error:
        raise PatchVAEError(f"dvc.yaml, dvc.lock: {' '.join(str(error).split())}") from error


def unrecorded() -> list[str]:
    """Results, packed data and masks that lie here and not in DVC's cache."""
    return [
        out.name
        for out in recorded_results()
        if out.cached and (ROOT / out.name).is_file() and not out.place(out.hashed()).exists()
    ]


def some(names: list[str]) -> str:
    """The first three names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def as_recorded(name: str) -> bool | None:
    """Whether a file is the one that Snakemake's record of it is about; None without file or record.

    Snakemake compares the parameters in its record with the wanted ones, so that it would take what DVC has put there
    since, the results of other parameters, for these. It records the file's time of change, compared here to two
    seconds, the coarsest that file systems have. Read from the record itself, since Snakemake has no command for it.
    """
    record = record_of(name)
    if cut_off(name):
        return None  # Snakemake makes it again
    try:
        ended = json.loads((ROOT / ".snakemake/metadata" / record).read_text(encoding="utf-8"))["endtime"]
        return bool(abs((ROOT / name).stat().st_mtime - ended) <= 2)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def cut_off(name: str) -> bool:
    """Whether the job that makes a file was cut off."""
    return marker(ROOT, name).exists()


def confirmed(names: Collection[str]) -> set[str]:
    """Those of these files that are what dvc.lock says, by their MD5."""
    found = (out for out in recorded_results() if out.name in names)
    return {out.name for out in found if out.digest and (ROOT / out.name).is_file() and out.hashed() == out.digest}


def processes() -> Iterator[tuple[int, list[str], list[str]]]:
    """(number, words of the command line, their file names) of every process that works in this folder or below it.

    Those that started this one are left out.
    """
    known = {process.pid for process in psutil.Process().parents()}
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if process.pid in known:
            continue
        place = Path(process.info["cwd"] or "/")
        experiment = place.is_relative_to(ROOT / ".dvc")  # DVC's experiments have copies of the folder there
        if place.is_relative_to(ROOT) and not experiment:
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
