"""Which jobs a run has, and their files, from the tables in kinds.py and reports.py."""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
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


def mapped(files: Files, change: Callable[[str], str]) -> Files:
    """One file or several, with each path changed."""
    return change(files) if isinstance(files, str) else [change(path) for path in files]


# Rule -> patterns of its outputs, the one by which a job is known first
OUTPUTS = {rule: [path for files in kind.outputs.values() for path in paths(files)] for rule, kind in KINDS.items()}
# Rule -> pattern of the output by which a job, its log and its record are named
NAMED = {rule: METRICS.get(rule, outputs[0]) for rule, outputs in OUTPUTS.items()}


def own_files(rule: str) -> dict[str, str]:
    """The patterns of a job's own files, by their names in `plan.jobs.Job`; data are common to all runs."""
    named = NAMED[rule]
    name, logs = f"{rule}/{{dataset}}" if "{dataset}" in named else rule, "logs/data"
    if named.startswith("results/"):
        name, logs = re.sub(r"^results/{run}/(metrics/)?(.*)\.\w+$", r"\2", named), "logs/{run}"
    return {
        "path": f"jobs/{{run}}/{name}.json",
        "record": re.sub(r"\.\w+$", ".record", named),
        "log": f"{logs}/{name}.log",
        "benchmark": f"{logs}/benchmarks/{name}.tsv",
    }


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
    """One job of a run; inputs: as its kind and its stage name them, with all names filled in."""

    rule: str
    wildcards: Params
    inputs: dict[str, Files]


def listing(params: Params) -> Iterator[Listed]:
    """Every job of a run, each once, none before what it needs."""
    seen = set()
    for _, stage in stages(params, sweeps(params)):
        patterns = {name: spelled(f"{{{name}}}", stage) for name in re.findall(r"\{(\w+)\}", OUTPUTS[stage.rule][0])}
        inputs = {
            key: mapped(files, partial(spelled, stage=stage))
            for key, files in {**KINDS[stage.rule].inputs, **stage.inputs}.items()
        }
        for values in itertools.product(*(listed(files, params) for files in stage.each.values())):
            given = {"run": params["run"], **dict(zip(stage.each, values, strict=True))}
            job = {name: given[name] if name in given else fill(text, params, given) for name, text in patterns.items()}
            if (stage.rule, *job.values()) not in seen:
                seen.add((stage.rule, *job.values()))
                filled = partial(fill, params=params, wildcards=given | job)
                yield Listed(stage.rule, job, {key: mapped(files, filled) for key, files in inputs.items()})
