# Parameters, and the one helper per need that the other files use.

import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "src"))

from patchvae.config import jobs, load_params, merge, resolve, validate, weighted
from patchvae.errors import PatchVAEError
from patchvae.files import canonical
from patchvae.provenance import source_files

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


wildcard_constraints:
    run=re.escape(PARAMS["run"]),
    dataset="|".join(map(re.escape, PARAMS["datasets"])),
    variant="|".join(map(re.escape, PARAMS["variants"])),
    regime="[^/]+",
    seed="[0-9]+",
    name="[^/]+",


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


def datasets_of(*formats):
    """A pattern of the data sets stored in one of these formats."""
    names = [name for name, block in PARAMS["datasets"].items() if block["format"] in formats]
    return "|".join(map(re.escape, names)) or "(?!)"


def raw_files(wildcards):
    sources = PARAMS["datasets"][wildcards.dataset]["sources"]
    return expand("data/raw/{dataset}/{name}", dataset=wildcards.dataset, name=sources)


def mask_files(wildcards):
    """The weight masks of a variant trained with L_w, else nothing."""
    return "data/masks/{dataset}/train.npy" if weighted(PARAMS, wildcards.variant) else []


def table1_metrics(wildcards):
    wanted = [job for rule, job in jobs(PARAMS) if rule == "finetune"]
    return ["results/{run}/metrics/finetune/{dataset}/{variant}/{regime}/seed{seed}.json".format(**w) for w in wanted]


def drawn_checkpoint(wildcards):
    """The pretrained model whose occurrence maps are drawn."""
    return "results/{{run}}/checkpoints/pretrain/{{dataset}}/{variant}/seed{seed}.pt".format(
        variant=PARAMS["figures"]["variant"], seed=PARAMS["seeds"][0]
    )


def report_files():
    """Everything a run ends in."""
    tables = expand("results/{run}/tables/table1.{kind}", run=PARAMS["run"], kind=["csv", "md", "tex"])
    return tables + expand(
        "results/{run}/figures/{figure}_{dataset}.{kind}",
        run=PARAMS["run"],
        figure=["weight_masks", "occurrence_maps"],
        dataset=PARAMS["table1"]["datasets"],
        kind=["png", "pdf"],
    )
