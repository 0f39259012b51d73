"""What DVC knows of the files here, and whether an engine is at work; changes nothing."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))  # this checkout's package, installed or not

try:
    import psutil

    from patchvae.errors import PatchVAEError
except ModuleNotFoundError as missing:
    sys.exit(f"{missing.name} is not installed for {sys.executable}: source .venv/bin/activate")

# There may be results of the tracked run that DVC has not recorded
UNRECORDED = ROOT / ".snakemake/unrecorded"


def stages() -> set[str]:
    """The job file of every stage that DVC makes of dvc.yaml and params.yaml; the plan's has none."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(ROOT)) as repo:
            commands = [stage.cmd.split() for stage in repo.index.stages]
    except DvcException as error:
        raise PatchVAEError(f"dvc.yaml: {' '.join(str(error).split())}") from error
    return {words[1] for words in commands if words[0] == "workflow/job"}


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


def linked_away(names: Iterable[str]) -> str | None:
    """Why DVC cannot record these files, which it does not where their folder is a link to another place; or None."""
    for folder in sorted({Path(name).parent for name in names}):
        for part in (*reversed(folder.parents), folder):
            if (ROOT / part).is_symlink() and not (ROOT / part).resolve().is_relative_to(ROOT):
                return (
                    f"{part} is a link to another folder, where DVC records nothing: move this whole project there,"
                    " mount the disk in the link's place, or do without DVC with `config: [dvc=false]` in a profile"
                )
    return None


def some(names: list[str]) -> str:
    """The first three names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


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
