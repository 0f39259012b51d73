#!/usr/bin/env python3
"""Keep Snakemake's provenance and DVC's lock in step; runs no job.

`snakemake` itself calls the first two, unless `dvc=false` is among its --config:

workflow/sync.py adopt              after `snakemake`: record the finished run in dvc.lock and DVC's cache
workflow/sync.py align              after `dvc repro`, `dvc pull`, `dvc checkout`: tell Snakemake what DVC put here
workflow/sync.py align OVERLAY...   of a run that DVC does not track: tell Snakemake what the results' own records say
workflow/sync.py verify             hash what dvc.lock names, here and in DVC's cache; what was altered is set aside
workflow/sync.py track OVERLAY...   make the run of these overlays the one of params.yaml, which DVC tracks
workflow/sync.py mend               after `kill -9` or a power cut: take away what the engines left locked or cut off
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from engines import (  # first, as it says what to do where a package is missing
    UNRECORDED,
    as_recorded,
    confirmed,
    dvc_at_work,
    job_at_work,
    locked,
    recorded_results,
    refuse_while_at_work,
    some,
    stages,
    unrecorded,
)
from layout import METRICS, OUTPUTS, ROOT, fingerprints, jobs
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from stale import stale

from patchvae.checks import checked_params, validate
from patchvae.config import Params, load_params, merge, read_overlay, read_yaml
from patchvae.errors import PatchVAEError
from patchvae.files import atomic, file_digest, write_text

ASIDE = ROOT / "scratch/unlisted"
ALTERED = ROOT / "scratch/altered"
CUT_OFF = ROOT / "scratch/cut_off"


def missing_stages(params: Params) -> None:
    """Raise PatchVAEError for the first job without a stage, or stage without a job."""
    wanted = [(rule, OUTPUTS[rule][0].format(**wildcards)) for rule, wildcards in jobs(params)]
    found = stages()
    for rule, path in wanted:
        if (rule, path) not in found:
            raise PatchVAEError(f"dvc.yaml: no stage makes {path}, call `workflow/stages.py`")
    for rule, path in sorted(found - set(wanted)):
        raise PatchVAEError(f"dvc.yaml: a stage of {rule} makes {path}, which no job of params.yaml does")


def move(path: Path, folder: Path, name: str) -> Path:
    """Move a file into a folder under a free name like this one, and say so; returns where it is now."""
    free = (f"{name}.{number}" if number else name for number in itertools.count())
    target = next(folder / other for other in free if not (folder / other).exists())
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, target)
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path  # DVC's cache may lie elsewhere
    print(f"moved {shown} to {target.relative_to(ROOT)}", file=sys.stderr)
    return target


def set_aside(params: Params) -> dict[Path, Path]:
    """Move metrics, tables and pictures that no job names any more to scratch/unlisted; returns whence -> where.

    Tables depend on folders of metrics, and the summary on the folder of tables, so that a file left over from a
    removed value would differ between clones.
    """
    named = {path.format(**wildcards) for rule, wildcards in jobs(params) for path in OUTPUTS[rule]}
    moved = {}
    for folder in ("metrics", "tables", "figures"):
        for path in sorted((ROOT / "results" / params["run"] / folder).rglob("*.*")):
            name = path.relative_to(ROOT).as_posix()
            if path.is_file() and name not in named:
                moved[path] = move(path, ASIDE, name)
    return moved


def run(*command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A command of the engines' with its output."""
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True)


def refuse(what: str, done: "subprocess.CompletedProcess[str]") -> None:
    """End with one sentence, after what the engine said."""
    print((done.stdout + done.stderr)[-2000:], file=sys.stderr)
    raise PatchVAEError(what)


def snakemake_has_work() -> "subprocess.CompletedProcess[str] | None":
    """The dry run's words if Snakemake has anything to do or cannot say, else None."""
    done = run("snakemake", "-n", "--nocolor", "all")
    said = done.stdout + done.stderr
    clean = done.returncode == 0 and "Nothing to be done" in said and "missing provenance" not in said
    return None if clean else done


