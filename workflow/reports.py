"""The tables and figures of a run: what each is made from, what it makes, and how often. One entry is one job kind.

The work is done by `write` in src/patchvae/report/tables/NAME.py; the keys of `inputs` and `outputs` are its
parameters. Its configuration is `resolve(params, NAME, wildcards)`, its caption workflow/report/NAME.rst.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from patchvae import plan
from patchvae.config import Params
from patchvae.plan import Cell
from patchvae.variants import SWEEPS

Wildcards = Mapping[str, str]
Files = str | list[str]  # one file, or several

TABLES = "results/{run}/tables/"
TEXTS = ("csv", "md", "tex", "html")
PICTURES = ("png", "pdf")
METRICS = {
    "finetune": "results/{run}/metrics/finetune/{table}/{regime}/{head}/{variant}/{dataset}/seed{seed}.json",
    **{
        rule: f"results/{{run}}/metrics/{rule}/{{dataset}}/{{variant}}/seed{{seed}}.json"
        for rule in ("pretrain", "probe", "reconstruct", "fid", "parts")
    },
}


class Report(NamedTuple):
    """A kind of job that writes tables or figures.

    title: in the page that `snakemake --report` makes, which lists it in `category`; each: the wildcards beside `run`
    of every job of a run; inputs: files by parameter, from parameters and wildcards.
    """

    title: str
    category: str
    outputs: Mapping[str, Files]
    inputs: Callable[[Params, Wildcards], dict[str, Files]]
    each: Callable[[Params], Iterable[Params]]
    mem_mb: int = 1000


def once(params: Params) -> list[Params]:
    """Of every run."""
    return [{}]


def if_any(table: str, key: str) -> Callable[[Params], list[Params]]:
    """Once where the list holds anything."""
    return lambda params: [{}] if params[table][key] else []


def per_dataset(table: str) -> Callable[[Params], list[Params]]:
    """For every data set in the list of a block."""
    return lambda params: [{"dataset": dataset} for dataset in params[table]["datasets"]]


def texts(name: str) -> dict[str, Files]:
    """The four files of a table."""
    return {kind: f"{TABLES}{name}.{kind}" for kind in TEXTS}


def pictures(name: str) -> dict[str, Files]:
    """The two files of a figure."""
    return {kind: f"results/{{run}}/figures/{name}.{kind}" for kind in PICTURES}


def measured(params: Params, *rules: str, **wanted: str) -> list[str]:
    """Metrics files of all jobs of these rules, or of those with these wildcards."""
    return [
        METRICS[rule].format(**job)
        for rule, job in plan.jobs(params)
        if rule in rules and all(job[key] == value for key, value in wanted.items())
    ]


def finetuned(params: Params, table: str, cells: Iterable[Cell] | None = None) -> list[str]:
    """Metrics files of a table's fine-tunings: of all its cells, or of these."""
    chosen = None if cells is None else set(cells)
    return [
        METRICS["finetune"].format(**job)
        for rule, job in plan.jobs(params)
        if rule == "finetune" and job["table"] == table
        if chosen is None or (job["dataset"], job["variant"], job["regime"], job["head"]) in chosen
    ]


def with_table1(params: Params, table: str) -> list[str]:
    """A table's fine-tunings, and Table 1's in the same regime, which the table shares."""
    regime = params[table]["regime"]
    shared = [cell for cell in plan.table1_cells(params) if cell[2] == regime]
    return finetuned(params, table) + finetuned(params, "table1", shared)


def swept(params: Params, key: str) -> list[str]:
    """A sweep's fine-tunings, and Table 1's of the swept variant."""
    return finetuned(params, key) + finetuned(params, "table1", plan.base_cells(params))


def tables(params: Params) -> list[str]:
    """All files in the folder of tables, on which the stage of DVC depends as one."""
    made = [path.format(**job) for name, job in reports(params) for path in outputs(name)]
    return [path for path in made if path.startswith(TABLES.format(run=params["run"]))]


SPREAD: Files = ["paper/sweep_num_parts.csv", "paper/sweep_part_dim.csv"]  # rows of Table 1 that the paper prints again
PARAMETER_TABLES = ("table8", "table9", "table10", "table11", "table12")

