"""The command line: parses, calls one function of the package, and turns mistakes into one sentence.

Subcommands import what they need themselves, so that `patchvae --help` does not wait for PyTorch.
"""

import argparse
import json
import logging
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from patchvae import __version__
from patchvae.errors import PatchVAEError
from patchvae.listed import Listed

logger = logging.getLogger(__name__)


def resolve(args: argparse.Namespace) -> None:
    """Print the configuration of one job as sorted JSON."""
    from patchvae.checks import checked_params
    from patchvae.resolve import read_wildcards, resolve

    params = checked_params(args.params or ["params.yaml"])
    wildcards = read_wildcards(params, args.rule, args.wildcards)
    print(json.dumps(resolve(params, args.rule, wildcards), sort_keys=True, indent=1))


def checksum(args: argparse.Namespace) -> None:
    """Print the checksum of a file or folder, as `datasets.*.sources.*.checksum` wants it."""
    from patchvae.data import sources

    print(sources.checksum(args.path))


def download(args: argparse.Namespace) -> None:
    """Fetch the sources of a data set, check them, and record what they are."""
    from patchvae.data import sources

    sources.fetch_all(args.config.given, args.raw_dir, args.out)


def prepare(args: argparse.Namespace) -> None:
    """Pack a data set into arrays."""
    from patchvae.data.prepare import prepare

    prepare(args.config.given, args.sources, args.raw_dir, args.out_dir, args.threads)


def masks(args: argparse.Namespace) -> None:
    """Compute the weight masks of L_w."""
    from patchvae.data.masks import write_masks

    data_as_wanted(args, args.images.parent)
    write_masks(args.config.given, args.images, args.out)


def pretrain(args: argparse.Namespace) -> None:
    """Pretrain one variant without labels."""
    from patchvae.data.local_copies import local_data, local_masks
    from patchvae.training.claim import Claim, unless_finished_by_another
    from patchvae.training.pretrain import pretrain
    from patchvae.training.watch import Watcher

    wanted = data_as_wanted(args, args.data)
    paths = (local_data(args.data), local_masks(args.masks), args.checkpoint, args.metrics, args.scratch)
    watch = Watcher(args.live, "pretrain", Claim(args.scratch, [args.checkpoint, args.metrics]))
    with unless_finished_by_another(args.config.given, args.metrics, args.checkpoint):
        pretrain(args.config, *paths, args.device, args.threads, watch, wanted)


def finetune(args: argparse.Namespace) -> None:
    """Train a classifier on a pretrained backbone, in one regime."""
    from patchvae.data.local_copies import local_data
    from patchvae.training.claim import Claim, unless_finished_by_another
    from patchvae.training.finetune import finetune
    from patchvae.training.watch import Watcher

    wanted = data_as_wanted(args, args.data)
    paths = (local_data(args.data), args.pretrained, args.metrics, args.scratch)
    watch = Watcher(args.live, "finetune", Claim(args.scratch, [args.metrics]))
    with unless_finished_by_another(args.config.given, args.metrics):
        finetune(args.config, *paths, args.device, args.threads, watch, wanted)


def probe(args: argparse.Namespace) -> None:
    """Fit a linear probe on a pretrained backbone, in closed form."""
    from patchvae.evaluation.probe import probe

    wanted = data_as_wanted(args, args.data)
    probe(args.config, args.data, args.pretrained, args.metrics, args.device, args.threads, wanted)


def reconstruct(args: argparse.Namespace) -> None:
    """Measure PSNR and SSIM of a pretrained model's reconstructions."""
    from patchvae.evaluation.reconstruction import reconstruct

    checkpoint_as_wanted(args)
    reconstruct(args.config, args.data, args.checkpoint, args.metrics, args.device, args.threads)


def inception(args: argparse.Namespace) -> None:
    """Fetch the weights of FID's network to where pytorch-fid looks for them."""
    from patchvae.evaluation.inception import fetch_inception

    fetch_inception(args.config.given, args.out)


def fid(args: argparse.Namespace) -> None:
    """Measure FID between test images and a pretrained model's reconstructions."""
    from patchvae.evaluation.fid import fid

    checkpoint_as_wanted(args)
    fid(args.config, args.data, args.checkpoint, args.inception, args.metrics, args.device, args.threads)


