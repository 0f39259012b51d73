"""One cell of a table from its metrics files: the numbers, what made them, and the command to make them again."""

import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from patchvae.config import did_you_mean, load_params, read_yaml
from patchvae.errors import PatchVAEError
from patchvae.files import file_digest, read_json
from patchvae.report.cell_text import sections
from patchvae.report.tables.finetunings import FIRST_HEAD
from patchvae.report.tables.metrics import Row
from patchvae.report.tables.words import plural

PROBE = "probe"  # in place of a regime: the linear probe, which has no head
WORDS = {"dataset": "data set"}


class Cell(NamedTuple):
    """A metrics file's path below results/RUN/metrics, taken apart."""

    model: str
    dataset: str
    regime: str
    head: str  # empty for a probe
    table: str  # for which it was made; empty for a probe

    def __str__(self) -> str:
        how = f"{self.regime}, classifier {self.head}" if self.head else "linear probe"
        return f"{self.model} on {self.dataset}, {how}"

    def target(self, run: str, seed: int) -> str:
        """The metrics file as Snakemake names it."""
        folders = ["finetune", self.table, self.regime, self.head, self.model, self.dataset]
        folders = folders if self.head else [PROBE, self.dataset, self.model]
        return "/".join(["results", run, "metrics", *folders, f"seed{seed}.json"])


def cells(metrics: Path) -> Iterator[tuple[Cell, int, Path]]:
    """Every fine-tuning and probe below results/RUN/metrics, with its seed; paths of early files have no head."""
    for path in sorted(metrics.rglob("seed*.json")):
        seed = re.fullmatch("seed([0-9]+)", path.stem)
        match path.relative_to(metrics).parts[:-1]:
            case ("finetune", table, regime, head, model, dataset):
                cell = Cell(model, dataset, regime, head, table)
            case ("finetune", table, regime, model, dataset):
                cell = Cell(model, dataset, regime, FIRST_HEAD, table)
            case ("probe", dataset, model):
                cell = Cell(model, dataset, PROBE, "", "")
            case _:
                continue
        if seed:
            yield cell, int(seed[1]), path


def wanted_cell(model: str, dataset: str, regime: str, head: str | None) -> dict[str, str]:
    """What `find` looks for; regime: of a fine-tuning, or PROBE, for which a head is refused; head: see `explain`."""
    if regime == PROBE and head is not None:
        raise PatchVAEError(f"--head {head}: a linear probe has no head")
    return {"model": model, "dataset": dataset, "regime": regime, "head": "" if regime == PROBE else head or FIRST_HEAD}


def find(results: Path, run: str, wanted: Mapping[str, str], seed: int | None) -> dict[int, tuple[Cell, Path]]:
    """The metrics files, by seed, of the cell with the wanted model, dataset, regime and head.

    Raises PatchVAEError for a name that the run does not have, a cell or seed that was not run, and a doubled file.
    """
    metrics = results / run / "metrics"
    if not metrics.is_dir():
        runs = sorted(path.parent.name for path in results.glob("*/metrics"))
        if run and metrics.parent.is_dir():
            raise PatchVAEError(f"{metrics}: not here; `dvc pull` fetches the metrics files of a tracked run")
        raise PatchVAEError(f"{results}: no run {run!r} there{hint(run, runs)}")
    there = list(cells(metrics))
    for key, name in wanted.items():
        known = sorted({getattr(cell, key) for cell, *_ in there if key != "head" or cell.head})
        if name and name not in known:
            raise PatchVAEError(f"{metrics}: no {WORDS.get(key, key)} {name!r} was run{hint(name, known)}")
    chosen = [found for found in there if all(getattr(found[0], key) == name for key, name in wanted.items())]
    if not chosen:
        raise PatchVAEError(f"{Cell(**wanted, table='')}: not run, there is no such file in {metrics}")
    files: dict[int, tuple[Cell, Path]] = {}
    for cell, number, path in sorted(chosen, key=lambda found: found[1]):
        if number in files:
            raise PatchVAEError(f"{path}: the same cell and seed as {files[number][1]}")
        files[number] = cell, path
    if seed is not None and seed not in files:
        raise PatchVAEError(f"{chosen[0][0]}: seed {seed} was not run, only {', '.join(map(str, files))}")
    return files if seed is None else {seed: files[seed]}


