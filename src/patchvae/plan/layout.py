"""Which jobs a run has, and their files, from the tables in kinds.py and reports.py."""

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from patchvae.params.reading import Params, get, sweeps, swept_path
from patchvae.params.variants import text_of
from patchvae.plan import kinds as others
from patchvae.plan.kinds import METRICS, Files, Kind, Stage, Wildcards
from patchvae.plan.reports import REPORTS

KINDS = others.KINDS | {
    name: Kind(f"patchvae.report.tables.{name}", report.inputs, report.outputs) for name, report in REPORTS.items()
}
STAGES = others.STAGES | {name: Stage(name, report.each) for name, report in REPORTS.items()}


def paths(files: Files) -> list[str]:
    """One file or several as a list."""
    return [files] if isinstance(files, str) else files


# Rule -> patterns of its outputs, the one by which a job is known first
OUTPUTS = {rule: [path for files in kind.outputs.values() for path in paths(files)] for rule, kind in KINDS.items()}
# Rule -> pattern of the output by which a job, its log and its record are named
NAMED = {rule: METRICS.get(rule, outputs[0]) for rule, outputs in OUTPUTS.items()}


def record_of(rule: str) -> str:
    """The pattern of the file that says what made a job's outputs."""
    return re.sub(r"\.\w+$", ".record", NAMED[rule])


def name_of(rule: str) -> str:
    """The pattern of a job's name within its run."""
    if NAMED[rule].startswith("results/"):
        return re.sub(r"^results/{run}/(metrics/)?(.*)\.\w+$", r"\2", NAMED[rule])
    return f"{rule}/{{dataset}}" if "{dataset}" in NAMED[rule] else rule


def job_file_of(rule: str) -> str:
    """The pattern of a job's file."""
    return f"jobs/{{run}}/{name_of(rule)}.json"


def log_of(rule: str) -> str:
    """The pattern of a job's log; data are common to all runs."""
    return f"logs/{'{run}' if NAMED[rule].startswith('results/') else 'data'}/{name_of(rule)}.log"


def benchmark_of(rule: str) -> str:
    """The pattern of the file with a job's seconds and memory."""
    return re.sub(r"^(logs/[^/]+)/(.*)\.log$", r"\1/benchmarks/\2.tsv", log_of(rule))


# ---- texts of the tables


def value(params: Params, dotted: str) -> Any:
    """A value of the parameters; a number stands for a place in a list."""
    return get(params, [int(part) if part.isdecimal() else part for part in dotted.split(".")])


def fill(text: str, params: Params, wildcards: Wildcards) -> str:
    """A text with the wildcards and parameters that it names."""

    def filled(name: "re.Match[str]") -> str:
        return text_of(wildcards[name[1]] if name[1] in wildcards else value(params, name[1]))

    return re.sub(r"\{([\w.]+)\}", filled, text)


def spelled(text: str, stage: Stage) -> str:
    """A text with what a stage's names stand for, so that `each` and the parameters are all that is left in it."""
    return re.sub(
        r"\{(\w+)\}", lambda name: spelled(stage.names[name[1]], stage) if name[1] in stage.names else name[0], text
    )


# ---- jobs


def stages(params: Params, keys: Iterable[str]) -> Iterator[tuple[str, Stage]]:
    """Every stage by name, with one for each of these swept keys where it is one for any."""
    for name, stage in STAGES.items():
        if "{key}" not in name:
            yield name, stage
            continue
        for key in keys:
            # A sweep over the fine-tuning has no pretraining of its own.
            if stage.rule != "pretrain" or swept_path(params, key)[0] != "finetune":
                yield name.replace("{key}", key), of_key(stage, params, key)


def of_key(stage: Stage, params: Params, key: str) -> Stage:
    """The stage of one swept key."""
    # A dotted key is no path in the parameters.
    values = params["ablations"][key] if "." in key else f"ablations.{key}"
    each = {name: {"key": [key], "value": values}.get(name, files) for name, files in stage.each.items()}
    names = dict(stage.names) if "key" in each else {**stage.names, "key": key}
    if swept_path(params, key)[0] == "finetune":
        names["phi_variant"] = "{ablation_base.variant}"
    return stage._replace(each=each, names=names)


def listed(files: Any, params: Params) -> list[Any]:
    """The values of a name in `each`."""
    if isinstance(files, str):
        return list(value(params, files))
    return [fill(entry, params, {}) if isinstance(entry, str) else entry for entry in files]


class Listed(NamedTuple):
    """One job of a run; files: what it reads beside the inputs of its kind, by name."""

    rule: str
    wildcards: Params
    files: dict[str, str]


def listing(params: Params) -> Iterator[Listed]:
    """Every job of a run, each once, none before what it needs."""
    seen = set()
    for _, stage in stages(params, sweeps(params)):
        patterns = {name: spelled(f"{{{name}}}", stage) for name in re.findall(r"\{(\w+)\}", OUTPUTS[stage.rule][0])}
        for values in itertools.product(*(listed(files, params) for files in stage.each.values())):
            given = {"run": params["run"], **dict(zip(stage.each, values, strict=True))}
            job = {name: given[name] if name in given else fill(text, params, given) for name, text in patterns.items()}
            if (stage.rule, *job.values()) not in seen:
                seen.add((stage.rule, *job.values()))
                yield Listed(stage.rule, job, {key: fill(path, params, job) for key, path in stage.inputs.items()})


def jobs(params: Params) -> Iterator[tuple[str, Params]]:
    """Every job of a run as (rule, wildcards), each once, none before what it needs."""
    return ((rule, wildcards) for rule, wildcards, _ in listing(params))


def inputs(
    rule: str, params: Params, wildcards: Wildcards, made: Iterable[str] | None = None, root: Path | None = None
) -> dict[str, Files]:
    """The files that a job reads, by the name that its kind has for them; for some, those of its stage come to these.

    made: all that the run makes, by default asked for here; root: the project's folder, by default this one.
    """
    named = {**wildcards, **KINDS[rule].origin(params, wildcards)}
    found: dict[str, Files] = {}
    for key, given in KINDS[rule].inputs.items():
        filled = [fill(path, params, named) for path in paths(given)]
        if isinstance(given, list):
            folders = [path for path in filled if path.startswith("results/")]
            if folders and made is None:
                made = [path.format(**job) for name, job in jobs(params) for path in OUTPUTS[name]]
            found[key] = [
                file
                for path in filled
                for file in (
                    [other for other in made or () if other.startswith(f"{path}/")] if path in folders else [path]
                )
            ]
        elif not given.startswith("?") or Path(root or ".", filled[0][1:]).is_file():
            found[key] = filled[0].removeprefix("?")
    return found