def score_parts(args: argparse.Namespace) -> None:
    """Score how well parts find the digits of digit scenes."""
    from patchvae.evaluation.parts import score_parts

    checkpoint_as_wanted(args)
    score_parts(args.config, args.data, args.checkpoint, args.metrics, args.device, args.threads)


def report(args: argparse.Namespace) -> None:
    """Write one table or figure from metrics files."""
    from patchvae.report.job import write_report

    write_report(args.name, args.config.given, args.file, args.files, args.wanted, args.packed)


def figure_masks(args: argparse.Namespace) -> None:
    """Draw weight masks, as Fig. 6."""
    from patchvae.report.figures.weight_masks import draw_weight_masks

    data_as_wanted(args, args.images.parent)
    draw_weight_masks(args.images, args.config.given, args.png, args.pdf)


def figure_parts(args: argparse.Namespace) -> None:
    """Draw the parts of a PatchVAE, as Fig. 1, 3, 4 or 5."""
    import importlib

    from patchvae.plan import PARTS_FIGURES

    checkpoint_as_wanted(args)
    module = importlib.import_module(PARTS_FIGURES[args.figure])
    module.draw(args.config, args.data, args.checkpoint, args.png, args.pdf)


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
    """Print jobs, hours and disk of a run per table, from measured jobs of the same kinds, and what it took so far."""
    from patchvae.checks import checked_params
    from patchvae.cost.kinds import image_counts
    from patchvae.cost.measurements import measured
    from patchvae.cost.report import costs, text
    from patchvae.resolve import resolve

    params = checked_params(args.params or ["params.yaml"])
    root, jobs, benchmarks = Path(), listing(params), checkout("benchmarks")
    counts = image_counts(root, benchmarks / "images.csv", params)
    known = measured(root, jobs, counts, benchmarks / "costs.csv")
    print(text(params["run"], costs(root, jobs, lambda job: resolve(params, job.rule, job.wildcards), counts, known)))


def status(args: argparse.Namespace) -> None:
    """Print which jobs of a run are done, run, wait or failed, how far each training is, and why a job failed."""
    from patchvae.checks import checked_params
    from patchvae.resolve import resolve
    from patchvae.status import look, text

    params = checked_params(args.params or ["params.yaml"])
    found = look(Path(), listing(params), lambda job: resolve(params, job.rule, job.wildcards))
    print(text(params["run"], found))


def explain(args: argparse.Namespace) -> None:
    """Print all that is recorded of one cell of a table, and the command that makes it again."""
    from patchvae.explain import explain

    cell = args.variant, args.dataset, args.regime, args.head, args.seed
    print(explain(args.results, args.run, *cell, args.params or ()))


def readme(args: argparse.Namespace) -> None:
    """Put a generated table between the marks of a text file."""
    from patchvae.report.readme import insert

    insert(args.text, args.name, [args.table])


def clean(args: argparse.Namespace) -> None:
    """Delete the states of finished trainings whose outputs are there; those of others stay."""
    from patchvae.training.states import clean

    cleaned = clean(args.scratch, lambda name: True)
    print(f"deleted {len(cleaned.removed)} states in {args.scratch}, kept {len(cleaned.kept)} of unfinished trainings")
    for label in cleaned.kept:
        print(f"kept: {label}")


def checkout(name: str) -> Path:
    """A folder of the project's checkout; raises PatchVAEError where this package was installed without one."""
    folder = Path(__file__).resolve().parents[2] / name
    if not folder.is_dir():
        raise PatchVAEError(f"{folder} is not there: this command needs the project's checkout, not the package alone")
    return folder


def listing(params: dict[str, Any]) -> list[Listed]:
    """Every job of a run, as workflow/layout.py lists them."""
    import importlib

    sys.path.insert(0, str(checkout("workflow")))
    jobs: list[Listed] = importlib.import_module("layout").listing(params)
    return jobs


def data_as_wanted(args: argparse.Namespace, data: Path) -> dict[str, str]:
    """`--wanted` of a job, once its packed data are as it says."""
    from patchvae.records import check_data, parse_wanted

    wanted = parse_wanted(args.wanted)
    check_data(data, wanted)
    return wanted