def dvc_changes() -> "subprocess.CompletedProcess[str] | None":
    """What `dvc status` says if anything differs from dvc.lock, else None."""
    done = run("dvc", "status")
    if done.returncode:
        refuse("dvc status: failed as above; after a kill `workflow/sync.py mend`", done)
    return None if "up to date" in done.stdout + done.stderr else done


def adopt() -> None:
    """Record what Snakemake has finished in dvc.lock and the cache, without running a job."""
    tracked()
    refuse_while_at_work()
    mend_dvc()  # the commit of a killed adopt may have been cut off
    wanted = parameters_and_code()
    unfinished = snakemake_has_work()
    if unfinished:
        refuse("adopt: Snakemake has work left, so nothing was recorded: finish it with `snakemake` first", unfinished)
    lock = ROOT / "dvc.lock"
    before = lock.read_bytes() if lock.exists() else None
    for command in (["workflow/check"], ["dvc", "commit", "--force", *relink()]):
        done = run(*command)
        if done.returncode:
            refuse(f"adopt: `{' '.join(command)}` failed: mend it and run adopt again", done)
    if parameters_and_code() != wanted:  # DVC has taken these results for those of the edit
        restore(lock, before)
        raise PatchVAEError(
            "adopt: parameters or code were edited meanwhile, so nothing was recorded: `snakemake` first"
        )
    changes = dvc_changes()
    if changes:
        refuse("adopt: DVC still sees changes, listed above", changes)
    UNRECORDED.unlink(missing_ok=True)


def parameters_and_code() -> tuple[bytes, dict[str, Any]]:
    """What results are wanted of: params.yaml as it is written, and the fingerprints of all code."""
    return (ROOT / "params.yaml").read_bytes(), dict(fingerprints(tracked()))


def restore(path: Path, content: bytes | None) -> None:
    """Give a file the content that it had, or none."""
    if content is None:
        path.unlink(missing_ok=True)
    else:
        with atomic(path) as partial:
            partial.write_bytes(content)


def relink() -> list[str]:
    """How `dvc commit` leaves files as Snakemake knows them: a hard link to the cache is the same file, a copy not."""
    from dvc.repo import Repo

    with Repo(str(ROOT)) as repo:
        kinds = repo.config["cache"].get("type") or ["reflink", "copy"]
    return [] if kinds[0] == "hardlink" else ["--no-relink"]


def with_overlays(overlays: Sequence[str]) -> list[str]:
    """Snakemake's option for overlays."""
    return ["--configfile", *overlays] if overlays else []


def align(overlays: Sequence[str] = ()) -> None:
    """Tell Snakemake of each result that is here, has the wanted parameters, code and data, and is what DVC recorded.

    Runs no job. Where nothing differs from dvc.lock, that is everything; else the results' own records decide, which
    they do alone in a run that DVC does not track. What differs is named, and Snakemake makes it again.
    """
    refuse_while_at_work()
    with tempfile.TemporaryDirectory() as folder:
        # All is told from this copy: an edit while align works is an edit, and no result passes for it.
        snapshot = Path(folder) / "params.yaml"
        shutil.copy(ROOT / "params.yaml", snapshot)
        params = checked_params([snapshot, *overlays])
        by_dvc = not overlays and (ROOT / "dvc.lock").exists()
        whole = by_dvc and as_in_the_lock(params)
        if whole and (ROOT / "params.yaml").read_bytes() != snapshot.read_bytes():
            raise PatchVAEError("align: params.yaml was edited meanwhile: call align again")
        wrong = {path: why for path, why in stale(params, jobs(params)).items() if not why.startswith("nobody")}
        targets = ["--forceall", "--", "all"] if whole else ["--force", "--", *right(params, wrong, by_dvc)]
        command = ["snakemake", "--cores", "1", "--quiet", "all", "--touch", *with_overlays(overlays), *targets]
        done = run(*command, PATCHVAE_ALIGN=str(snapshot)) if targets[-1] != "--" else None
    if done and done.returncode:
        refuse("align: Snakemake could not record the results", done)
    if wrong:
        told = some([f"{path} ({why})" for path, why in wrong.items()])
        print(f"made with others than the wanted ones, so `snakemake` makes them again: {told}", file=sys.stderr)


