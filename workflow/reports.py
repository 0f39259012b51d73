"""The tables and figures of a run: what each is made from, what it makes, and how often. One entry is one kind of job.

The work is done by `write` in src/patchvae/report/tables/NAME.py; the keys of `inputs` and `outputs` are its
parameters. Its configuration is `resolve(params, NAME, wildcards)`, its caption workflow/report/NAME.rst (and
NAME_figure.rst). Snakemake makes its rules from these entries; `workflow/stages.py` writes DVC's stages from them.

In texts, `{run}`, `{dataset}` and `{key}` are the job's own, `{block.key}` is a value of params.yaml.
"""

from collections.abc import Mapping
from typing import NamedTuple

from jobs import Files, figure, table


class Report(NamedTuple):
    """A kind of job that writes tables or figures.

    title, category: in the page that `snakemake --report` makes; inputs: by parameter, where a folder stands for the
    metrics files (or tables) that jobs make in it, and a `?` before a file for one that need not exist; reads, each: as
    of a stage in jobs.py, where a list in `each` that is no wildcard is one without which there is no such job;
    partial: whether it can do with fewer metrics files than a finished run has, for which workflow/rebuild.py asks.
    """

    title: str
    category: str
    inputs: Mapping[str, Files]
    outputs: Mapping[str, Files]
    reads: list[str]
    each: Mapping[str, Files] = {}
    mem_mb: int = 1000
    partial: bool = False


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
        partial=True,
    ),
    "claims": Report(
        "Claims",
        CLASSIFICATION,
        inputs={
            "claims_yaml": "{claims.0}",
            "paper_csv": "paper/table1.csv",
            "spread_csvs": ["paper/sweep_num_parts.csv", "paper/sweep_part_dim.csv"],  # print rows of Table 1 again
            "metrics_files": [f"{TUNED}/table1"],
        },
        outputs=table("claims") | {"answer": "results/{run}/tables/answer.md"} | figure("answer"),
        reads=[*PROTOCOL, *TABLE1],
        each={"when": "claims"},
        mem_mb=2000,
        partial=True,
    ),
    "decision": Report(
        "Decision",
        CLASSIFICATION,
        inputs={
            "claims_yaml": "{decision.0}",
            "scale_free_files": [f"{TUNED}/scale_free"],
            "probe_files": ["results/{run}/metrics/probe"],
        },
        outputs=table("decision") | {"answer": "results/{run}/tables/decision_answer.md"},
        reads=PROTOCOL,
        each={"when": "decision"},
        mem_mb=2000,
        partial=True,
    ),
    "probe_table": Report(
        "Linear probe",
        CLASSIFICATION,
        inputs={"metrics_files": ["results/{run}/metrics/probe/{dataset}"]},
        outputs=table("probe_{dataset}"),
        reads=["run", "seeds", "probe.variants"],
        each={"dataset": "probe.datasets"},
        mem_mb=2000,
        partial=True,
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
        partial=True,
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
        each={"dataset": "sensitivity.datasets", "seed": ["{seeds.0}"]},  # of the first seed alone
        mem_mb=2000,
        partial=True,
    ),
    "table2": Report(
        "Table 2",
        CLASSIFICATION,
        inputs={"paper_csv": "paper/table2.csv", "metrics_files": [f"{TUNED}/table2"]},
        outputs=table("table2"),
        reads=[*PROTOCOL, "table2.variants", "table2.supervised", "table2.regime", "table2.head"],
        each={"when": "table2.datasets"},
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
        reads=["run", "seeds", "table7", "reconstruction"],
        each={"when": "table2.datasets"},
    ),
    "parts_table": Report(
        "Part discovery",
        "Parts",
        inputs={"metrics_files": ["results/{run}/metrics/parts"]},
        outputs=table("parts"),
        reads=["run", "seeds", "parts.datasets"],
        each={"when": "parts.variants"},
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
