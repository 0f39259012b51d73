"""One cell of a table from its metrics files: the numbers, where they were measured, files, and how to repeat it."""

import contextlib
import shlex
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from patchvae.errors import PatchVAEError
from patchvae.params.reading import did_you_mean, load_params, read_yaml
from patchvae.records.metrics_files import read_metrics
from patchvae.report.plain_text import columns
from patchvae.report.tables.metrics import Row
from patchvae.report.tables.words import demo_line, plural

PROBE = "probe"  # in place of a regime: the linear probe, which has no head
FIRST_HEAD = "table12"


class Cell(NamedTuple):
    """What a metrics file below results/RUN/metrics is of, but its seed; no head for a probe."""

    model: str
    dataset: str
    regime: str
    head: str

    def __str__(self) -> str:
        how = f"{self.regime}, classifier {self.head}" if self.head else "linear probe"
        return f"{self.model} on {self.dataset}, {how}"

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that its files are in, where * is the table for which they were made."""
        tuned = "finetune", "*", self.regime, self.head, self.model, self.dataset
        return tuned if self.head else (PROBE, self.dataset, self.model)


def wanted_cell(model: str, dataset: str, regime: str, head: str | None) -> Cell:
    """A cell by the words of the command line; PROBE in place of a regime has no head."""
    if regime == PROBE and head is not None:
        raise PatchVAEError(f"--head {head}: a linear probe has no head")
    return Cell(model, dataset, regime, "" if regime == PROBE else head or FIRST_HEAD)


def find(results: Path, run: str, cell: Cell, seed: int | None) -> dict[int, Path]:
    """The metrics files of a cell by seed.

    Raises PatchVAEError for a name that the run does not have, a cell or seed that was not run, and a doubled file.
    """
    metrics = results / run / "metrics"
    if not metrics.is_dir():
        raise PatchVAEError(f"{metrics}: not here; `dvc pull` fetches the metrics files of a tracked run")
    first, *rest = cell.folders
    there = sorted(metrics.glob("/".join([first, *("*" for _ in rest), "seed*.json"])))
    folders = [path.relative_to(metrics).parts[:-1] for path in there]
    for name, known in zip(rest, [*zip(*folders, strict=True)][1:], strict=False):
        if name not in ("*", *known):
            names = sorted({*known})
            hint = did_you_mean(name, names) or f", there are {', '.join(names)}"
            raise PatchVAEError(f"{metrics}: no {name!r} was run{hint}")
    files: dict[int, Path] = {}
    for path, parts in zip(there, folders, strict=True):
        if all(wanted in ("*", part) for wanted, part in zip(cell.folders, parts, strict=True)):
            number = int(path.stem.removeprefix("seed"))
            if number in files:
                raise PatchVAEError(f"{path}: the same cell and seed as {files[number]}")
            files[number] = path
    if not files:
        raise PatchVAEError(f"{cell}: not run, there is no such file in {metrics}")
    if seed is not None and seed not in files:
        raise PatchVAEError(f"{cell}: seed {seed} was not run, only {', '.join(map(str, sorted(files)))}")
    return {number: files[number] for number in sorted(files) if seed in (None, number)}


def read(cell: Cell, path: Path, seed: int) -> Row:
    """A cell's metrics file; raises PatchVAEError for metrics of another cell."""
    content = read_metrics(path, "finetune" if cell.head else PROBE)
    wanted = {"variant": cell.model, "dataset": cell.dataset, "seed": seed}
    wanted |= {"regime": cell.regime, "head": cell.head} if cell.head else {}
    for key, value in wanted.items():
        if content[key] != value:
            raise PatchVAEError(f"{path}: not the metrics of {cell}: its {key} is {content[key]!r}, not {value!r}")
    return content