REPORTS = {
    "table1": Report(
        "Table 1",
        "Classification",
        texts("table1") | {"seeds_csv": f"{TABLES}table1_seeds.csv"},
        lambda params, _: {"paper_csv": "paper/table1.csv", "metrics_files": finetuned(params, "table1")},
        once,
    ),
    "claims": Report(
        "Claims",
        "Classification",
        texts("claims") | {"answer": f"{TABLES}answer.md"} | pictures("answer"),
        lambda params, _: {
            "claims_csv": params["claims"][0],
            "paper_csv": "paper/table1.csv",
            "spread_csvs": SPREAD,
            "metrics_files": finetuned(params, "table1"),
        },
        lambda params: [{}] if params["claims"] else [],
        2000,
    ),
    "probe_table": Report(
        "Linear probe",
        "Classification",
        texts("probe_{dataset}"),
        lambda params, job: {"metrics_files": measured(params, "probe", dataset=job["dataset"])},
        per_dataset("probe"),
    ),
    "lengths": Report(
        "Length of pretraining",
        "Classification",
        texts("lengths_{dataset}") | pictures("lengths_{dataset}"),
        lambda params, job: {
            "finetune_files": with_table1(params, "lengths"),
            "probe_files": measured(params, "probe", dataset=job["dataset"]),
        },
        per_dataset("lengths"),
        2000,
    ),
    "sensitivity": Report(
        "Open choices",
        "Classification",
        texts("sensitivity_{dataset}"),
        lambda params, _: {"metrics_files": with_table1(params, "sensitivity")},
        per_dataset("sensitivity"),
    ),
    "table2": Report(
        "Table 2",
        "Classification",
        texts("table2"),
        lambda params, _: {"paper_csv": "paper/table2.csv", "metrics_files": finetuned(params, "table2")},
        if_any("table2", "datasets"),
    ),
    "sweep": Report(
        "Sweep of {key}",
        "Ablations",
        texts("sweep_{key}") | pictures("sweep_{key}"),
        lambda params, job: (
            {"metrics_files": swept(params, job["key"])}
            | ({"paper_csv": f"paper/sweep_{job['key']}.csv"} if job["key"] in SWEEPS else {})
        ),
        lambda params: [{"key": key} for key in params["ablation_base"]["keys"]],
    ),
    "table7": Report(
        "Table 7",
        "Reconstruction",
        texts("table7"),
        lambda params, _: {"paper_csv": "paper/table7.csv", "metrics_files": measured(params, "reconstruct", "fid")},
        if_any("table2", "datasets"),
    ),
    "parts_table": Report(
        "Part discovery",
        "Parts",
        texts("parts"),
        lambda params, _: {"metrics_files": measured(params, "parts")},
        if_any("parts", "variants"),
    ),
    "parameter_tables": Report(
        "Tables 8-12",
        "Parameter counts",
        {kind: [f"{TABLES}{table}.{kind}" for table in PARAMETER_TABLES] for kind in TEXTS},
        lambda params, _: {"paper_csv": "paper/parameter_counts.csv"},
        once,
    ),
    "summary": Report(
        "Summary", "", {"out": "results/{run}/summary.json"}, lambda params, _: {"tables": tables(params)}, once
    ),
    "curves": Report(
        "Learning curves",
        "",
        {"pretrain_csv": "results/{run}/curves/pretrain.csv", "finetune_csv": "results/{run}/curves/finetune.csv"},
        lambda params, _: {
            "pretrain_files": measured(params, "pretrain"),
            "finetune_files": measured(params, "finetune"),
        },
        once,
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


def reports(params: Params) -> Iterator[tuple[str, Params]]:
    """The jobs of all reports of a run: name and wildcards."""
    for name, report in REPORTS.items():
        for wildcards in report.each(params):
            yield name, {"run": params["run"]} | wildcards


def options(name: str, params: Params, wildcards: Wildcards) -> list[str]:
    """The files of a report's command."""
    report, found = REPORTS[name], list[str]()
    for key, files in (*report.inputs(params, wildcards).items(), *report.outputs.items()):
        option = "--file" if isinstance(files, str) else "--files"
        found += [option, key, *(path.format(**wildcards) for path in paths(files))]
    return found
