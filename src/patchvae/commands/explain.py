"""One cell of a table: what its metrics files say, where their records and jobs are, and how to make them again."""

import contextlib
import json
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from patchvae.errors import PatchVAEError
from patchvae.params.reading import did_you_mean, load_params, read_yaml
from patchvae.plan.kinds import METRICS
from patchvae.records.metrics_files import read_metrics
from patchvae.report.tables.metrics import Row
from patchvae.report.tables.words import demo_line, plural

PROBE = "probe"  # in place of a regime: the linear probe, which has no head
FIRST_HEAD = "table12"
SHOWN = ("top1", "top5", "train_top1", "count", "seconds", "peak_memory_mb", "precision", "machines", "commit")


class Cell(NamedTuple):
    """What metrics files are of, but their seed.

    rule: finetune or probe; names: variant and dataset, of a fine-tuning regime and head, too.
    """

    rule: str
    names: Mapping[str, str]

    def __str__(self) -> str:
        how = "{regime}, classifier {head}" if self.rule == "finetune" else "linear probe"
        return ("{variant} on {dataset}, " + how).format(**self.names)


def wanted_cell(variant: str, dataset: str, regime: str, head: str | None) -> Cell:
    """A cell by the words of the command line; PROBE in place of a regime has no head."""
    names = {"variant": variant, "dataset": dataset}
    if regime != PROBE:
        return Cell("finetune", names | {"regime": regime, "head": head or FIRST_HEAD})
    if head is not None:
        raise PatchVAEError(f"--head {head}: a linear probe has no head")
    return Cell(PROBE, names)


def find(results: Path, run: str, cell: Cell, seed: int | None) -> dict[Path, Row]:
    """The metrics files of a cell with their contents, by seed; seed: the only one that is wanted, or None.

    Raises PatchVAEError for a run, cell or seed that is not there, for metrics of another cell, and for a doubled file.
    """
    metrics = results / run / "metrics"
    if not metrics.is_dir():
        raise PatchVAEError(f"{metrics}: not here; `dvc pull` fetches the metrics files of a tracked run")
    pattern = METRICS[cell.rule].removeprefix("results/{run}/metrics/")
    wanted = pattern.format_map(defaultdict(lambda: "*", cell.names))  # whatever table and seed
    files: dict[int, Path] = {}
    for path in sorted(metrics.glob(wanted)):
        number = int(path.stem.removeprefix("seed"))
        if number in files:
            raise PatchVAEError(f"{path}: the same cell and seed as {files[number]}")
        files[number] = path
    if not files:
        cells = {path.parent.relative_to(metrics).as_posix() for path in metrics.glob(f"{cell.rule}/**/seed*.json")}
        hint = did_you_mean(str(Path(wanted).parent), sorted(cells))
        raise PatchVAEError(f"{cell}: not run, there is no such file in {metrics}{hint}")
    if seed is not None and seed not in files:
        raise PatchVAEError(f"{cell}: seed {seed} was not run, only {', '.join(map(str, sorted(files)))}")
    return {files[number]: _read(cell, files[number], number) for number in sorted(files) if seed in (None, number)}


def _read(cell: Cell, path: Path, seed: int) -> Row:
    content = read_metrics(path, cell.rule)
    for key, value in {**cell.names, "seed": seed}.items():
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


def snakemake(files: Sequence[Path], *targets: str) -> str:
    """The command that makes files of a run; files: its `overlays`."""
    return shlex.join(["snakemake", *(["--configfile", *map(str, files), "--"] if files else []), *targets])


def explain(results: Path, run: str, cell: Cell, seed: int | None = None, params: Sequence[Path] = ()) -> str:
    """What the metrics files of a cell say, as plain text; results: the folder of the runs; params: see `overlays`.

    Raises PatchVAEError as `find` does, and for parameters of another run.
    """
    found, metrics = find(results, run, cell, seed), results / run / "metrics"
    lines = [f"{cell}: run {run}, {plural(len(found), 'seed')}"]
    for path, content in found.items():
        others = {"record": path.with_suffix(".record"), "job": Path("jobs", run, path.relative_to(metrics))}
        lines += ["", str(path), *(f"  {key}: {json.dumps(content[key], sort_keys=True)}" for key in SHOWN)]
        lines += [f"  {key}: {file}" + ("" if file.is_file() else " (not here)") for key, file in others.items()]
        if content["config"].get("stand_in"):
            lines.append(f"  {demo_line([content['dataset']], [content['dataset']])}")
    try:
        targets = (f"results/{run}/metrics/{path.relative_to(metrics).as_posix()}" for path in found)
        again = snakemake(overlays(run, params), *targets)
    except PatchVAEError as error:
        if params:
            raise
        again = str(error)
    return "\n".join([*lines, "", "To make it again, with the parameters as they are now", f"  {again}"])