def overlays(run: str, params: Sequence[Path]) -> list[Path]:
    """The files for `--configfile` of a run.

    params: params.yaml, whose folder has configs/*.yaml, and maybe the run's own overlays. Raises PatchVAEError for
    overlays of another run, and where no parameters of that run are found.
    """
    first, *given = params or [Path("params.yaml")]
    if given:
        named = load_params([first, *given]).get("run")
        if named != run:
            raise PatchVAEError(f"{given[-1]}: the parameters are those of run {named}, not of {run!r}")
        return given
    for path in (first, *sorted((first.parent / "configs").glob("*.yaml"))):
        with contextlib.suppress(PatchVAEError):  # the file may have nothing to do with the run
            if read_yaml(path).get("run") == run:
                return [] if path == first else [path]
    raise PatchVAEError(f"no file in configs/ has `run: {run}`: name params.yaml and the run's overlays behind -p")


def numbers(found: Mapping[int, Row], tuned: bool) -> list[str]:
    """A line per seed, then mean and sample standard deviation: accuracies in %, seconds, memory."""

    def line(content: Row) -> list[float]:
        accuracy = [content["top1"], content["top5"], content["train_top1"]]
        if tuned:
            top1, top5, _ = accuracy
            accuracy[:2] = top1["last"], top1["best"], float(top1["best_epoch"]), top5["last"], top5["best"]
        return [*accuracy, content["seconds"], content["peak_memory_mb"]]

    head = ["last epoch", "best", "at epoch", "top-5", "best top-5"] if tuned else ["top-1", "top-5"]
    rows = {f"seed {seed}": line(content) for seed, content in found.items()}
    if len(rows) > 1:
        values = [*zip(*rows.values(), strict=True)]
        rows |= {"mean": [*map(statistics.fmean, values)], "sd": [*map(statistics.stdev, values)]}
    texts = [[name, *(f"{value:.2f}" for value in row)] for name, row in rows.items()]
    return columns(["", *head, "train", "seconds", "peak MB"], texts)


def made(found: Mapping[int, Row]) -> Iterator[str]:
    """A line per machine, commit and versions, with the seeds that were measured there."""
    seeds: dict[str, list[str]] = {}
    for seed, content in found.items():
        each = [f"{machine['device']}, {plural(machine['threads'], 'thread')}" for machine in content["machines"]]
        versions = [f"{name} {version}" for name, version in sorted(content["versions"].items())]
        words = [", then ".join(dict.fromkeys(each)), content["precision"], f"commit {content['commit']}", *versions]
        seeds.setdefault(", ".join(words), []).append(str(seed))
    for told, those in seeds.items():
        yield f"{told} ({'seed' if len(those) == 1 else 'seeds'} {', '.join(those)})"


def explain(results: Path, run: str, cell: Cell, seed: int | None = None, params: Sequence[Path] = ()) -> str:
    """What the metrics files of one cell say, as plain text, and where the files are that say the rest.

    results: the folder of the runs; seed: by default all; params: see `overlays`. Raises PatchVAEError for a name that
    the run does not have, a cell or seed that was not run, and a file that holds other metrics.
    """
    files, metrics = find(results, run, cell, seed), results / run / "metrics"
    found = {number: read(cell, path, number) for number, path in files.items()}
    first = next(iter(found.values()))
    warning = demo_line([cell.dataset], [cell.dataset] if first["config"].get("stand_in") else [])
    try:
        options = [str(path) for path in overlays(run, params)]
        targets = [f"results/{run}/metrics/{path.relative_to(metrics).as_posix()}" for path in files.values()]
        again = shlex.join(["snakemake", *(["--configfile", *options, "--"] if options else []), *targets])
    except PatchVAEError as error:
        if params:
            raise
        again = str(error)
    parts: dict[str, list[str]] = {
        f"Accuracy (%): {plural(first['count'], 'test image')}": [
            *numbers(found, bool(cell.head)),
            *filter(None, [warning]),
        ],
        "Measured on": [*made(found)],
        "Metrics with their configuration, their record of what was read and written, and their job": [
            str(file) if file.is_file() else f"{file} (not here)"
            for path in files.values()
            for file in (path, path.with_suffix(".record"), Path("jobs", run, path.relative_to(metrics)))
        ],
        "To make it again, with the parameters as they are now": [again],
    }
    lines = [f"{cell}: run {run}, {plural(len(files), 'seed')}"]
    for title, text in parts.items():
        lines += ["", title, *(f"  {line}".rstrip() for line in text)]
    return "\n".join(lines)
