# Parameters, and the one helper per need that the other files use.

import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod

ROOT = Path(workflow.basedir)
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "workflow")]

import layout
import stale
from jobs import LABELS, MASKS
from layout import KINDS, OUTPUTS
from reports import REPORTS, SHELL
from patchvae import plan, variants
from patchvae.checks import checked_params
from patchvae.config import sweeps
from patchvae.errors import PatchVAEError
from patchvae.files import canonical
from patchvae.training import states
from patchvae.resolve import resolve
from engines import as_recorded, dvc_at_work, some

# Jobs run with the Python that runs Snakemake, or with that of the Conda environment where `--sdm conda` asks for it,
# and with this checkout's package, installed or not.
# `exec` leaves no shell between Snakemake and the job: SLURM signals all processes, and an older bash would die at once,
# while its training still saves its state.
in_conda = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
bin_folder = "" if in_conda else f"{shlex.quote(os.path.dirname(sys.executable))}:"
shell.prefix(f"set -euo pipefail; export PATH={bin_folder}$PATH PYTHONPATH={shlex.quote(str(ROOT / 'src'))}; exec ")


def read_parameters():
    """params.yaml, the overlays given with --configfile, then --config, checked."""
    try:
        # Read again instead of `configfile:`, which takes 3e-05 for a string and merges lists' blocks its own way.
        tracked = os.environ.get("PATCHVAE_ALIGN", ROOT / "params.yaml")
        paths = [tracked, *workflow.config_settings.configfiles]
        return checked_params(paths, workflow.config_settings.config)
    except PatchVAEError as error:
        sys.exit(str(error))  # Snakemake prints lines of this file around a WorkflowError


PARAMS = read_parameters()


JOBS = list(layout.jobs(PARAMS))
MADE_BY = {path.format(**job): (rule, job) for rule, job in JOBS for path in OUTPUTS[rule]}


def refuse_what_dvc_put_here():
    """End with one sentence if data, checkpoints or metrics are not those that Snakemake's records are about."""
    names = [path.format(**job) for rule, job in JOBS for path in OUTPUTS[rule]]
    kept = [name for name in names if re.match("data/|results/[^/]+/(checkpoints|metrics)/", name)]
    changed = [name for name in kept if as_recorded(name) is False]
    if changed:
        align = shlex.join(["workflow/sync.py", "align", *map(str, workflow.config_settings.configfiles)])
        sys.exit(
            f"{some(changed)}: not as Snakemake made it, but put here by DVC or copied without its time: `{align}`"
            " (with an edit not yet run: `dvc repro`, or take the edit back, align, edit again)"
        )


def make_stale_results_again():
    """Have those jobs run whose results are here and not the wanted ones, whatever Snakemake's own records say."""
    found = stale.stale(PARAMS, JOBS)
    told = [f"{path} ({why})" for path, why in found.items() if not why.startswith("nobody")]
    if told:
        logger.info(f"Made with other parameters, code or data than the wanted ones, so made again: {some(told)}")
    # As Snakemake does with incomplete files; --forcerun would add them to the targets as well.
    workflow.dag.forcefiles.update(found)


def look_before(build):
    """Snakemake's building of its plan, behind a look at what is here; by then it has read options and profiles."""

    def look_and_build():
        if workflow.touch:
            if "PATCHVAE_ALIGN" not in os.environ:
                sys.exit(
                    "--touch would record that what lies here was made with the parameters of today:"
                    " `workflow/sync.py align` records what it was made with"
                )
        elif "PATCHVAE_STAGE" not in os.environ:  # DVC knows what it put here
            refuse_what_dvc_put_here()
            make_stale_results_again()
        build()

    return look_and_build


if workflow.is_main_process:  # the inputs of jobs in processes of their own are recorded only when they end
    workflow._build_dag = look_before(workflow._build_dag)


wildcard_constraints:
    run=re.escape(PARAMS["run"]),
    dataset="|".join(map(re.escape, PARAMS["datasets"])),
    variant="|".join(map(re.escape, variants.variants(PARAMS))),
    regime="[^/]+",
    seed="[0-9]+",
    head="|".join(map(re.escape, PARAMS["heads"])),
    table="|".join(map(re.escape, [*plan.FINETUNED, *sweeps(PARAMS)])),
    key="|".join(map(re.escape, sweeps(PARAMS))) or "(?!)",
    figure="|".join(plan.PARTS_FIGURES),


