"""What both engines and the tests read from the tables in jobs.py and reports.py: jobs, their files, their code."""

import functools
import itertools
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import jobs as others
from jobs import (  # noqa: F401
    DATA_RECORD,
    MANIFEST,
    MASKS,
    MASKS_RECORD,
    METRICS,
    RATES,
    Files,
    Kind,
    Stage,
    Wildcards,
)
from reports import REPORTS, SHELL

from patchvae.config import Params, get, sweeps, swept_path
from patchvae.models import kinds
from patchvae.plan import PARTS_FIGURES
from patchvae.provenance import PACKAGE, code_sha256, source_files
from patchvae.variants import text_of, variants, weighted

ROOT = Path(__file__).resolve().parents[1]

KINDS = others.KINDS | {
    name: Kind(f"patchvae.report.tables.{name}", report.inputs, report.outputs) for name, report in REPORTS.items()
}
STAGES = others.STAGES | {name: Stage(name, report.each, report.reads) for name, report in REPORTS.items()}


def paths(files: Files) -> list[str]:
    """One file or several as a list."""
    return [files] if isinstance(files, str) else files


# Rule -> patterns of its outputs, the one by which a job is asked for first
OUTPUTS = {rule: [path for files in kind.outputs.values() for path in paths(files)] for rule, kind in KINDS.items()}


def log_of(rule: str) -> str:
    """The pattern of a rule's log file: named as the file by which a job is known."""
    known = METRICS.get(rule, OUTPUTS[rule][0]).replace("/metrics/", "/")
    if known.startswith("results/"):
        return re.sub(r"^results/(.*)\.[a-z]+$", r"logs/\1.log", known)
    return f"logs/data/{rule}/{{dataset}}.log" if "{dataset}" in known else f"logs/data/{rule}.log"


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
    """The stage of one swept key, whose jobs read all but that."""
    path, base = swept_path(params, key), params["ablation_base"]["variant"]

    def rest(entry: str) -> list[str]:
        parts = entry.replace("{base}", base).split(".")
        if parts != [*path[: len(parts)]]:
            return [entry]
        block = get(params, parts) if len(parts) < len(path) else {}
        return [found for name in block for found in rest(f"{entry}.{name}")]

    # A dotted key is no path in the parameters.
    values = params["ablations"][key] if "." in key else f"ablations.{key}"
    each = {name: {"key": [key], "value": values}.get(name, files) for name, files in stage.each.items()}
    names = dict(stage.names) if "key" in each else {**stage.names, "key": key}
    if path[0] == "finetune":
        names["phi_variant"] = "{ablation_base.variant}"
    return stage._replace(each=each, names=names, reads=[found for entry in stage.reads for found in rest(entry)])


def listed(files: Any, params: Params) -> list[Any]:
    """The values of a name in `each`."""
    if isinstance(files, str):
        return list(value(params, files))
    return [fill(entry, params, {}) if isinstance(entry, str) else entry for entry in files]


def jobs(params: Params) -> Iterator[tuple[str, Params]]:
    """Every job of a run as (rule, wildcards), each once, none before what it needs."""
    seen = set()
    for _, stage in stages(params, sweeps(params)):
        patterns = {name: spelled(f"{{{name}}}", stage) for name in re.findall(r"\{(\w+)\}", OUTPUTS[stage.rule][0])}
        for values in itertools.product(*(listed(files, params) for files in stage.each.values())):
            given = {"run": params["run"], **dict(zip(stage.each, values, strict=True))}
            job = {name: given[name] if name in given else fill(text, params, given) for name, text in patterns.items()}
            if (stage.rule, *job.values()) not in seen:
                seen.add((stage.rule, *job.values()))
                yield stage.rule, job


def made_in(folder: str, params: Params) -> list[str]:
    """The files that jobs make in a folder of metrics or of tables."""
    made = (path.format(**job) for rule, job in jobs(params) for path in OUTPUTS[rule])
    return [path for path in made if path.startswith(f"{folder}/")]


def inputs(rule: str, params: Params, wildcards: Wildcards) -> dict[str, Files]:
    """The files that a job reads, by the name that its rule has for them."""
    named = {**wildcards, **KINDS[rule].origin(params, wildcards)}
    found: dict[str, Files] = {}
    for key, given in KINDS[rule].inputs.items():
        filled = [fill(path, params, named) for path in paths(given)]
        if isinstance(given, list):
            folders = ((path, path.startswith("results/")) for path in filled)
            found[key] = [file for path, folder in folders for file in (made_in(path, params) if folder else [path])]
        elif not given.startswith("?") or (ROOT / filled[0][1:]).is_file():
            found[key] = filled[0].removeprefix("?")
    return found