def checkpoint_as_wanted(args: argparse.Namespace) -> None:
    """Refuse data or a checkpoint that are not as `--wanted` says, and a checkpoint of other data."""
    from patchvae.checkpoint import load_identified
    from patchvae.data.packed import load_manifest

    wanted = data_as_wanted(args, args.data)
    splits = load_manifest(args.data)["splits"]
    load_identified(args.checkpoint, args.config, wanted, {split: splits[split]["sha256"] for split in splits})


def json_or_file(text: str) -> dict[str, Any]:
    """Parse `--config`: JSON text, or @FILE holding it."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        double = next((key for key in keys if keys.count(key) > 1), None)
        if double is not None:
            raise ValueError(f"{double!r} is there twice")
        return dict(pairs)

    def constant(name: str) -> None:
        raise ValueError(f"{name} is not a finite number")

    try:
        content = Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text
        value = json.loads(content, object_pairs_hook=once, parse_constant=constant)
    except (OSError, ValueError, RecursionError) as error:
        raise PatchVAEError(f"--config: not readable as JSON: {error}") from error
    if not isinstance(value, dict):
        raise PatchVAEError("--config: must be a JSON object")
    return value


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

    def command(name: str, function: Any) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        sub.set_defaults(function=function)
        sub.add_argument("--log", type=Path, metavar="FILE", help="write everything that happens to FILE")
        return sub

    def job(name: str, function: Any, **paths: str) -> argparse.ArgumentParser:
        sub = command(name, function)
        sub.set_defaults(job=name)
        sub.add_argument("--config", required=True, metavar="JSON", help="resolved configuration: JSON text or @FILE")
        for option, text in paths.items():
            sub.add_argument("--" + option.replace("_", "-"), type=Path, required=True, metavar="PATH", help=text)
        return sub

    def training(sub: argparse.ArgumentParser) -> None:
        text = "auto, cpu, cuda or cuda:N (default: PATCHVAE_DEVICE in the environment, else auto)"
        sub.add_argument("--device", help=text)
        sub.add_argument("--threads", type=thread_count, metavar="N", help="CPU threads (default: all)")

    def compared(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
        text = "digests of the configurations that the inputs must have been made with: data=, masks=, pretrained="
        sub.add_argument("--wanted", nargs="*", default=[], metavar="KEY=DIGEST", help=text)
        return sub

    def parameterised(sub: argparse.ArgumentParser, default: str) -> None:
        text = f"parameters, then overlays (default: {default})"
        sub.add_argument("-p", "--params", action="extend", nargs="+", type=Path, metavar="FILE", help=text)

    sub = command("resolve", resolve)
    sub.add_argument("rule")
    sub.add_argument("wildcards", nargs="*", metavar="KEY=VALUE")
    parameterised(sub, "params.yaml")
    command("checksum", checksum).add_argument("path", type=Path)
    job("download", download, raw_dir="folder of the sources", out="record to write (JSON)")
    sub = job("prepare", prepare, out_dir="folder of the packed data set")
    sub.add_argument("--sources", type=Path, metavar="PATH", help="record of the sources, for formats that have any")
    sub.add_argument("--raw-dir", type=Path, metavar="PATH", help="folder of the sources")
    sub.add_argument("--threads", type=thread_count, metavar="N", help="images decoded at a time (default: all cores)")
    compared(job("masks", masks, images="images of one split (.npy)", out="masks to write (.npy)"))

    def watched(sub: argparse.ArgumentParser) -> None:
        compared(sub)
        text = "write curves for TensorBoard to this folder during the training, where TensorBoard is installed"
        sub.add_argument("--live", type=Path, metavar="DIR", help=text)

    state = "folder for states of interrupted trainings"
    sub = job(
        "pretrain",
        pretrain,
        data="packed data set",
        checkpoint="weights to write",
        metrics="JSON to write",
        scratch=state,
    )
    # `--masks` without a value means none: a workflow passes an empty list of files for plain variants.
    sub.add_argument("--masks", type=Path, nargs="?", metavar="PATH", help="weight masks, for variants with L_w")
    training(sub)
    watched(sub)
    sub = job(
        "finetune",
        finetune,
        data="packed data set",
        pretrained="pretrained weights",
        metrics="JSON to write",
        scratch=state,
    )
    training(sub)
    watched(sub)
    sub = job("probe", probe, data="packed data set", pretrained="pretrained weights", metrics="JSON to write")
    training(compared(sub))

    measured = {"data": "packed data set", "checkpoint": "pretrained weights", "metrics": "JSON to write"}
    training(compared(job("reconstruct", reconstruct, **measured)))
    job("inception", inception, out="JSON to write: the weights' place, or why there are none")
    training(compared(job("fid", fid, inception="what `inception` wrote", **measured)))
    sub = job("score-parts", score_parts, **measured)
    training(compared(sub))
    sub.set_defaults(device="cpu")  # a matter of seconds, for which its rule asks for no GPU

    pictures = {"png": "picture to write", "pdf": "picture to write"}
    sub = job("report", report)
    sub.add_argument("name", help="a module of patchvae.report.tables, such as table1")
    text = "a parameter of the module's `write`, and the file that it takes: one to read, or one to write"
    sub.add_argument("--file", nargs=2, action="append", default=[], metavar=("PARAMETER", "PATH"), help=text)
    text = "a parameter that takes several files, and the files"
    sub.add_argument("--files", nargs="+", action="append", default=[], metavar=("PARAMETER", "PATH"), help=text)
    text = "what each metrics file must have been measured with (default: anything)"
    sub.add_argument("--wanted", nargs="*", default=[], metavar="DIGEST", help=text)
    text = "folder of the packed data sets, of which those that are there must be the measured ones"
    sub.add_argument("--packed", type=Path, metavar="DIR", help=text)
    compared(job("figure-masks", figure_masks, images="images of one split (.npy)", **pictures))
    sub = job("figure-parts", figure_parts, data="packed data set", checkpoint="pretrained weights", **pictures)
    compared(sub)
    sub.add_argument("figure", choices=["figure1", "figure3", "figure4", "figure5"])
    sub = command("parts", parts)
    sub.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="what a PatchVAE's pretraining wrote (.pt)")
    sub.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="JPEG, PNG, GIF, BMP, WebP, PPM or TIFF")
    sub.add_argument("--out", type=Path, required=True, metavar="PATH", help="picture to write, .png or .pdf")
    sub = command("export", export)
    sub.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="what a pretraining wrote (.pt)")
    sub.add_argument("--out", type=Path, required=True, metavar="PATH", help="file to write")
    text = "folder for states of interrupted trainings (default: scratch)"
    command("clean", clean).add_argument("--scratch", type=Path, default=Path("scratch"), metavar="DIR", help=text)
    command("parameters", parameters).add_argument(
        "--paper", type=Path, metavar="CSV", help="the paper's counts, to print beside ours"
    )
    parameterised(command("cost", cost), "params.yaml")
    parameterised(command("status", status), "params.yaml")
    sub = command("explain", explain)
    sub.add_argument("variant", help="row of a table, such as patchvae+lw")
    sub.add_argument("dataset")
    sub.add_argument("regime", help="what was frozen, such as conv1-5, or `probe` for the linear probe")
    sub.add_argument("--run", required=True, help="folder below --results")
    sub.add_argument("--head", help="the classifier's settings (default: table12)")
    sub.add_argument("--seed", type=int, help="(default: all that were run)")
    text = "folder of the runs (default: results)"
    sub.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help=text)
    parameterised(sub, "params.yaml, with the one of configs/*.yaml that names the run")
    sub = command("readme", readme)
    sub.add_argument("text", type=Path, help="file with the marks")
    sub.add_argument("table", type=Path, help="what to put between them")
    sub.add_argument("--name", required=True, help="the marks are <!-- begin NAME --> and <!-- end NAME -->")
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
    logging.raiseExceptions = False  # a full disk is told once, not by a traceback for each line of the log


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
        logger.info("%s, patchvae %s", args.function.__name__, __version__)
        if "config" in args:
            from patchvae.job_configs import check_config

            command = args.name if args.job == "report" else args.job
            args.config = check_config(command, json_or_file(args.config))
        if "device" in args:
            from patchvae import gpus

            args.device = gpus.for_job(args.job, args.device)
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
