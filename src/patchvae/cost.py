"""What a run costs before it is started: hours and disk, from measured jobs of the same kind, and what it took.

Nothing is assumed. A kind of job that was never measured has no hours. A job of a kind that was measured with other
epochs, images or pixels is scaled by their product, which the output says.
"""

import csv
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from patchvae.errors import PatchVAEError
from patchvae.files import canonical, read_json
from patchvae.models.sizes import REGIMES
from patchvae.report.plain_text import columns

KEPT_BYTES = 4 * 2**30  # finetune.CACHE_BYTES, which cannot be imported without PyTorch
MEASURING = ("pretrain", "finetune", "probe", "reconstruct", "fid", "parts")  # rules whose metrics tell the machine
PACKING = ("prepare", "digit_scenes", "masks")  # rules that are told by data/packed
UNTOLD = ""  # in place of a machine: Snakemake's benchmark files do not tell it

Config = Mapping[str, Any]


class Listed(Protocol):
    """A job as workflow/layout.py lists it."""

    @property
    def rule(self) -> str: ...
    @property
    def wildcards(self) -> dict[str, Any]: ...
    @property
    def inputs(self) -> list[str]: ...
    @property
    def outputs(self) -> list[str]: ...
    @property
    def benchmark(self) -> str: ...
    @property
    def title(self) -> str: ...


class Images(NamedTuple):
    """How many images a data set has."""

    train: int
    labelled: int
    test: int


class Measured(NamedTuple):
    """One measured job: where and on what, how much it did (see `work`), and the seconds that it took."""

    machine: str
    source: str
    work: float
    seconds: float


class Estimate(NamedTuple):
    """The seconds of one job, the measured jobs that they come from, and how many times as much it does as those."""

    seconds: float
    sources: tuple[str, ...]
    scale: float


# ---- kinds of jobs


def kind(rule: str, wildcards: Config, config: Config, images: Images | None) -> str:
    """What has to be the same for one job's time to tell another's."""
    match rule:
        case "pretrain":
            model = config["model"]
            words = [f"pretrain {model['name']}, {model['backbone']}"]
            words += [f"statistics {model['statistics']}"] if "statistics" in model else []
            words += ["L_w"] if config.get("weighted_loss") else []
            words += [f"GAN, {config['gan']['generator_step']} step"] if config.get("gan") else []
            return ", ".join(words)
        case "finetune":
            frozen = "features kept" if kept(config, images) else "frozen stages in each step"
            frozen = frozen if REGIMES[config["regime"]] else "nothing frozen"
            return f"finetune {config['regime']}, {config['backbone']}, {frozen}"
        case "probe":
            return f"probe, {config['backbone']}"
        case "reconstruct" | "fid":
            return f"{rule} {config['variant']}"
        case "prepare":
            return f"prepare {config['format']}"
        case "download":
            return f"download {wildcards['dataset']}"
        case "figure_parts":
            return f"draw {wildcards['figure']}"
    return rule