def rates_behind(rule: str, params: Params, wildcards: Wildcards) -> list[str]:
    """The metrics file with the rate of a fine-tuning whose head has it chosen, else nothing."""
    chosen = rule == "finetune" and params["heads"][wildcards["head"]].get("lr") == "chosen"
    return [fill(RATES, params, wildcards)] if chosen else []


def options(report: str, params: Params, wildcards: Wildcards) -> list[str]:
    """The files of a report's command."""
    found: list[str] = []
    for key, files in (*inputs(report, params, wildcards).items(), *KINDS[report].outputs.items()):
        option = "--file" if isinstance(files, str) else "--files"
        found += [option, key, *(fill(path, params, wildcards) for path in paths(files))]
    return found


class Job(NamedTuple):
    """One job with the files that it reads and writes, as paths in the project's folder."""

    rule: str
    wildcards: Params
    inputs: list[str]
    outputs: list[str]
    log: str
    benchmark: str
    title: str  # of the table or figure that it makes, else nothing


def listing(params: Params) -> list[Job]:
    """Every job of a run with its files, none before what it needs."""
    found = []
    for rule, job in jobs(params):
        needs = [path for files in inputs(rule, params, job).values() for path in paths(files)]
        if rule == "pretrain" and weighted(params, job["variant"]):
            needs.append(MASKS.format(**job))
        needs += rates_behind(rule, params, job)
        title = REPORTS[rule].title.format(**job) if rule in REPORTS and REPORTS[rule].category else ""
        if rule.startswith("figure_"):
            title = "Figures"
        outputs = [path.format(**job) for path in OUTPUTS[rule]]
        texts = (text.format(**job) for text in (log_of(rule), benchmark_of(rule)))
        found.append(Job(rule, job, needs, outputs, *texts, title))
    return found


# ---- the code behind a job

# Rule -> its command, by which data/code names what its code is
COMMANDS = {rule: (kind.code or rule).partition("/")[0] for rule, kind in KINDS.items()}
# Command -> the module on whose source files, and all that they import, a job depends
MODULES = {COMMANDS[rule]: kind.module for rule, kind in KINDS.items() if kind.module} | PARTS_FIGURES
# Commands on a model of any kind, whose source files count as well
OF_A_KIND = tuple(COMMANDS[rule] for rule, kind in KINDS.items() if "/" in kind.code)
OF_PATCHVAE = ("score_parts", "real_parts", *PARTS_FIGURES)


def modules_of(command: str, kind: str | None = None) -> tuple[str, ...]:
    """The modules on which a command depends, for a model of this kind."""
    kind = "patchvae" if command in OF_PATCHVAE else kind
    return (MODULES[command], *(kinds.modules(kind) if kind else ()))


@functools.cache
def fingerprint(command: str, kind: str | None = None) -> str:
    """What the code of a command is, for a model of this kind; the jobs' records hold the same."""
    return code_sha256(*modules_of(command, kind))


def kind_of(params: Params, variant: str) -> str:
    """The kind of a variant's model."""
    return str(params["variants"][variants(params)[variant].base]["model"])


def code_of(params: Params, rule: str, wildcards: Wildcards) -> str:
    """The fingerprint of the code of one job."""
    command = fill(COMMANDS[rule], params, wildcards)
    return fingerprint(command, kind_of(params, wildcards["variant"]) if command in OF_A_KIND else None)


def shell_commands() -> dict[str, list[str]]:
    """Command -> the text of the shell commands of its rules, whose edits Snakemake sees and DVC would not."""
    found: dict[str, list[str]] = {command: [] for command in MODULES}
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for rule in re.split(r"^rule ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            shell = re.search(r"^    shell:\n((?: {8}.*\n)+)", rule, re.M)
            name = rule.split(":")[0]
            if shell:
                for command in PARTS_FIGURES if name == "figure_parts" else [COMMANDS[name]]:
                    found[command].append(shell[1])
    return found | {name: [SHELL] for name in REPORTS}


def fingerprints(params: Params) -> Iterator[tuple[str, Params]]:
    """Name and content of every file in data/code: one per command, or per variant where its model's kind counts."""
    shells = shell_commands()
    for command in MODULES:
        names = {f"{command}.json": None}
        if command in OF_A_KIND:
            names = {f"{command}/{variant}.json": kind_of(params, variant) for variant in variants(params)}
        for name, kind in names.items():
            files = [path.relative_to(PACKAGE.parent).as_posix() for path in source_files(*modules_of(command, kind))]
            yield name, {"files": files, "sha256": fingerprint(command, kind), "shell": shells[command]}
