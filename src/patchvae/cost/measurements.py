"""What earlier runs measured: their metrics files and Snakemake's benchmark files, and the table in benchmarks/."""

import csv
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from patchvae.cost.kinds import PACKING, Config, Counts, Work, kind, work
from patchvae.errors import PatchVAEError
from patchvae.files import read_json
from patchvae.listed import Listed

# Rules whose metrics tell the machine
MEASURING = (
    *("pretrain", "finetune", "probe", "few_labels", "few_labels_pixels"),
    *("reconstruct", "fid", "parts", "real_parts"),
)
UNTOLD = ""  # in place of a machine: Snakemake's benchmark files do not tell it
TABLE = ("device", "threads", "precision", "kind", "image_size", "images", "seconds")
ALIKE = 0.01  # up to which share two jobs do equally much

Found = dict[str, list["Measured"]]  # by kind


class Measured(NamedTuple):
    """One measured job: on what and where it is told, how much it did, and the seconds that it took."""

    machine: str
    source: str
    work: Work
    seconds: float


class Estimate(NamedTuple):
    """The seconds of one job, the measured jobs that they come from, and how many times as much it does as those."""

    seconds: float
    sources: tuple[str, ...]
    scale: float


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


def measured(root: Path, jobs: Iterable[Listed], counts: Counts, table: Path) -> Found:
    """All that the runs in a folder measured, and a table that benchmarks/costs.py wrote, by kind of job.

    jobs: of a run, whose tables and figures are looked for in all runs.
    """
    found: Found = {}
    for part in (from_metrics(root, counts), packings(root, counts), others(root, jobs), tabled(table)):
        for name, one in part:
            found.setdefault(name, []).append(one)
    return found


def from_metrics(root: Path, counts: Counts) -> Iterator[tuple[str, Measured]]:
    """What trainings and measurements took, by kind, but trainings that went on on another device."""
    for path in sorted(root.glob("results/*/metrics/**/*.json")):
        content = read_json(path)
        try:
            rule, config, images = content["rule"], content["config"], counts(content["dataset"])
            if rule not in MEASURING or len({each["device"] for each in content.get("machines", [])}) > 1:
                continue
            machine = machine_of(content["device"], content.get("threads", "?"), content["precision"])
            done, name = work(rule, config, images), kind(rule, content, config, images)
            seen = content["images_per_second"] * content["seconds"]
            # Its own images, where it says: today's data may be others
            done = done._replace(images=seen) if done is not None and seen else done
            seconds = took(root, path, content)
        except (KeyError, TypeError, ValueError, AttributeError):
            continue  # of an early version, whose metrics tell nothing of this
        if done is not None and seconds > 0:
            yield name, Measured(machine, str(path.relative_to(root)), done, seconds)


def packings(root: Path, counts: Counts) -> Iterator[tuple[str, Measured]]:
    """What the packing of data sets that are here took, by kind."""
    for rule in PACKING:
        for path in sorted(root.glob(f"logs/data/benchmarks/{rule}/*.tsv")):
            manifest = root / "data/packed" / path.stem / "manifest.json"
            seconds = benchmark_seconds(path)
            if seconds and manifest.is_file():
                packed, images = read_json(manifest), counts(path.stem)
                done = work(rule, packed, images)
                if done is not None:
                    yield kind(rule, {}, packed, images), Measured(UNTOLD, str(path.relative_to(root)), done, seconds)


def others(root: Path, jobs: Iterable[Listed]) -> Iterator[tuple[str, Measured]]:
    """What downloads, tables and figures took, in any run, by kind."""
    for job in jobs:
        if job.rule in (*MEASURING, *PACKING):
            continue
        logs, run, *rest = job.benchmark.split("/")
        for path in sorted(root.glob("/".join([logs, run if run == "data" else "*", *rest]))):
            seconds = benchmark_seconds(path)
            if seconds:
                name = kind(job.rule, job.wildcards, {}, None)
                yield name, Measured(UNTOLD, str(path.relative_to(root)), Work(), seconds)


def tabled(table: Path) -> Iterator[tuple[str, Measured]]:
    """The rows of a table with columns TABLE, by kind; none where there is no such file."""
    if not table.is_file():
        return
    with open(table, newline="", encoding="utf-8") as stream:
        for number, row in enumerate(csv.DictReader(stream), 2):
            try:
                machine = machine_of(row["device"], int(row["threads"]), row["precision"])
                done = Work(int(row["images"]), int(row["image_size"]))
                yield row["kind"], Measured(machine, f"benchmarks/{table.name}", done, float(row["seconds"]))
            except (KeyError, TypeError, ValueError) as error:
                raise PatchVAEError(f"{table}: line {number} is no measurement: {error}") from error


def estimate(known: Sequence[Measured], machine: str, wanted: Work | None) -> Estimate | None:
    """The seconds of a job, from those on a machine with images of its size, if any, and most nearly as many of them.

    Where none is of this machine, those that name no machine count.
    """
    chosen = [one for one in known if one.machine == machine] or [one for one in known if one.machine == UNTOLD]
    if wanted is None or not chosen:
        return None

    def apart(work: Work, other: Work) -> float:
        return abs(math.log(work.pixels / other.pixels))

    nearest = min(chosen, key=lambda one: (one.work.side != wanted.side, apart(one.work, wanted))).work
    alike = [one for one in chosen if one.work.side == nearest.side and apart(one.work, nearest) < ALIKE]
    pace = statistics.median(one.seconds / one.work.pixels for one in alike)
    scale = wanted.pixels / nearest.pixels
    sources = tuple(one.source for one in alike)
    return Estimate(pace * wanted.pixels, sources, 1.0 if apart(nearest, wanted) < ALIKE else scale)
