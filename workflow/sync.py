#!/usr/bin/env python3
"""Record runs in DVC, and mend what killed engines leave; runs no job.

workflow/sync.py adopt              record the finished run of params.yaml in dvc.lock and DVC's cache; `snakemake`
                                    calls it at the end of that run, unless `dvc=false` is among its --config
workflow/sync.py verify             hash what dvc.lock names, here and in DVC's cache; what was altered is set aside
workflow/sync.py track OVERLAY...   make the run of these overlays the one of params.yaml, which DVC tracks
workflow/sync.py mend               after `kill -9` or a power cut: take away what the engines left locked or cut off
"""

import argparse
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from engines import (  # first, as it says what to do where a package is missing
    ROOT,
    UNRECORDED,
    cached,
    dvc_at_work,
    dvc_repo,
    job_at_work,
    locked,
    recorded_results,
    refuse_links,
    refuse_while_at_work,
    some,
    stages,
    unrecorded,
)
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from patchvae.errors import PatchVAEError
from patchvae.files import atomic, file_digest, write_text
from patchvae.params.checks import checked_params, validate
from patchvae.params.reading import Params, load_params, merge, read_yaml
from patchvae.plan.jobs import Job, planned, states


def missing_stages(jobs: list[Job]) -> None:
    """Raise PatchVAEError for a job without a stage, or a stage without a job."""
    wanted, found = {job.path for job in jobs}, stages()
    if wanted - found:
        raise PatchVAEError(f"dvc.yaml: no stage runs {min(wanted - found)}, call `workflow/stages.py`")
    if found - wanted:
        raise PatchVAEError(f"dvc.yaml: a stage runs {min(found - wanted)}, and params.yaml has no such job")


def move(path: Path, folder: str, name: str) -> None:
    """Move a file into a folder of scratch/, and say so; a number comes after a name that is taken there."""
    names = (f"{name}.{number}" if number else name for number in itertools.count())
    target = next(place for other in names if not (place := ROOT / "scratch" / folder / other).exists())
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, target)
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path  # DVC's cache may lie elsewhere
    print(f"moved {shown} to {target.relative_to(ROOT)}", file=sys.stderr)


def set_aside(run: str, jobs: list[Job]) -> None:
    """Move metrics, tables and pictures that no job names any more to scratch/unlisted.

    DVC's stages of tables depend on folders of metrics, that of the summary on the folder of tables. Files of a value
    that params.yaml no longer has would make these folders differ between clones.
    """
    named = {path for job in jobs for path in (*job.makes, job.record)}
    for folder in ("metrics", "tables", "figures"):
        for path in sorted((ROOT / "results" / run / folder).rglob("*.*")):
            name = path.relative_to(ROOT).as_posix()
            if path.is_file() and name not in named:
                move(path, "unlisted", name)


def run(*command: str, expected: str = "", refusal: str = "") -> "subprocess.CompletedProcess[str]":
    """A command, run in the project's folder, with its output.

    With a refusal: raises PatchVAEError with these words, after the end of the output, where the command fails or its
    output lacks `expected`.
    """
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    output = done.stdout + done.stderr
    if refusal and (done.returncode or expected not in output):
        print(output[-2000:], file=sys.stderr)
        raise PatchVAEError(refusal)
    return done