def told(rule):
    """The params of a job on which Snakemake makes it again: its whole configuration, as one sorted JSON text, and the
    fingerprint of its code."""

    def config_json(wildcards):
        try:
            return canonical(resolve(PARAMS, rule, dict(wildcards)))
        except PatchVAEError as error:
            raise WorkflowError(str(error))

    def code_sha256(wildcards):
        return layout.code_of(PARAMS, rule, dict(wildcards))

    return {"code": code_sha256, "cfg": config_json}


# Snakemake compares no params that are made from inputs, so these two make no job run again: they are what a job holds
# its inputs against.
def wanted_inputs(wildcards, input):
    """What the data, masks and checkpoint among the inputs must have been made with."""
    return stale.wanted_inputs(PARAMS, MADE_BY, input)


def wanted_metrics(wildcards, input):
    """What each metrics file must have been measured with, in the order of the inputs."""
    return stale.wanted_metrics(PARAMS, MADE_BY, input)


def names(datasets):
    """A pattern of these data sets."""
    return "|".join(map(re.escape, datasets)) or "(?!)"


def source_set_of(wildcards):
    """The data set whose sources lie in data/raw."""
    return variants.source_set(PARAMS, wildcards.dataset)


def mask_files(wildcards):
    """The weight masks of a variant trained with L_w, else nothing."""
    return MASKS if variants.weighted(PARAMS, wildcards.variant) else []


def label_files(wildcards):
    """The labels of a variant trained with them, else nothing."""
    return LABELS[0] if variants.supervised(PARAMS, wildcards.variant) else []


def inputs_of(rule):
    """An input function: the files that a job reads, by the names that jobs.py and reports.py have for them."""

    def files(wildcards):
        return layout.inputs(rule, PARAMS, dict(wildcards))

    return files


def outputs_of(rule):
    """The outputs of a rule by name; a report's page and picture are shown in `snakemake --report`."""
    found = dict(KINDS[rule].outputs)
    kind = REPORTS.get(rule)
    shown = {"html": f"../report/{rule}.rst", "png": f"../report/{rule}_figure.rst"} if kind and kind.category else {}
    for key, caption in shown.items():
        if key in found:
            labels = {"table": kind.title} | ({"data set": "{dataset}"} if "{dataset}" in OUTPUTS[rule][0] else {})
            # Several tables of one job are told apart by their file names.
            words = {"labels": labels | {"kind": "table" if key == "html" else "figure"}}
            several = isinstance(found[key], list)
            found[key] = report(found[key], caption=caption, category=kind.category, **({} if several else words))
    return found


def log_of(name):
    """The log file of a report: named as its first output."""
    return re.sub(r"^results/(.*)\.[a-z]+$", r"logs/\1.log", OUTPUTS[name][0])


def message_of(name):
    """What a report's job is called."""
    return REPORTS[name].title.replace("{", "{wildcards.") + " of run {wildcards.run}"


def options_of(name):
    """A params function: the files of a report as options of its command."""

    def files(wildcards, input, output):  # with `input`, Snakemake does not compare it: the inputs it compares anyway
        return shlex.join(layout.options(name, PARAMS, dict(wildcards)))

    return files


def every_output():
    """All that a run makes."""
    return [path.format(**job) for rule, job in JOBS for path in OUTPUTS[rule]]


onstart:
    at_work = "PATCHVAE_STAGE" not in os.environ and dvc_at_work()
    if at_work:
        sys.exit(f"{at_work} works in this folder: wait for it")
    done = {path for job in workflow.dag.jobs if not workflow.dag.needrun(job) for path in job.output}
    states.clean(Path("scratch"), done.__contains__)
    # Its timer starts another one each time a job ends, and all of them look at the ready jobs' inputs every second:
    # a fifth of a core after seventy jobs, and a second at each exit. 100 jobs a second are never reached here.
    workflow.scheduler.job_rate_limiter = None
    # SLURM's plugin asks the controller for this before each look at the jobs; without an answer it asks `sacct` until
    # that answers, which on a cluster without accounting is never. The value does not change, so ask once.
    slurm_plugin = sys.modules.get("snakemake_executor_plugin_slurm")
    if slurm_plugin:
        age = slurm_plugin.get_min_job_age()
        slurm_plugin.get_min_job_age = lambda: age
