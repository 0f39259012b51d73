# Parameters, and the one helper per need that the other files use.

import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "src"))

from patchvae import plan, variants
from patchvae.config import load_params, merge, validate
from patchvae.errors import PatchVAEError
from patchvae.files import canonical
from patchvae.provenance import source_files
from patchvae.resolve import resolve

# Jobs run with the Python that runs Snakemake, and with this checkout's package, installed or not.
shell.prefix(
    "set -euo pipefail; "
    f"export PATH={shlex.quote(os.path.dirname(sys.executable))}:$PATH PYTHONPATH={shlex.quote(str(ROOT / 'src'))}; "
)


def read_parameters():
    """params.yaml, the overlays given with --configfile, then --config, checked."""
    try:
        # Read again instead of `configfile:`, which takes 3e-05 for a string and merges lists' blocks its own way.
        params = load_params([ROOT / "params.yaml", *workflow.config_settings.configfiles])
        params = merge(params, workflow.config_settings.config)
        validate(params, ROOT / "workflow/schemas/params.schema.yaml")
    except PatchVAEError as error:
        raise WorkflowError(str(error))
    return params


PARAMS = read_parameters()


JOBS = list(plan.jobs(PARAMS))


wildcard_constraints:
    run=re.escape(PARAMS["run"]),
    dataset="|".join(map(re.escape, PARAMS["datasets"])),
    variant="|".join(map(re.escape, variants.variants(PARAMS))),
    regime="[^/]+",
    seed="[0-9]+",
    name="[^/]+",
    table="|".join(map(re.escape, variants.sweep_tables(PARAMS))) or "(?!)",
    figure="|".join(plan.PARTS_FIGURES),


def config_of(rule):
    """A params function: the job's whole configuration as one sorted JSON text, which Snakemake compares."""

    def config_json(wildcards):
        try:
            return canonical(resolve(PARAMS, rule, dict(wildcards)))
        except PatchVAEError as error:
            raise WorkflowError(str(error))

    return config_json


def code_of(module):
    """The source files behind one command, as inputs, so that editing one reruns the jobs that use it and no others."""
    return [os.path.relpath(path) for path in source_files(module)]


def figure_code(wildcards):
    return code_of(plan.PARTS_FIGURES[wildcards.figure])


def datasets_of(*formats):
    """A pattern of the data sets stored in one of these formats."""
    names = [name for name, block in PARAMS["datasets"].items() if block["format"] in formats]
    return "|".join(map(re.escape, names)) or "(?!)"


def raw_files(wildcards):
    dataset = variants.raw(PARAMS, wildcards.dataset)
    return expand("data/raw/{dataset}/{name}", dataset=dataset, name=variants.sources(PARAMS, dataset))


def raw_folder(wildcards):
    return f"data/raw/{variants.raw(PARAMS, wildcards.dataset)}"


def mask_files(wildcards):
    """The weight masks of a variant trained with L_w, else nothing."""
    return "data/masks/{dataset}/train.npy" if variants.weighted(PARAMS, wildcards.variant) else []


def label_files(wildcards):
    """The labels of a variant trained with them, else nothing."""
    model = variants.settings(PARAMS, wildcards.dataset, wildcards.variant)[1]["model"]
    return "data/packed/{dataset}/train_labels.npy" if model == "supervised" else []


CHECKPOINT = "results/{run}/checkpoints/pretrain/{dataset}/{variant}/seed{seed}.pt"
METRICS = {
    "finetune": "results/{run}/metrics/finetune/{dataset}/{variant}/{regime}/seed{seed}.json",
    "reconstruct": "results/{run}/metrics/reconstruct/{dataset}/{variant}/seed{seed}.json",
    "fid": "results/{run}/metrics/fid/{dataset}/{variant}/seed{seed}.json",
    "parts": "results/{run}/metrics/parts/{dataset}/{variant}/seed{seed}.json",
}


def pretrained_checkpoint(wildcards):
    """The pretrained weights that a fine-tuning starts from."""
    source = variants.pretrained(PARAMS, wildcards.dataset, wildcards.variant)
    return CHECKPOINT.format(run=wildcards.run, seed=wildcards.seed, **source)


def drawn_checkpoint(wildcards):
    """The pretrained model whose parts are drawn."""
    variant, seed = PARAMS["figures"]["variant"], PARAMS["seeds"][0]
    return CHECKPOINT.format(run=wildcards.run, dataset=wildcards.dataset, variant=variant, seed=seed)


def seeds_of(rule, wanted):
    """Metrics files of one rule for the wanted (data set, variant, regime), regime None where the rule has none."""
    wanted = set(wanted)
    return [
        METRICS[rule].format(**job)
        for name, job in JOBS
        if name == rule and (job["dataset"], job["variant"], job.get("regime")) in wanted
    ]


def table1_metrics(wildcards):
    return seeds_of("finetune", plan.table1_cells(PARAMS))


def table2_metrics(wildcards):
    return seeds_of("finetune", plan.table2_cells(PARAMS))


def sweep_metrics(wildcards):
    return seeds_of("finetune", plan.sweep_cells(PARAMS, variants.sweep_tables(PARAMS)[wildcards.table]))


def every_metrics(*rules):
    """An input function: all metrics files of these rules."""

    def files(wildcards):
        return [METRICS[rule].format(**job) for rule, job in JOBS if rule in rules]

    return files


def paper_csv(wildcards):
    """The paper's numbers for a sweep, where it has any."""
    path = f"paper/{wildcards.table}.csv"
    return path if (ROOT / path).exists() else []


KINDS = ("csv", "md", "tex", "html")
REPORTS = {
    "table1": [f"results/{{run}}/tables/table1.{kind}" for kind in KINDS],
    "table2": [f"results/{{run}}/tables/table2.{kind}" for kind in KINDS],
    "sweep": [f"results/{{run}}/tables/{{table}}.{kind}" for kind in KINDS],
    "table7": [f"results/{{run}}/tables/table7.{kind}" for kind in KINDS],
    "parameter_tables": [f"results/{{run}}/tables/{table}.{kind}" for table in plan.PARAMETER_TABLES for kind in KINDS],
    "parts_table": [f"results/{{run}}/tables/parts.{kind}" for kind in KINDS],
    "figure_masks": ["results/{run}/figures/figure6_{dataset}.png", "results/{run}/figures/figure6_{dataset}.pdf"],
    "figure_parts": ["results/{run}/figures/{figure}_{dataset}.png", "results/{run}/figures/{figure}_{dataset}.pdf"],
    "figure_sweep": ["results/{run}/figures/{table}.png", "results/{run}/figures/{table}.pdf"],
}


def report_files():
    """Everything a run ends in."""
    return [path.format(**job) for rule, job in JOBS for path in REPORTS.get(rule, ())]