def adopt() -> None:
    """Record a run whose results are all right in dvc.lock and the cache, without running a job."""
    jobs = tracked()
    refuse_links(path for job in jobs for path in job.makes)
    refuse_while_at_work()
    mend_dvc()  # the commit of a killed adopt may have been cut off
    for path, (word, why) in states(jobs, ROOT).items():
        if word != "right":
            raise PatchVAEError(
                f"adopt: the results of {path} are {word} ({why}), so nothing was recorded: finish the run with"
                " `snakemake` first"
            )
    lock = ROOT / "dvc.lock"
    before = lock.read_text(encoding="utf-8") if lock.exists() else None
    with dvc_repo() as repo:
        links = repo.config["cache"].get("type") or ["reflink", "copy"]
    # Files stay as Snakemake has left them: a hard link to DVC's cache is the same file, a copy out of it is not.
    relink = [] if links[0] == "hardlink" else ["--no-relink"]
    for command in (["workflow/check"], ["dvc", "commit", "--force", *relink], ["workflow/check"]):
        run(*command, refusal=f"adopt: `{' '.join(command)}` failed: mend it and run adopt again")
    if any((ROOT / job.path).read_text(encoding="utf-8") != job.text for job in jobs):
        # DVC has taken these results for those of the edit.
        if before is None:
            lock.unlink(missing_ok=True)
        else:
            write_text(lock, before)
        raise PatchVAEError("adopt: there was an edit meanwhile, so nothing was recorded: `snakemake` first")
    run("dvc", "status", expected="up to date", refusal="adopt: DVC still sees changes, or fails, as above")
    UNRECORDED.unlink(missing_ok=True)


def verify() -> None:
    """Hash what dvc.lock names, here and in DVC's cache, and set aside what was altered.

    DVC itself takes the word of its state database for a file that it has put here from an altered cache. A file that
    differs while its object in the cache is whole, or that is right by a record that DVC does not have, is a newer
    result that nobody has recorded: it stays.
    """
    jobs = tracked()
    refuse_while_at_work()
    found = states(jobs, ROOT)
    with dvc_repo() as repo:
        outs = recorded_results(repo)
        recorded = {out.def_path: out.hash_info.value for out in outs}
        objects = {out.def_path: cached(repo, out.hash_info.value) for out in outs if out.use_cache and out.hash_info}
    made_here = {
        path
        for job in jobs
        if found[job.path].word == "right" and file_digest(ROOT / job.record, "md5") != recorded.get(job.record)
        for path in (*job.makes, job.record)
    }
    altered, newer = [], []
    for name, there in objects.items():
        here, digest = ROOT / name, recorded[name]
        found_here, found_there = (file_digest(path, "md5") if path.is_file() else None for path in (here, there))
        if found_there not in (digest, None):
            altered.append(f"cached/{name}")
            move(there, "altered", altered[-1])
        if found_here not in (digest, None):
            if found_there == digest or name in made_here:
                newer.append(name)
            else:
                altered.append(name)
                move(here, "altered", name)
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
        run("snakemake", "--unlock", refusal="mend: `snakemake --unlock` failed")
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
            move(rwlock, "cut_off", "rwlock")
    if not lock.exists() or whole_lock(lock):
        return
    in_git = run("git", "ls-files", "dvc.lock").stdout
    committed = run("git", "show", ":dvc.lock")
    if in_git and committed.returncode:
        raise PatchVAEError("dvc.lock: git sees a conflict in it: resolve that first, `git checkout --theirs dvc.lock`")
    move(lock, "cut_off", "dvc.lock")
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


def tracked() -> list[Job]:
    """The jobs of the run that DVC tracks."""
    return planned(checked_params([ROOT / "params.yaml"]), ROOT)


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
        overlay = load_params([path])
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
    UNRECORDED.parent.mkdir(exist_ok=True)  # the next `snakemake` records what the run of the overlays has made already
    UNRECORDED.touch()


def update(content: Params, overlay: Params) -> None:
    """`params.reading.merge` in place, on a tree that keeps its comments."""
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
    functions: dict[str, Callable[..., None]] = {"adopt": adopt, "verify": verify, "track": track, "mend": mend}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    for name, function in functions.items():
        commands.add_parser(name, help=function.__doc__)
    commands.choices["track"].add_argument("overlays", nargs="+", type=Path)
    given = vars(parser.parse_args())
    for tool in ("snakemake", "dvc"):
        if shutil.which(tool) is None:
            raise PatchVAEError(f"{tool} is not on the PATH: source .venv/bin/activate")
    command = given.pop("command")
    functions[command](**given)
    print(f"{command}: done")


if __name__ == "__main__":
    try:
        main()
    except PatchVAEError as error:
        sys.exit(f"{error}")
