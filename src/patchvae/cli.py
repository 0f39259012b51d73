"""The command line: parses, calls one function of the package, and turns mistakes into one sentence.

Subcommands import what they need themselves, so that `patchvae --help` does not wait for PyTorch.
"""

import argparse
import logging
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from patchvae import __version__
from patchvae.errors import PatchVAEError

logger = logging.getLogger(__name__)


def planned(args: argparse.Namespace) -> tuple[str, list[Any]]:
    """The name of a run, and its jobs."""
    from patchvae.params.checks import checked_params
    from patchvae.plan import jobs

    params = checked_params(args.params or ["params.yaml"])
    return params["run"], jobs.planned(params)


def right(jobs: Any) -> set[str]:
    """The files of the jobs whose results are right, as far as they are here."""
    from patchvae.plan.jobs import states

    return {path for path, state in states(jobs).items() if state.word in ("right", "partial")}


def plan(args: argparse.Namespace) -> None:
    """Write the file of every job of a run, and say how many results are right."""
    from patchvae.plan.jobs import write

    if any(Path(".snakemake/locks").glob("*")):  # whose jobs read these files
        raise PatchVAEError(
            "a snakemake works in this folder, or one was killed: wait for it or `workflow/sync.py mend`"
        )
    name, jobs = planned(args)
    found = write(jobs)
    for path, state in found.items():
        if state.word == "wrong":
            print(f"{path}: wrong: {state.why}")
    words = [state.word for state in found.values()]
    counts = (f"{words.count(word)} {word}" for word in ("right", "partial", "wrong", "missing"))
    print(f"jobs/{name}: {', '.join(counts)}")


def run(args: argparse.Namespace) -> None:
    """Do the job that a file describes, and write its outputs and their record."""
    from patchvae.jobs.execute import execute

    execute(args.job, args.device, args.threads)


def checksum(args: argparse.Namespace) -> None:
    """Print the checksum of a file or folder, as `datasets.*.sources.*.checksum` wants it."""
    from patchvae.data import sources

    print(sources.checksum(args.path))


def parts(args: argparse.Namespace) -> None:
    """Draw where a PatchVAE's parts occur in images of your own, as Fig. 3."""
    from patchvae.report.figures.user_images import draw

    draw(args.checkpoint, args.images, args.out)


def export(args: argparse.Namespace) -> None:
    """Write the encoder of a checkpoint, without decoder and snapshots: all that `patchvae.load` and `parts` need."""
    from patchvae.features import export

    export(args.checkpoint, args.out)


def parameters(args: argparse.Namespace) -> None:
    """Print the parameter counts of all networks as CSV."""
    from patchvae.models.parameters import write_csv

    write_csv(sys.stdout, args.paper)


def cost(args: argparse.Namespace) -> None:
    """Print how many jobs of a run are done, the hours that they took, and what the rest may take, per rule."""
    from patchvae.commands.cost import text

    name, jobs = planned(args)
    print(text(name, jobs, right(jobs), Path()))


def status(args: argparse.Namespace) -> None:
    """Print which jobs of a run are done, run, wait or failed, how far each training is, and why a job failed."""
    from patchvae.commands.status import look, text

    name, jobs = planned(args)
    now = time.time()
    print(text(name, look(Path(), jobs, right(jobs), now), now))


def explain(args: argparse.Namespace) -> None:
    """Print what is recorded of one cell of a table, and the command that makes it again."""
    from patchvae.commands.explain import explain, wanted_cell

    cell = wanted_cell(args.variant, args.dataset, args.regime, args.head)
    where = args.results, args.run, cell, args.seed, args.params or ()
    if args.phi is None:
        print(explain(*where))
        return
    from patchvae.commands.from_phi import from_phi

    print(from_phi(args.phi, *where))


def clean(args: argparse.Namespace) -> None:
    """Delete the states of finished trainings whose outputs have a record; those of others stay."""
    from patchvae.jobs.states import clean

    removed, kept = clean(args.scratch)
    print(f"deleted {len(removed)} states in {args.scratch}, kept {len(kept)} that no record calls done")
    for label in kept:
        print(f"kept: {label}")