def kept(config: Config, images: Images | None) -> bool:
    """Whether a fine-tuning computes the frozen stages' features once, as they fit into memory."""
    cut = REGIMES[config["regime"]]
    if not cut or config["flip"] or config["frozen_batch_norm"] != "eval" or images is None:
        return False
    stride, channels = (4, 64) if cut < 3 else (8, 128)  # after the first stages of either backbone
    size = channels * (config["image_size"] // stride) ** 2 * (2 if config["precision"] == "bf16" else 4)
    return size * (images.train + images.test) <= KEPT_BYTES


def work(rule: str, config: Config, images: Images | None) -> float | None:
    """How much a job does, to compare jobs of one kind: in most, pixels of all its epochs; None where nobody knows.

    It is 1 for a job whose time depends on none of these.
    """
    pixels = config.get("image_size", 1) ** 2
    if rule in ("pretrain", "finetune"):
        if "epochs" not in config:  # a control, which is not trained
            data = config["model"]["statistics"] == "data"
            return 1.0 if not data else None if images is None else images.train * pixels
        seen = images_per_epoch(rule, config, images)
        return None if seen is None else config["epochs"] * seen * pixels
    if rule in ("probe", "reconstruct", "fid", "parts", *PACKING):
        if images is None:
            return None
        counts = {"probe": images.labelled + images.test, "masks": images.train}
        counts |= dict.fromkeys(("reconstruct", "fid"), images.test)
        # FID's own network sees every image at the same size, and packing reads images of the archive's size.
        return counts.get(rule, images.train + images.test) * (1 if rule in ("fid", "prepare") else pixels)
    return 1.0


def images_per_epoch(rule: str, config: Config, images: Images | None) -> int | None:
    """The images of one epoch of a training, as training.batches.Order has them."""
    if images is None:
        return None
    count = images.labelled if rule == "finetune" or config.get("labels") else images.train
    if config.get("labels_per_class", "all") != "all":
        count = min(count, config["labels_per_class"] * config["num_classes"])
    batch = min(config["batch_size"], count)
    given = count if config["epoch_images"] == "dataset" else int(config["epoch_images"])
    return max(given // batch, 1) * batch


# ---- what was measured


def image_counts(root: Path, published: Path) -> Callable[[str], Images | None]:
    """How many images a data set has: as packed in data/packed, else as its publisher says.

    published: CSV of dataset, train, labelled, test.
    """
    with open(published, newline="", encoding="utf-8") as stream:
        known = {
            row["dataset"]: Images(int(row["train"]), int(row["labelled"]), int(row["test"]))
            for row in csv.DictReader(stream)
        }

    def counts(dataset: str) -> Images | None:
        path = root / "data/packed" / dataset / "manifest.json"
        if not path.is_file():
            return known.get(dataset)
        try:
            train, test = (read_json(path)["splits"][split] for split in ("train", "test"))
            return Images(train["count"], train.get("labelled", train["count"]), test["count"])
        except (KeyError, TypeError) as error:
            raise PatchVAEError(f"{path}: not the manifest of a packed data set") from error

    return counts


def benchmark_seconds(path: Path) -> float | None:
    """The seconds in one of Snakemake's benchmark files, or None where there is no such file."""
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            return sum(float(row["s"]) for row in csv.DictReader(stream, delimiter="\t")) or None
    except FileNotFoundError:
        return None
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise PatchVAEError(f"{path}: not one of Snakemake's benchmark files: {error}") from error


def machine_of(device: str, threads: Any, precision: str) -> str:
    """A machine in words."""
    return f"{device}, {threads} thread{'' if threads == 1 else 's'}, {precision}"


def took(root: Path, metrics: Path, content: Config) -> float:
    """The seconds of the job that wrote a metrics file.

    That file has the training over all its starts, Snakemake's benchmark file the whole job since its last start: the
    larger one is nearer to what was paid.
    """
    run, _, *rest = metrics.relative_to(root / "results").with_suffix(".tsv").parts
    return max(float(content["seconds"]), benchmark_seconds(root.joinpath("logs", run, "benchmarks", *rest)) or 0.0)


def measured(
    root: Path, jobs: Sequence[Listed], counts: Callable[[str], Images | None], table: Path | None
) -> dict[str, list[Measured]]:
    """What the runs in a folder measured, and a table of benchmarks/, by kind of job.

    A training that went on on another device is left out.
    """
    found: dict[str, list[Measured]] = {}
    for path in sorted(root.glob("results/*/metrics/**/*.json")):
        content = read_json(path)
        try:
            rule, config = content["rule"], content["config"]
            if rule not in MEASURING or len({each["device"] for each in content.get("machines", [])}) > 1:
                continue
            images = counts(content["dataset"])
            machine = machine_of(content["device"], content.get("threads", "?"), content["precision"])
            done = work(rule, config, images)
            # The images that a training saw are recorded; those of today's data may be others.
            if done is not None and content["images_per_second"]:
                seen = content["images_per_second"] * content["seconds"]
                done = seen * (1 if rule == "fid" else config["image_size"] ** 2)
            name, seconds = kind(rule, content, config, images), took(root, path, content)
        except (KeyError, TypeError, ValueError, AttributeError):
            continue  # metrics of an early version: they tell nothing of this
        if done is not None and seconds > 0:
            found.setdefault(name, []).append(Measured(machine, str(path.relative_to(root)), done, seconds))
    for path in sorted(root.glob("logs/data/benchmarks/*/*.tsv")):
        rule, dataset = path.parent.name, path.stem
        manifest, images, seconds = (
            root / "data/packed" / dataset / "manifest.json",
            counts(dataset),
            benchmark_seconds(path),
        )
        if rule in PACKING and manifest.is_file() and seconds:
            packed = read_json(manifest)
            done = work(rule, packed, images)
            assert done is not None
            one = Measured(UNTOLD, str(path.relative_to(root)), done, seconds)
            found.setdefault(kind(rule, {}, packed, images), []).append(one)
    for job in jobs:
        if job.rule not in (*MEASURING, *PACKING):
            _, run, *rest = job.benchmark.split("/")
            for path in sorted(root.glob("/".join(["logs", run if run == "data" else "*", *rest]))):
                seconds = benchmark_seconds(path)
                name = kind(job.rule, job.wildcards, {}, None)
                if seconds:
                    found.setdefault(name, []).append(Measured(UNTOLD, str(path.relative_to(root)), 1.0, seconds))
    if table is not None and table.is_file():
        for name, one in tabled(table):
            if all(other.machine != one.machine for other in found.get(name, [])):
                found.setdefault(name, []).append(one)
    return found


TABLE = ("device", "threads", "precision", "kind", "images", "image_size", "seconds")


def tabled(table: Path) -> Iterator[tuple[str, Measured]]:
    """The rows of a table that benchmarks/costs.py wrote, with their kinds; its columns are TABLE."""
    with open(table, newline="", encoding="utf-8") as stream:
        for number, row in enumerate(csv.DictReader(stream), 2):
            try:
                machine = machine_of(row["device"], int(row["threads"]), row["precision"])
                done = int(row["images"]) * int(row["image_size"]) ** 2
                yield row["kind"], Measured(machine, table.name, done, float(row["seconds"]))
            except (KeyError, TypeError, ValueError) as error:
                raise PatchVAEError(f"{table}: line {number} is no measurement: {error}") from error


def estimate(known: Iterable[Measured], machine: str, wanted: float | None) -> Estimate | None:
    """The seconds of a job that does as much as `wanted`, from those on a machine that did most nearly as much.

    Where none is of this machine, those that name no machine count.
    """
    known = list(known)
    chosen = [one for one in known if one.machine == machine] or [one for one in known if one.machine == UNTOLD]
    if wanted is None or not chosen:
        return None
    nearest = min(chosen, key=lambda one: abs(math.log(wanted / one.work)))
    alike = [one for one in chosen if abs(math.log(one.work / nearest.work)) < 0.01]
    pace = statistics.median(one.seconds / one.work for one in alike)
    scale = wanted / nearest.work
    return Estimate(pace * wanted, tuple(one.source for one in alike), 1.0 if abs(scale - 1) < 0.01 else scale)


# ---- disk


def data_bytes(rule: str, config: Config, images: Images | None) -> int | None:
    """What a job that packs data leaves in data/, in bytes; None where nobody knows how many images there are."""
    if rule not in PACKING:
        return 0
    if images is None:
        return None
    side = config["image_size"]
    if rule == "masks":  # float16
        return 2 * images.train * (side // config["patch_size"]) ** 2 * (3 if config["per_channel"] else 1)
    maps = (side // 8) ** 2 if rule == "digit_scenes" else 0
    return (images.train + images.test) * (3 * side**2 + 8 + maps)  # pixels, an int64 label


def checkpoint_bytes(config: Config) -> int:
    """What the weights take that a pretraining leaves, in bytes. Imports PyTorch, and allocates no weights."""
    import torch

    from patchvae.models.factory import build_model, network_of

    with torch.device("meta"):
        model = build_model(network_of(config["model"]), config["image_size"])

    def size(module: torch.nn.Module) -> int:
        return sum(value.numel() * value.element_size() for value in module.state_dict().values())

    phi: Any = model.encoder
    return size(model) + len(config.get("snapshots", [])) * size(phi.backbone)


# ---- the whole run


class Cost(NamedTuple):
    """One job: its kind, its hours by machine, its disk in bytes, and the seconds that it took if it is done."""

    job: Listed
    kind: str
    hours: dict[str, Estimate | None]
    data: int | None
    checkpoint: int
    took: float | None


def costs(
    root: Path,
    jobs: Sequence[Listed],
    config_of: Callable[[Listed], Config],
    counts: Callable[[str], Images | None],
    known: Mapping[str, Sequence[Measured]],
) -> list[Cost]:
    """What each job of a run costs on each machine on which anything was measured."""
    machines = sorted({one.machine for some in known.values() for one in some if one.machine != UNTOLD})
    sizes: dict[str, int] = {}
    found = []
    for job in jobs:
        config = config_of(job)
        images = counts(job.wildcards["dataset"]) if "dataset" in job.wildcards else None
        if job.rule == "digit_scenes":
            images = Images(config["train_images"], config["train_images"], config["test_images"])
        name, wanted = kind(job.rule, job.wildcards, config, images), work(job.rule, config, images)
        hours = {machine: estimate(known.get(name, []), machine, wanted) for machine in machines or [UNTOLD]}
        checkpoint = 0
        if job.rule == "pretrain":
            key = canonical([config["model"], config["image_size"], config.get("snapshots")])
            checkpoint = sizes[key] if key in sizes else sizes.setdefault(key, checkpoint_bytes(config))
        found.append(Cost(job, name, hours, data_bytes(job.rule, config, images), checkpoint, spent(root, job)))
    return found


def spent(root: Path, job: Listed) -> float | None:
    """The seconds that a job of this run took, or None where it is not done or nothing tells."""
    if not all((root / path).is_file() for path in job.outputs):
        return None
    metrics = root / job.outputs[-1]
    if job.rule not in MEASURING:
        return benchmark_seconds(root / job.benchmark)
    try:
        return took(root, metrics, read_json(metrics)) or None
    except (KeyError, TypeError, ValueError) as error:
        raise PatchVAEError(f"{metrics}: not a metrics file") from error


def tables(found: Sequence[Cost]) -> dict[str, list[Cost]]:
    """The jobs behind each table and figure, by its title; many are behind several."""
    made_by = {path: cost for cost in found for path in cost.job.outputs}

    def behind(cost: Cost, seen: dict[int, Cost]) -> dict[int, Cost]:
        if id(cost) not in seen:
            seen[id(cost)] = cost
            for path in cost.job.inputs:
                if path in made_by:
                    behind(made_by[path], seen)
        return seen

    groups: dict[str, dict[int, Cost]] = {}
    for cost in found:
        if cost.job.title:
            behind(cost, groups.setdefault(cost.job.title, {}))
    return {title: list(group.values()) for title, group in groups.items()}


def hours(group: Iterable[Cost], machine: str) -> str:
    """The hours of jobs one after the other; empty where none is known, and a lower bound where some are not."""
    each = [cost.hours[machine] for cost in group]
    known = [one.seconds for one in each if one is not None]
    if not known:
        return ""
    return ("" if len(known) == len(each) else "> ") + amount(sum(known) / 3600)


def amount(value: float) -> str:
    """A number with two or three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def size(group: Iterable[Cost]) -> list[str]:
    """GB of packed data, MB of checkpoints; the former a lower bound where a data set has unknown images."""
    group = list(group)
    data = sum(cost.data or 0 for cost in group)
    bound = "> " if any(cost.data is None for cost in group) else ""
    return [
        bound + amount(data / 1e9) if data else bound.strip() and "",
        amount(sum(c.checkpoint for c in group) / 1e6),
    ]


def text(run: str, found: Sequence[Cost]) -> str:
    """All that `patchvae cost` prints."""
    machines = sorted({machine for cost in found for machine in cost.hours})
    machines.sort(key=lambda machine: -sum(cost.hours[machine] is not None for cost in found))
    letters = {machine: chr(ord("A") + number) for number, machine in enumerate(machines[:26])}
    head = ["", "jobs", "done", "took"]
    for letter in letters.values():
        head += [f"hours {letter}", "unknown"]
    head += ["data GB", "checkpoints MB"]

    def row(title: str, group: Sequence[Cost]) -> list[str]:
        done = [cost.took for cost in group if cost.took is not None]
        cells = [title, str(len(group)), str(len(done) or ""), amount(sum(done) / 3600) if done else ""]
        for machine in letters:
            missing = sum(cost.hours[machine] is None for cost in group)
            cells += [hours(group, machine), str(missing or "")]
        return [*cells, *size(group)]

    rows = [row(title, group) for title, group in tables(found).items()]
    rows.append(row("All, each job once", found))
    lines = [f"run {run}: {len(found)} jobs", "", *columns(head, rows), "", *NOTES, ""]
    lines += [f"{letter}: {machine or 'no machine is recorded'}" for machine, letter in letters.items()]
    for machine, letter in letters.items():
        lines += ["", f"Where the hours on {letter} come from", *_origins(found, machine)]
    return "\n".join(line.rstrip() for line in lines)


NOTES = (
    "Hours are those of one job after the other. A job behind several tables counts in each row, and once in the last.",
    "unknown: jobs of a kind that was never measured there; hours with > leave them out. took: hours of the jobs done.",
    "Data are packed images, labels and masks, without the archives; checkpoints are without the states of trainings.",
)


def _origins(found: Sequence[Cost], machine: str) -> list[str]:
    """A line per kind of job: how many jobs, their hours, from what, and how far they were scaled."""
    kinds: dict[str, list[Cost]] = {}
    for cost in found:
        kinds.setdefault(cost.kind, []).append(cost)
    rows = []
    for name, group in kinds.items():
        known = [cost.hours[machine] for cost in group]
        estimates = [one for one in known if one is not None]
        sources = Counter(source for one in estimates for source in one.sources)
        scales = sorted({one.scale for one in estimates})
        scaled = (
            ""
            if scales in ([], [1.0])
            else "x " + " to ".join(dict.fromkeys(amount(each) for each in scales[:: len(scales) - 1 or 1]))
        )
        origin = "not measured"
        if sources:
            origin = next(iter(sources)) + (f" and {len(sources) - 1} more" if len(sources) > 1 else "")
        rows.append([f"  {name}", str(len(group)), hours(group, machine), scaled, "  " + origin])
    lines = columns(["  kind of job", "jobs", "hours", "scaled by", "  from"], rows)
    # The last column is to the left
    width = len(lines[0]) - max(len(each[-1]) for each in [["", "  from"], *rows])
    return [line[:width] + line[width:].strip() for line in lines]