def as_in_the_lock(params: Params) -> bool:
    """Whether DVC sees no change; if it sees one, everything is where it was."""
    moved = set_aside(params)
    if dvc_changes() is None:
        return True
    for path, where in moved.items():
        shutil.move(where, path)
        print(f"moved {path.relative_to(ROOT)} back", file=sys.stderr)
    return False


def right(params: Params, wrong: Mapping[str, str], by_dvc: bool) -> list[str]:
    """First outputs of jobs that are here and whose own records are as wanted; tables and figures have none.

    by_dvc: only those that are what dvc.lock says.
    """
    recorded = {*METRICS, "download", "prepare", "digit_scenes", "masks"}
    found = {}
    for rule, wildcards in jobs(params):
        paths = [path.format(**wildcards) for path in OUTPUTS[rule]]
        if rule in recorded and paths[0] not in wrong and all((ROOT / path).is_file() for path in paths):
            found[paths[0]] = paths
    if by_dvc:
        sure = confirmed({path for paths in found.values() for path in paths})
        found = {first: paths for first, paths in found.items() if sure.issuperset(paths)}
    return [*found]


def verify() -> None:
    """Hash what dvc.lock names, here and in DVC's cache, and set aside what was altered.

    DVC itself takes the word of its state database for a file that it has put here from an altered cache. A file that
    differs while its object in the cache is whole, or that is as Snakemake made it, is a newer result that nobody has
    recorded: it stays.
    """
    tracked()
    refuse_while_at_work()
    altered, newer = [], []
    for name, by_dvc, digest, place, _ in recorded_results():
        if digest is None or not by_dvc:
            continue
        here, cached = ROOT / name, place(digest)
        whole = cached.is_file() and file_digest(cached, "md5") == digest
        if cached.is_file() and not whole:
            altered.append(f"cached/{name}")
            move(cached, ALTERED, altered[-1])
        if here.is_file() and file_digest(here, "md5") != digest:
            if whole or as_recorded(name):
                newer.append(name)
            else:
                altered.append(name)
                move(here, ALTERED, name)
    if altered:
        raise PatchVAEError(
            f"verify: altered, and moved to scratch/altered: {', '.join(altered)}; `dvc pull`, or `dvc repro` to make"
            " them again"
        )
    if newer:
        raise PatchVAEError(
            f"verify: nothing is altered, but these are not what dvc.lock says: {', '.join(newer)}; `workflow/sync.py"
            " adopt` to record them, or `dvc checkout` for the recorded ones"
        )


def mend() -> None:
    """Take away the locks and half-written files of engines that were killed."""
    at_work = dvc_at_work() or job_at_work()
    if at_work:
        raise PatchVAEError(f"mend: {at_work} works in this folder: wait for it, or end it")
    mend_dvc()
    if locked():
        done = run("snakemake", "--unlock")
        if done.returncode:
            refuse("mend: `snakemake --unlock` failed", done)
        print("unlocked Snakemake", file=sys.stderr)
    names = unrecorded() if (ROOT / "dvc.lock").exists() else []
    if names:
        print(
            f"not in DVC's cache, so that `dvc repro` would make them again: {some(names)}; to keep them finish the"
            " run with `snakemake`, then `workflow/sync.py adopt`",
            file=sys.stderr,
        )


