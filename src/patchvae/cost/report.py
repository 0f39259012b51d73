"""What a run costs before it is started: hours and disk, from measured jobs of the same kind, and what it took.

Nothing is assumed. A kind of job that was never measured has no hours. A job of a kind that was measured with other
epochs, images or pixels is scaled by their product, and the text says by how much.
"""

import os
import textwrap
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from patchvae.cost.kinds import PACKING, Config, Counts, Images, Work, kind, work
from patchvae.cost.measurements import MEASURING, UNTOLD, Estimate, Measured, benchmark_seconds, estimate, took
from patchvae.errors import PatchVAEError
from patchvae.files import canonical, read_json
from patchvae.listed import Listed
from patchvae.report.plain_text import WIDTH, columns

NOTES = (
    "Hours are those of one job after the other. A job behind several tables counts in each row, and once in the last.",
    "unknown: jobs of a kind that was never measured there; hours with > leave them out. took: hours of timed jobs.",
    "Data are packed images, labels and masks, without the archives; checkpoints are without the states of trainings.",
)


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


class Cost(NamedTuple):
    """One job: its kind, its time by machine, its disk in bytes, and the seconds that it took if it is done.

    before: what its time is put at without what this run measured.
    """

    job: Listed
    kind: str
    hours: dict[str, Estimate | None]
    before: dict[str, Estimate | None]
    data: int | None
    checkpoint: int
    took: float | None


def costs(
    root: Path,
    jobs: Sequence[Listed],
    config_of: Callable[[Listed], Config],
    counts: Counts,
    known: Mapping[str, Sequence[Measured]],
) -> list[Cost]:
    """What each job of a run costs on each machine on which anything was measured."""
    machines = sorted({one.machine for some in known.values() for one in some if one.machine != UNTOLD})
    sizes: dict[str, int] = {}
    found = []

    def times(known: Sequence[Measured], wanted: Work | None) -> dict[str, Estimate | None]:
        return {machine: estimate(known, machine, wanted) for machine in machines or [UNTOLD]}

    for job in jobs:
        config = config_of(job)
        images = counts(job.wildcards["dataset"]) if "dataset" in job.wildcards else None
        name, wanted = kind(job.rule, job.wildcards, config, images), work(job.rule, config, images)
        alike = known.get(name, [])
        run = job.wildcards.get("run")
        own = (job.benchmark, f"results/{run}/", f"logs/{run}/")
        before = times([one for one in alike if not one.source.startswith(own)], wanted)
        checkpoint = 0
        if job.rule == "pretrain":
            key = canonical([config["model"], config["image_size"], config.get("snapshots")])
            checkpoint = sizes[key] if key in sizes else sizes.setdefault(key, checkpoint_bytes(config))
        disk = data_bytes(job.rule, config, images), checkpoint
        found.append(Cost(job, name, times(alike, wanted), before, *disk, spent(root, job)))
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
    data, checkpoints = sum(cost.data or 0 for cost in group), sum(cost.checkpoint for cost in group)
    bound = "> " if any(cost.data is None for cost in group) else ""
    return [bound + amount(data / 1e9) if data else "", amount(checkpoints / 1e6)]


def text(run: str, found: Sequence[Cost]) -> str:
    """All that `patchvae cost` prints."""
    machines = sorted({machine for cost in found for machine in cost.hours})
    machines.sort(key=lambda machine: -sum(cost.hours[machine] is not None for cost in found))
    letters = {machine: chr(ord("A") + number) for number, machine in enumerate(machines[:26])}
    head = ["", "jobs", "timed", "took"]
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
    lines = [f"run {run}: {len(found)} jobs", "", *columns(head, rows), "", *NOTES]
    for machine, letter in letters.items():
        lines += ["", f"{letter}: {machine or 'a machine that no file names'}", *_compared(found, machine)]
        lines += _origins(found, machine)
    return "\n".join(line.rstrip() for line in lines)


def _compared(found: Iterable[Cost], machine: str) -> list[str]:
    """What the jobs that are done took, beside what was to be expected of them before."""
    both = [(cost.took, before) for cost in found if (before := cost.before[machine]) and cost.took is not None]
    if not both:
        return []
    taken, expected = (amount(sum(values) / 3600) for values in zip(*((t, e.seconds) for t, e in both), strict=True))
    return [f"  jobs timed: {len(both)}, in {taken} hours; without this run's own files they are put at {expected}"]


def _origins(found: Iterable[Cost], machine: str) -> list[str]:
    """A line per kind of job: how many jobs, their hours, how far these were scaled, and from which files they come."""
    kinds: dict[str, list[Cost]] = {}
    for cost in found:
        kinds.setdefault(cost.kind, []).append(cost)
    rows, origins = [], []
    for name, group in kinds.items():
        estimates = [one for cost in group if (one := cost.hours[machine]) is not None]
        if estimates:
            scales = sorted({amount(one.scale) for one in estimates}, key=lambda text: float(text.replace(",", "")))
            scaled = "" if scales == ["1.0"] else f"x {' to '.join(dict.fromkeys((scales[0], scales[-1])))}"
            rows.append([f"  {name}", str(len(group)), hours(group, machine), scaled])
            origins.append(_place({source for one in estimates for source in one.sources}))
    lines = columns(["  kind of job", "jobs", "hours", "scaled by"], rows) if rows else []
    lines = [f"{line}  {origin}" for line, origin in zip(lines, ["from", *origins], strict=bool(rows))]
    missing = [name for name, group in kinds.items() if all(cost.hours[machine] is None for cost in group)]
    if missing:
        text = f"not measured: {'; '.join(missing)}"
        lines += textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    return lines


def _place(sources: Collection[str]) -> str:
    """Some files in words: each, or if they are many the folders of results/ or logs/ that they are in."""
    folders: dict[str, list[str]] = {}
    for source in sources:
        folders.setdefault(source.partition("/")[0], []).append(source)
    words = [
        f"{len(files)} files in {os.path.commonpath(files)}" if len(files) > 1 else files[0]
        for files in folders.values()
    ]
    return ", ".join(sorted(words))
