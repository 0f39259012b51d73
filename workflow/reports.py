"""The tables and figures of a run: what each is made from, what it makes, and how often. One entry is one kind of job.

The work is done by `write` in src/patchvae/report/tables/NAME.py; the keys of `inputs` and `outputs` are its
parameters. Its configuration is `resolve(params, NAME, wildcards)`, its caption workflow/report/NAME.rst (and
NAME_figure.rst). Snakemake makes its rules from these entries; `workflow/stages.py` writes DVC's stages from them.

In texts, `{run}`, `{dataset}` and `{key}` are the job's own, `{block.key}` is a value of params.yaml.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from patchvae import plan
from patchvae.config import Params

ROOT = Path(__file__).resolve().parents[1]
Wildcards = Mapping[str, Any]
Files = str | list[str]  # one file, or several

MODEL = "{dataset}/{variant}/seed{seed}.json"
METRICS = {
    "finetune": "results/{run}/metrics/finetune/{table}/{regime}/{head}/{variant}/{dataset}/seed{seed}.json",
    **{
        rule: f"results/{{run}}/metrics/{rule}/{MODEL}" for rule in ("pretrain", "probe", "reconstruct", "fid", "parts")
    },
}


class Report(NamedTuple):
    """A kind of job that writes tables or figures.

    title, category: in the page that `snakemake --report` makes; inputs: by parameter, where a folder stands for the
    metrics files (or tables) that jobs make in it, and a `?` before a file for one that need not exist; reads: the keys
    of params.yaml that its configuration is made from; when: a list without which there is no such job; each: lists
    with a job for each of their values, by wildcard.
    """

    title: str
    category: str
    inputs: Mapping[str, Files]
    outputs: Mapping[str, Files]
    reads: list[str]
    when: str = ""
    each: Mapping[str, str] = {}
    mem_mb: int = 1000


def table(name: str) -> dict[str, Files]:
    """The four files of a table."""
    return {kind: f"results/{{run}}/tables/{name}.{kind}" for kind in ("csv", "md", "tex", "html")}


def figure(name: str) -> dict[str, Files]:
    """The two files of a figure."""
    return {kind: f"results/{{run}}/figures/{name}.{kind}" for kind in ("png", "pdf")}


CLASSIFICATION = "Classification"
PROTOCOL = ["run", "seeds", "select"]
TABLE1 = [f"table1.{key}" for key in ("datasets", "variants", "labelled.variants", "regimes", "heads")]
TUNED = "results/{run}/metrics/finetune"
PARAMETERS = [table(name) for name in ("table8", "table9", "table10", "table11", "table12")]

REPORTS = {
    "table1": Report(
        "Table 1",
        CLASSIFICATION,
        inputs={"paper_csv": "paper/table1.csv", "metrics_files": [f"{TUNED}/table1"]},
        outputs=table("table1") | {"seeds_csv": "results/{run}/tables/table1_seeds.csv"},
        reads=[*PROTOCOL, *TABLE1],
    ),
    "claims": Report(
        "Claims",
        CLASSIFICATION,
        inputs={
            "claims_csv": "{claims.0}",
            "paper_csv": "paper/table1.csv",
            "spread_csvs": ["paper/sweep_num_parts.csv", "paper/sweep_part_dim.csv"],  # print rows of Table 1 again
            "metrics_files": [f"{TUNED}/table1"],
        },
        outputs=table("claims") | {"answer": "results/{run}/tables/answer.md"} | figure("answer"),
        reads=[*PROTOCOL, *TABLE1],
        when="claims",
        mem_mb=2000,
    ),
    "probe_table": Report(
        "Linear probe",
        CLASSIFICATION,
        inputs={"metrics_files": ["results/{run}/metrics/probe/{dataset}"]},
        outputs=table("probe_{dataset}"),
        reads=["run", "seeds", "probe.variants"],
        each={"dataset": "probe.datasets"},
        mem_mb=2000,
    ),
    "lengths": Report(
        "Length of pretraining",
        CLASSIFICATION,
        inputs={
            "finetune_files": [f"{TUNED}/lengths", f"{TUNED}/table1/{{lengths.regime}}"],
            "probe_files": ["results/{run}/metrics/probe/{dataset}"],
        },
        outputs=table("lengths_{dataset}") | figure("lengths_{dataset}"),
        reads=[*PROTOCOL, "lengths.variants", "lengths.regime", "lengths.heads", "pretrain.snapshots"],
        each={"dataset": "lengths.datasets"},
        mem_mb=2000,
    ),
    "sensitivity": Report(
        "Open choices",
        CLASSIFICATION,
        inputs={"metrics_files": [f"{TUNED}/sensitivity", f"{TUNED}/table1/{{sensitivity.regime}}"]},
        outputs=table("sensitivity_{dataset}"),
        reads=[
            "run",
            "select",
            *(f"sensitivity.{key}" for key in ("variants", "regime", "heads")),
            "table1.heads",
            "heads",
        ],
        each={"dataset": "sensitivity.datasets", "seed": "seeds.0"},  # of the first seed alone
        mem_mb=2000,
    ),
    "table2": Report(
        "Table 2",
        CLASSIFICATION,
        inputs={"paper_csv": "paper/table2.csv", "metrics_files": [f"{TUNED}/table2"]},
        outputs=table("table2"),
        reads=[*PROTOCOL, "table2.variants", "table2.supervised", "table2.regime", "table2.head"],
        when="table2.datasets",
    ),
    "sweep": Report(
        "Sweep of {key}",
        "Ablations",
        inputs={
            "paper_csv": "?paper/sweep_{key}.csv",
            "metrics_files": [
                f"{TUNED}/{{key}}",
                f"{TUNED}/table1/{{ablation_base.regime}}/{{ablation_base.head}}/{{ablation_base.variant}}",
            ],
        },
        outputs=table("sweep_{key}") | figure("sweep_{key}"),
        reads=[
            *PROTOCOL,
            "ablations.{key}",
            *(f"ablation_base.{key}" for key in ("variant", "regime", "head", "datasets")),
        ],
        each={"key": "ablation_base.keys"},
    ),
    "table7": Report(
        "Table 7",
        "Reconstruction",
        inputs={
            "paper_csv": "paper/table7.csv",
            "metrics_files": ["results/{run}/metrics/reconstruct", "results/{run}/metrics/fid"],
        },
        outputs=table("table7"),
        reads=["run", "seeds", "table7"],
        when="table2.datasets",
    ),
    "parts_table": Report(
        "Part discovery",
        "Parts",
        inputs={"metrics_files": ["results/{run}/metrics/parts"]},
        outputs=table("parts"),
        reads=["run", "seeds", "parts.datasets"],
        when="parts.variants",
    ),
    "parameter_tables": Report(
        "Tables 8 to 12",
        "Parameter counts",
        inputs={"paper_csv": "paper/parameter_counts.csv"},
        outputs={kind: [str(files[kind]) for files in PARAMETERS] for kind in PARAMETERS[0]},
        reads=[],
    ),
    "summary": Report(  # what `dvc metrics` and `dvc exp show` compare
        "Numbers",
        "",
        inputs={"tables": ["results/{run}/tables"]},
        outputs={"out": "results/{run}/summary.json"},
        reads=[],
    ),
    "curves": Report(  # what `dvc plots` draws
        "Learning curves",
        "",
        inputs={
            "pretrain_files": ["results/{run}/metrics/pretrain"],
            "finetune_files": ["results/{run}/metrics/finetune"],
        },
        outputs={kind + "_csv": f"results/{{run}}/curves/{kind}.csv" for kind in ("pretrain", "finetune")},
        reads=[],
    ),
}
# The command of every report: files by parameter, one or several
SHELL = (
    "python -m patchvae.cli report {params.report} --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
    " --packed data/packed {params.files}"
)


def paths(files: Files) -> list[str]:
    """One file or several as a list."""
    return [files] if isinstance(files, str) else files


def outputs(name: str) -> list[str]:
    """Patterns of all files of a report, the one by which it is asked for first."""
    return [path for files in REPORTS[name].outputs.values() for path in paths(files)]


def value(params: Params, dotted: str) -> Any:
    """A value of the parameters; a number stands for a place in a list."""
    node: Any = params
    for part in dotted.split("."):
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node


def fill(text: str, params: Params, wildcards: Wildcards) -> str:
    """A text with the wildcards and parameters that it names."""
    return re.sub(
        r"\{([\w.]+)\}", lambda name: str(wildcards[name[1]] if name[1] in wildcards else value(params, name[1])), text
    )


def reports(params: Params) -> Iterator[tuple[str, Params]]:
    """The jobs of all reports of a run: name and wildcards."""
    for name, report in REPORTS.items():
        if report.when and not value(params, report.when):
            continue
        jobs: list[Params] = [{"run": params["run"]}]
        for wildcard, key in report.each.items():
            if f"{{{wildcard}}}" in outputs(name)[0]:
                jobs = [job | {wildcard: found} for job in jobs for found in value(params, key)]
        yield from ((name, job) for job in jobs)


def made_in(folder: str, params: Params) -> list[str]:
    """The files that jobs make in a folder of metrics or of tables."""
    if folder.endswith("/tables"):
        made = [path.format(**job) for name, job in reports(params) for path in outputs(name)]
    else:
        made = [METRICS[rule].format(**job) for rule, job in plan.jobs(params) if rule in METRICS]
    return [path for path in made if path.startswith(f"{folder}/")]


def inputs(name: str, params: Params, wildcards: Wildcards) -> dict[str, Files]:
    """The files that a report's job reads, by parameter."""
    found: dict[str, Files] = {}
    for key, given in REPORTS[name].inputs.items():
        filled = [fill(path, params, wildcards) for path in paths(given)]
        if isinstance(given, list):
            folders = ((path, path.startswith("results/")) for path in filled)
            found[key] = [file for path, folder in folders for file in (made_in(path, params) if folder else [path])]
        elif not given.startswith("?") or (ROOT / filled[0][1:]).is_file():
            found[key] = filled[0].removeprefix("?")
    return found


def options(name: str, params: Params, wildcards: Wildcards) -> list[str]:
    """The files of a report's command."""
    found: list[str] = []
    for key, files in (*inputs(name, params, wildcards).items(), *REPORTS[name].outputs.items()):
        option = "--file" if isinstance(files, str) else "--files"
        found += [option, key, *(fill(path, params, wildcards) for path in paths(files))]
    return found
