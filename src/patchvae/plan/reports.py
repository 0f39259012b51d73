"""The tables and figures of a run: what each is made from, what it makes, and how often. One entry is one kind of job.

`report` in src/patchvae/report/tables/NAME.py makes it: the keys of `inputs` are its parameters, those of `outputs` the
names of what it returns. `Config` there is the model of its configuration, `resolve(params, NAME, wildcards)`. Its rule
is in workflow/rules/tables.smk, and `workflow/stages.py` writes DVC's stage from its entry here.

In texts, `{run}`, `{dataset}` and `{key}` are the job's own, `{block.key}` is a value of params.yaml.
"""

from collections.abc import Mapping
from typing import NamedTuple

from patchvae.plan.kinds import Files, figure, table


class Report(NamedTuple):
    """A kind of job that writes tables or figures.

    inputs: by parameter, where a folder stands for the metrics files (or tables) that jobs make in it, and a `?` before
    a file for one that need not exist; each: as of a stage in kinds.py, where a list in `each` that is no wildcard is
    one without which there is no such job; partial: whether it can do with fewer metrics files than a finished run has,
    as workflow/rebuild.py wants.
    """

    inputs: Mapping[str, Files]
    outputs: Mapping[str, Files]
    each: Mapping[str, Files] = {}
    partial: bool = False


METRICS = "results/{run}/metrics"
TUNED = f"{METRICS}/finetune"
PARAMETERS = [table(name) for name in ("table8", "table9", "table10", "table11", "table12")]

REPORTS = {
    "table1": Report(
        inputs={"paper_csv": "paper/table1.csv", "metrics_files": [f"{TUNED}/table1"]},
        outputs=table("table1") | {"seeds_csv": "results/{run}/tables/table1_seeds.csv"},
        partial=True,
    ),
    "claims": Report(
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
        inputs={
            "claims_yaml": "{decision.0}",
            "scale_free_files": [f"{TUNED}/scale_free"],
            "probe_files": [f"{METRICS}/probe"],
        },
        outputs=table("decision") | {"answer": "results/{run}/tables/decision_answer.md"},
        each={"when": "decision"},
        partial=True,
    ),
    "probe_table": Report(
        inputs={"metrics_files": ["results/{run}/metrics/probe/{dataset}"]},
        outputs=table("probe_{dataset}"),
        each={"dataset": "probe.datasets"},
        partial=True,
    ),
    "few_labels_table": Report(
        inputs={"metrics_files": ["results/{run}/metrics/few_labels/{dataset}"]},
        outputs=table("few_labels_{dataset}"),
        each={"dataset": "few_labels.datasets", "seed": ["{seeds.0}"]},  # of the first seed alone
        partial=True,
    ),
    "lengths": Report(
        inputs={
            "finetune_files": [f"{TUNED}/lengths", f"{TUNED}/table1/{{lengths.regime}}"],
            "probe_files": [f"{METRICS}/probe/{{dataset}}"],
        },
        outputs=table("lengths_{dataset}") | figure("lengths_{dataset}"),
        each={"dataset": "lengths.datasets"},
        partial=True,
    ),
    "sensitivity": Report(
        inputs={"metrics_files": [f"{TUNED}/sensitivity", f"{TUNED}/table1/{{sensitivity.regime}}"]},
        outputs=table("sensitivity_{dataset}"),
        each={"dataset": "sensitivity.datasets", "seed": ["{seeds.0}"]},  # of the first seed alone
        partial=True,
    ),
    "scale_free": Report(
        inputs={"metrics_files": [f"{TUNED}/scale_free"], "rates_files": [f"{METRICS}/rates"]},
        outputs=table("scale_free_{dataset}"),
        each={"dataset": "scale_free.datasets"},
        partial=True,
    ),
    "table2": Report(
        inputs={"paper_csv": "paper/table2.csv", "metrics_files": [f"{TUNED}/table2"]},
        outputs=table("table2"),
        each={"when": "table2.datasets"},
    ),
    "sweep": Report(
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
        inputs={"paper_csv": "paper/table7.csv", "metrics_files": [f"{METRICS}/reconstruct", f"{METRICS}/fid"]},
        outputs=table("table7"),
        each={"when": "table2.datasets"},
    ),
    "parts_table": Report(
        inputs={"metrics_files": ["results/{run}/metrics/parts"]},
        outputs=table("parts"),
        each={"when": "parts.variants"},
    ),
    "real_parts_table": Report(
        inputs={"metrics_files": ["results/{run}/metrics/real_parts/{dataset}"]},
        outputs=table("real_parts_{dataset}"),
        each={"dataset": "real_parts.datasets"},
        partial=True,
    ),
    "parameter_tables": Report(
        inputs={"paper_csv": "paper/parameter_counts.csv"},
        outputs={kind: [str(files[kind]) for files in PARAMETERS] for kind in PARAMETERS[0]},
    ),
    # What `dvc metrics` and `dvc exp show` compare
    "summary": Report(inputs={"tables": ["results/{run}/tables"]}, outputs={"out": "results/{run}/summary.json"}),
    "curves": Report(  # what `dvc plots` draws
        inputs={"pretrain_files": [f"{METRICS}/pretrain"], "finetune_files": [TUNED]},
        outputs={kind + "_csv": f"results/{{run}}/curves/{kind}.csv" for kind in ("pretrain", "finetune")},
    ),
}