def mend_dvc() -> None:
    """Take away what DVC cannot read because it was killed while writing it; DVC writes both files in place.

    A dvc.lock that was cut off is replaced by git's, if any: trainings since then `dvc repro` finds in its cache.
    """
    rwlock, lock = ROOT / ".dvc/tmp/rwlock", ROOT / "dvc.lock"
    if rwlock.exists():
        try:
            json.loads(rwlock.read_text(encoding="utf-8"))
        except ValueError:
            move(rwlock, CUT_OFF, "rwlock")
    if not lock.exists() or whole_lock(lock):
        return
    in_git = run("git", "ls-files", "dvc.lock").stdout
    committed = run("git", "show", ":dvc.lock")
    if in_git and committed.returncode:
        raise PatchVAEError("dvc.lock: git sees a conflict in it: resolve that first, `git checkout --theirs dvc.lock`")
    move(lock, CUT_OFF, "dvc.lock")
    if in_git:
        write_text(lock, committed.stdout)
    instead = "git's is in its place" if in_git else "git has none"
    print(f"dvc.lock was cut off: {instead}; `dvc repro` finds the rest in its cache", file=sys.stderr)


def whole_lock(lock: Path) -> bool:
    """Whether DVC wrote a dvc.lock to its end; most beginnings of one are valid YAML that DVC would read."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from ruamel.yaml.error import YAMLError
    from voluptuous import Invalid

    try:
        text = lock.read_text(encoding="utf-8")
        COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(text))
    except (YAMLError, Invalid, UnicodeDecodeError):
        return False
    return text.endswith("\n")


def tracked() -> Params:
    """The parameters of the run that DVC tracks."""
    return checked_params([ROOT / "params.yaml"])


def track(overlays: list[Path]) -> None:
    """Lay overlays over params.yaml itself; its comments stay."""
    yaml = YAML()
    yaml.width = 4096
    content = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    plain = load_params([ROOT / "params.yaml"])
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        if read_yaml(path).get("run") == plain["run"]:
            raise PatchVAEError(
                f"params.yaml: is the run of configs/{path.name} already, and a second overlay would mix with it:"
                " `git checkout COMMIT params.yaml` first, with a commit from before"
            )
    for path in overlays:
        overlay = read_overlay(path)
        plain = merge(plain, overlay)
        update(content, overlay)
    validate(plain)
    in_git = run("git", "ls-files", f"results/{plain['run']}/metrics").stdout.splitlines()
    if in_git:
        raise PatchVAEError(
            f"{in_git[0]}: git has the metrics of run {plain['run']}, so that DVC cannot cache them: give the run"
            " another name with a second overlay that says `run: NAME`"
        )
    with atomic(ROOT / "params.yaml") as partial, open(partial, "w", encoding="utf-8") as stream:
        yaml.dump(content, stream)
    UNRECORDED.parent.mkdir(exist_ok=True)  # of the run as an overlay's, which `snakemake` finds finished
    UNRECORDED.touch()


def update(content: Params, overlay: Params) -> None:
    """`config.merge` in place, on a tree that keeps its comments."""
    for key, value in overlay.items():
        if isinstance(content.get(key), dict) and isinstance(value, dict):
            update(content[key], value)
        elif isinstance(value, list):
            content[key] = CommentedSeq(value)
            content[key].fa.set_flow_style()  # on one line, so that a comment after it stays one
        else:
            content[key] = value


def main() -> None:
    """Parse and do; raises PatchVAEError."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    for function in (adopt, verify, mend):
        commands.add_parser(function.__name__, help=function.__doc__)
    commands.add_parser("align", help=align.__doc__).add_argument("overlays", nargs="*")
    commands.add_parser("track", help=track.__doc__).add_argument("overlays", nargs="+", type=Path)
    args = parser.parse_args()
    for tool in ("snakemake", "dvc"):
        if shutil.which(tool) is None:
            raise PatchVAEError(f"{tool} is not on the PATH: source .venv/bin/activate")
    if args.command in ("align", "track"):
        {"align": align, "track": track}[args.command](args.overlays)
    else:
        {"adopt": adopt, "verify": verify, "mend": mend}[args.command]()
    print(f"{args.command}: done")


if __name__ == "__main__":
    try:
        main()
    except PatchVAEError as error:
        sys.exit(f"{error}")
