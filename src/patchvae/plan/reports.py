"""The tables and figures of a run: what each is made from, what it makes, and how often. One entry is one kind of job.

The work is done by `write` in src/patchvae/report/tables/NAME.py; the keys of `inputs` and `outputs` are its
parameters. Its configuration is `resolve(params, NAME, wildcards)`, its rule is in workflow/rules/tables.smk, and
`workflow/stages.py` writes DVC's stage from its entry here.

In texts, `{run}`, `{dataset}` and `{key}` are the job's own, `{block.key}` is a value of params.yaml.
"""

from collections.abc import Mapping
from typing import NamedTuple

from patchvae.plan.kinds import Files, figure, table


class Report(NamedTuple):
    """A kind of job that writes tables or figures.

    title: of the table, where `patchvae cost` and `patchvae status` name it; inputs: by parameter, where a folder
    stands for the metrics files (or tables) that jobs make in it, and a `?` before a file for one that need not exist;
    each: as of a stage in kinds.py, where a list in `each` that is no wildcard is one without which there is no such
    job; partial: whether it can do with fewer metrics files than a finished run has, as workflow/rebuild.py wants.
    """

    title: str
    inputs: Mapping[str, Files]
    outputs: Mapping[str, Files]
    each: Mapping[str, Files] = {}
    partial: bool = False


TUNED = "results/{run}/metrics/finetune"
PARAMETERS = [table(name) for name in ("table8", "table9", "table10", "table11", "table12")]

REPORTS = {
    "table1": Report(
        "Table 1",
        inputs={"paper_csv": "paper/table1.csv", "metrics_files": [f"{TUNED}/table1"]},
        outputs=table("table1") | {"seeds_csv": "results/{run}/tables/table1_seeds.csv"},
        partial=True,
    ),
    "claims": Report(
        "Claims",
        inputs={
            "claims_yaml": "{claims.0}",
            "paper_csv": "paper/table1.csv",
            "spread_csvs": ["paper/sweep_num_parts.csv", "paper/sweep_part_dim.csv"],  # print rows of Table 1 again
            "metrics_files": [f"{TUNED}/table1"],
        },
        outputs=table("claims") | {"answer": "results/{run}/tables/answer.md"} | figure("answer"),
        each={"when": "claims"},
        partial=True,
    ),
    "decision": Report(
        "Decision",
        inputs={
            "claims_yaml": "{decision.0}",
            "scale_free_files": [f"{TUNED}/scale_free"],
            "probe_files": ["results/{run}/metrics/probe"],
        },
        outputs=table("decision") | {"answer": "results/{run}/tables/decision_answer.md"},
        each={"when": "decision"},
        partial=True,
    ),
    "probe_table": Report(
        "Linear probe",
        inputs={"metrics_files": ["results/{run}/metrics/probe/{dataset}"]},
        outputs=table("probe_{dataset}"),
        each={"dataset": "probe.datasets"},
        partial=True,
    ),
    "few_labels_table": Report(
        "Few labels",
        inputs={"metrics_files": ["results/{run}/metrics/few_labels/{dataset}"]},
        outputs=table("few_labels_{dataset}"),
        each={"dataset": "few_labels.datasets", "seed": ["{seeds.0}"]},  # of the first seed alone
        partial=True,
    ),
    "lengths": Report(
        "Length of pretraining",
        inputs={
            "finetune_files": [f"{TUNED}/lengths", f"{TUNED}/table1/{{lengths.regime}}"],
            "probe_files": ["results/{run}/metrics/probe/{dataset}"],
        },
        outputs=table("lengths_{dataset}") | figure("lengths_{dataset}"),
        each={"dataset": "lengths.datasets"},
        partial=True,
    ),
    "sensitivity": Report(
        "Open choices",
        inputs={"metrics_files": [f"{TUNED}/sensitivity", f"{TUNED}/table1/{{sensitivity.regime}}"]},
        outputs=table("sensitivity_{dataset}"),
        each={"dataset": "sensitivity.datasets", "seed": ["{seeds.0}"]},  # of the first seed alone
        partial=True,
    ),
    "scale_free": Report(
        "Heads without scale",
        inputs={
            "metrics_files": [f"{TUNED}/scale_free"],
            "rates_files": ["results/{run}/metrics/rates"],
        },
        outputs=table("scale_free_{dataset}"),
        each={"dataset": "scale_free.datasets"},
        partial=True,
    ),
    "table2": Report(
        "Table 2",
        inputs={"paper_csv": "paper/table2.csv", "metrics_files": [f"{TUNED}/table2"]},
        outputs=table("table2"),
        each={"when": "table2.datasets"},
    ),
    "sweep": Report(
        "Sweep of {key}",
        inputs={
            "paper_csv": "?paper/sweep_{key}.csv",
            "metrics_files": [
                f"{TUNED}/{{key}}",
                f"{TUNED}/table1/{{ablation_base.regime}}/{{ablation_base.head}}/{{ablation_base.variant}}",
            ],
        },
        outputs=table("sweep_{key}") | figure("sweep_{key}"),
        each={"key": "ablation_base.keys"},
    ),
    "table7": Report(
        "Table 7",
        inputs={
            "paper_csv": "paper/table7.csv",
            "metrics_files": ["results/{run}/metrics/reconstruct", "results/{run}/metrics/fid"],
        },
        outputs=table("table7"),
        each={"when": "table2.datasets"},
    ),
    "parts_table": Report(
        "Part discovery",
        inputs={"metrics_files": ["results/{run}/metrics/parts"]},
        outputs=table("parts"),
        each={"when": "parts.variants"},
    ),
    "real_parts_table": Report(
        "Parts on photographs",
        inputs={"metrics_files": ["results/{run}/metrics/real_parts/{dataset}"]},
        outputs=table("real_parts_{dataset}"),
        each={"dataset": "real_parts.datasets"},
        partial=True,
    ),
    "parameter_tables": Report(
        "Tables 8 to 12",
        inputs={"paper_csv": "paper/parameter_counts.csv"},
        outputs={kind: [str(files[kind]) for files in PARAMETERS] for kind in PARAMETERS[0]},
    ),
    "summary": Report(  # what `dvc metrics` and `dvc exp show` compare
        "",
        inputs={"tables": ["results/{run}/tables"]},
        outputs={"out": "results/{run}/summary.json"},
    ),
    "curves": Report(  # what `dvc plots` draws
        "",
        inputs={
            "pretrain_files": ["results/{run}/metrics/pretrain"],
            "finetune_files": ["results/{run}/metrics/finetune"],
        },
        outputs={kind + "_csv": f"results/{{run}}/curves/{kind}.csv" for kind in ("pretrain", "finetune")},
    ),
}