def hint(name: str, known: Sequence[str]) -> str:
    """The closest known name, or all of them."""
    return did_you_mean(name, known) or f", there are {', '.join(known) or 'none'}"


def read(cell: Cell, path: Path, seed: int) -> Row:
    """A cell's metrics file; raises PatchVAEError for metrics of another cell."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise PatchVAEError(f"{path}: not a metrics file")
    wanted = {"schema": 1, "rule": PROBE, "variant": cell.model, "dataset": cell.dataset, "seed": seed}
    if cell.head:
        wanted |= {"rule": "finetune", "regime": cell.regime, "head": cell.head}
    said = {"head": FIRST_HEAD, **content}
    for key, value in wanted.items():
        if said.get(key) != value:
            raise PatchVAEError(f"{path}: not the metrics of {cell}: its {key} is {said.get(key)!r}, not {value!r}")
    return content


def pretrained(metrics: Path, content: Row) -> Path:
    """Where the metrics of the pretraining behind a file are; early files do not name it."""
    behind = content.get("pretraining") or content
    return metrics / "pretrain" / behind["dataset"] / behind["variant"] / f"seed{content['seed']}.json"


def overlays(run: str, params: Sequence[Path]) -> list[Path] | None:
    """The files for `--configfile` of a run; None where no parameters of that run are found.

    params: params.yaml, whose folder has configs/*.yaml, and maybe the run's own overlays. Raises PatchVAEError for
    overlays of another run.
    """
    first, *given = params
    if given:
        named = load_params(params).get("run")
        if named != run:
            raise PatchVAEError(f"{given[-1]}: the parameters are those of run {named}, not of {run!r}")
        return given
    for path in (first, *sorted((first.parent / "configs").glob("*.yaml"))):
        with contextlib.suppress(PatchVAEError):  # the file may have nothing to do with the run
            if read_yaml(path).get("run") == run:
                return [] if path == first else [path]
    return None


def again(run: str, made: Mapping[int, Cell], files: Sequence[Path] | None) -> list[str]:
    """The command that makes a cell's seeds again, a target per line; files: of `overlays`."""
    if files is None:
        return [f"no file in configs/ has `run: {run}`: name params.yaml and the run's overlays behind -p"]
    options = ["--configfile", *map(str, files), "--"] if files else []
    targets = [shlex.quote(cell.target(run, seed)) for seed, cell in made.items()]
    lines = [shlex.join(["snakemake", *options]), *(f"  {target}" for target in targets)]
    return [*(f"{line} \\" for line in lines[:-1]), lines[-1]]


def explain(
    results: Path,
    run: str,
    model: str,
    dataset: str,
    regime: str,
    head: str | None = None,
    seed: int | None = None,
    params: Sequence[Path] = (),
) -> str:
    """All that the metrics files of one cell say, as plain text.

    results: the folder of the runs; regime: of a fine-tuning, or PROBE; head: by default FIRST_HEAD; seed: by default
    all; params: see `overlays`. Raises PatchVAEError for a name that the run does not have, a cell or seed that was not
    run, and a file that holds other metrics.
    """
    files = find(results, run, wanted_cell(model, dataset, regime, head), seed)
    paths, made = [path for _, path in files.values()], {number: cell for number, (cell, _) in files.items()}
    cell, metrics = next(iter(made.values())), results / run / "metrics"
    found: dict[int, Row] = {}
    pretrain_files: dict[int, Path] = {}
    for number, (_, path) in files.items():
        found[number] = read(cell, path, number)
        try:
            pretrain_files[number] = pretrained(metrics, found[number])
            sections({number: found[number]}, pretrain_files)  # alone, so that the wrong file is named
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise PatchVAEError(f"{path}: not the metrics of {cell}: {error}") from error
    parts = sections(found, pretrain_files)
    parts["Metrics files"] = [line for path in paths for line in (str(path), f"sha256 {file_digest(path)}")]
    command = again(run, made, overlays(run, params or [Path("params.yaml")]))
    parts["To make it again, with the parameters as they are now"] = command
    tables = "".join(f", {table}" for table in dict.fromkeys(cell.table for cell in made.values()) if table)
    lines = [f"{cell}: run {run}{tables}, {plural(len(files), 'seed')}"]
    for title, text in parts.items():
        lines += ["", title, *(f"  {line}".rstrip() for line in text)]
    return "\n".join(lines)