def thread_count(text: str) -> int:
    """Parse `--threads`."""
    if not re.fullmatch("[0-9]{1,4}", text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 9999, not {text!r}")
    return int(text)


class Parser(argparse.ArgumentParser):
    """Says in one sentence what is wrong with the arguments."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}; see `{self.prog} --help`\n")


def parser() -> argparse.ArgumentParser:
    """The parser of all subcommands."""
    top = Parser(prog="patchvae", description=__doc__.splitlines()[0])
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(function: Any, params: str = "") -> Callable[..., Any]:
        """A function that adds an argument to a command; params: the default of `--params`, if it has that one."""
        sub = commands.add_parser(function.__name__, help=function.__doc__, description=function.__doc__)
        sub.set_defaults(function=function)
        sub.add_argument("--log", type=Path, metavar="FILE", help="write everything that happens to FILE")
        if params:
            text = f"parameters, then overlays (default: {params})"
            sub.add_argument("-p", "--params", action="extend", nargs="+", type=Path, metavar="FILE", help=text)
        return sub.add_argument

    command(plan, "params.yaml")
    add = command(run)
    add("job", type=Path, metavar="JOBFILE", help="what `patchvae plan` wrote: jobs/RUN/...json")
    add("--device", help="auto, cpu, cuda or cuda:N (default: PATCHVAE_DEVICE in the environment, else auto)")
    add("--threads", type=thread_count, metavar="N", help="CPU threads (default: all)")
    command(checksum)("path", type=Path)
    add = command(parts)
    add("checkpoint", type=Path, metavar="CHECKPOINT", help="what a PatchVAE's pretraining wrote (.pt)")
    add("images", type=Path, nargs="+", metavar="IMAGE", help="JPEG, PNG, GIF, BMP, WebP, PPM or TIFF")
    add("--out", type=Path, required=True, metavar="PATH", help="picture to write, .png or .pdf")
    add = command(export)
    add("checkpoint", type=Path, metavar="CHECKPOINT", help="what a pretraining wrote (.pt)")
    add("--out", type=Path, required=True, metavar="PATH", help="file to write")
    add, text = command(clean), "folder for states of interrupted trainings (default: scratch)"
    add("--scratch", type=Path, default=Path("scratch"), metavar="DIR", help=text)
    command(parameters)("--paper", type=Path, metavar="CSV", help="the paper's counts, to print beside ours")
    command(cost, "params.yaml")
    command(status, "params.yaml")
    add = command(explain, "params.yaml, with the one of configs/*.yaml that names the run")
    add("variant", help="row of a table, such as patchvae+lw")
    add("dataset")
    add("regime", help="what was frozen, such as conv1-5, or `probe` for the linear probe")
    add("--run", required=True, help="folder below --results")
    add("--head", help="the classifier's settings (default: table12)")
    add("--seed", type=int, help="(default: all that were run)")
    text = (
        "write again/job.json, which makes the cell again from this phi, such as results/cifar100/phi/patchvae.pt, and"
        " print the commands to run it"
    )
    add("--from", type=Path, dest="phi", metavar="FILE", help=text)
    text = "folder of the runs (default: results)"
    add("--results", type=Path, default=Path("results"), metavar="DIR", help=text)
    return top


def start_logging(log: Path | None) -> None:
    """Warnings go to the terminal, everything from INFO up to a fresh log file."""
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.WARNING)
    terminal.setFormatter(logging.Formatter("patchvae: %(message)s"))
    terminal.addFilter(lambda record: log is None or record.name != "py.warnings")
    handlers: list[logging.Handler] = [terminal]
    if log is not None:
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            handlers.append(logging.FileHandler(log, mode="w", encoding="utf-8", errors="backslashreplace"))
        except OSError as error:
            raise PatchVAEError(f"cannot write {log}: {error.strerror}") from error
        handlers[1].setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a full disk is reported once, not by a traceback for each line of the log


def sentence(error: BaseException) -> str | None:
    """One sentence for an error that needs no traceback, else None."""
    if isinstance(error, PatchVAEError):
        return str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # the latter is PyTorch's
        return "not enough memory: use a smaller batch_size or a machine with more"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return None


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)  # unlike the default, lets half-written files be removed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit status."""
    args = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        start_logging(args.log)
        if args.function is run and args.log is None:
            from patchvae.plan.jobs import read_job

            args.log = Path(read_job(args.job).log)
            start_logging(args.log)
        logger.info("%s, patchvae %s", args.function.__name__, __version__)
        args.function(args)
    except KeyboardInterrupt:
        logger.error("interrupted")
        return 130
    except Exception as error:
        text = sentence(error)
        # INFO, so that a traceback goes to the log file alone.
        logger.info("traceback", exc_info=True)
        if text is not None:
            logger.error("error: %s", " ".join(text.split()))
        elif args.log is not None:
            logger.error("unexpected error: %s: %s (traceback in %s)", type(error).__name__, error, args.log)
        else:
            logger.exception("unexpected error")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
