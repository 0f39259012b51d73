# Parameters, and the one helper per need that the other files use.

import atexit
import base64
import importlib.util
import os
import re
import shlex
import subprocess
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
from patchvae import gpus, plan, variants
from patchvae.checks import checked_params
from patchvae.config import sweeps
from patchvae.errors import PatchVAEError
from patchvae.files import canonical
from patchvae.report import readme
from patchvae.training import states
from patchvae.resolve import resolve
from engines import UNRECORDED, as_recorded, confirmed, cut_off, dvc_at_work, some

# Jobs run with the Python that runs Snakemake, or with that of the Conda environment or the container where `--sdm` asks
# for one, and with this checkout's package, installed or not.
# `exec` leaves no shell between Snakemake and the job: SLURM signals all processes, and an older bash would die at once,
# while its training still saves its state.
deployed = {DeploymentMethod.CONDA, DeploymentMethod.APPTAINER} & {*workflow.deployment_settings.deployment_method}
IMAGE = ROOT / "workflow/envs/patchvae.sif"
if DeploymentMethod.APPTAINER in deployed and re.search(r"\s", str(IMAGE)):
    sys.exit(f"{ROOT}: Snakemake takes no image from a path with a space in it: `--sdm apptainer` needs another folder")
if DeploymentMethod.APPTAINER in deployed and not IMAGE.exists():
    sys.exit(f"{IMAGE} is missing: `apptainer build {IMAGE} {IMAGE.with_suffix('.def')}` in {ROOT}")
bin_folder = "" if deployed else f"{shlex.quote(os.path.dirname(sys.executable))}:"
shell.prefix(f"set -euo pipefail; export PATH={bin_folder}$PATH PYTHONPATH={shlex.quote(str(ROOT / 'src'))}; exec ")


# `dvc` is no parameter: a profile sets it.
CONFIG = {key: value for key, value in workflow.config_settings.config.items() if key != "dvc"}
USES_DVC = str(workflow.config_settings.config.get("dvc", True)).lower()
STAGE = "PATCHVAE_STAGE" in os.environ  # DVC runs this one job


def read_parameters():
    """params.yaml, the overlays given with --configfile, then --config, checked."""
    try:
        if USES_DVC not in ("true", "false"):
            raise PatchVAEError(f"--config: dvc: {USES_DVC} is neither true nor false")
        # Read again instead of `configfile:`, which takes 3e-05 for a string and merges lists' blocks its own way.
        tracked = os.environ.get("PATCHVAE_ALIGN", ROOT / "params.yaml")
        return checked_params([tracked, *workflow.config_settings.configfiles], CONFIG)
    except PatchVAEError as error:
        sys.exit(str(error))  # Snakemake prints lines of this file around a WorkflowError


PARAMS = read_parameters()
PLAIN = not (STAGE or CONFIG or workflow.config_settings.configfiles)  # the run of params.yaml itself
# Whether DVC records it without being told
TRACKED = (
    PLAIN
    and USES_DVC == "true"
    and all((ROOT / name).exists() for name in (".git", ".dvc"))
    and importlib.util.find_spec("dvc") is not None
)


def answer_of_the_run():
    """What the report's front page shows, where the run has claims: the answer, the figure as a link, and the table."""
    tables = [ROOT / f"results/{PARAMS['run']}/tables/{name}.md" for name in ("answer", "decision_answer")]
    picture = ROOT / f"results/{PARAMS['run']}/figures/answer.png"
    if not (tables[0].is_file() and picture.is_file()):
        return {}
    texts = [path.read_text(encoding="utf-8") for path in tables if path.is_file()]
    answer, caption, rows = readme.split(re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", readme.joined(texts)))  # without links
    # In lines, since reStructuredText limits their length
    text = base64.encodebytes(picture.read_bytes()).decode().strip()
    return {"answer": answer, "picture": f"data:image/png;base64,{text}", "caption": caption, "rows": rows}


workflow.config.update(answer_of_the_run())  # all that workflow/report/front.rst sees of this file

JOBS = list(layout.jobs(PARAMS))
MADE_BY = {path.format(**job): (rule, job) for rule, job in JOBS for path in OUTPUTS[rule]}


def sync(command):
    """Call workflow/sync.py; all that it says goes to the error stream. Returns its exit status."""
    places = [os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]
    environment = os.environ | {"PATH": os.pathsep.join(places)}
    words = [sys.executable, str(ROOT / "workflow/sync.py"), command]
    return subprocess.run(words, stdout=sys.stderr, env=environment).returncode


def heed_what_dvc_put_here(executing):
    """Let Snakemake know of what DVC has put here; refuse data, checkpoints and metrics from nowhere."""
    here = [name for name in every_output() if (ROOT / name).is_file() and not cut_off(name)]
    foreign = [name for name in here if not as_recorded(name)]
    remedy = (
        f"not as Snakemake made it: `{shlex.join(['workflow/sync.py', 'align', *map(str, workflow.config_settings.configfiles)])}`"
        " trusts the results' own records"
    )
    if foreign and TRACKED and (ROOT / "dvc.lock").exists():
        if not executing:
            logger.info(
                f"Not as Snakemake made it: {some(foreign)}. If DVC has put it here, `snakemake` takes note of that"
                " first, and some of the jobs below will not run."
            )
            return
        remedy = (
            "neither as Snakemake made it nor as dvc.lock has it: `dvc checkout` for the recorded one, or, in a copy that"
            " lost its times, `workflow/sync.py align params.yaml`, which trusts the results' own records"
        )
        found = confirmed(foreign)
        if found:
            logger.info(f"Put here by DVC: {some(sorted(found))}")
            folders = [path for path in (ROOT / ".snakemake").iterdir() if path.is_dir()]
            if sync("align"):
                sys.exit(1)  # it has said why
            for path in folders:  # of which its Snakemake has removed the empty ones
                path.mkdir(exist_ok=True)
            foreign = [name for name in foreign if name not in found]
    kept = [name for name in foreign if re.match("data/|results/[^/]+/(checkpoints|metrics)/", name)]
    changed = [name for name in kept if as_recorded(name) is False]  # without a record it may have been made here
    if changed:
        sys.exit(f"{some(changed)}: {remedy}")


def make_stale_results_again():
    """Have those jobs run whose results are here and not the wanted ones, whatever Snakemake's own records say."""
    found = stale.stale(PARAMS, JOBS)
    told = [f"{path} ({why})" for path, why in found.items() if not why.startswith("nobody")]
    if told:
        logger.info(f"Made with other parameters, code or data than the wanted ones, so made again: {some(told)}")
    # As Snakemake does with incomplete files; --forcerun would add them to the targets as well.
    workflow.dag.forcefiles.update(found)


def every_job():
    """Whether all of the run is asked for."""
    asked = workflow.dag_settings
    return {*asked.targets} <= {"all"} and not (asked.until or asked.omit_from or asked.batch or asked.allowed_rules)


def record():
    """Have DVC record the run if it is complete, and end with an error if that fails.

    At the exit, when Snakemake has let go of its lock. What a kill cuts off here, the next complete run makes up for.
    """
    if not UNRECORDED.exists() or any(True for _ in workflow.dag.needrun_jobs()):
        return
    print("Recording the run in DVC (no longer wanted: `--config dvc=false`, also in a profile)", file=sys.stderr)
    try:
        status = sync("adopt")
    except KeyboardInterrupt:
        status = 130
    if status:
        print("The run is complete; `snakemake` or `workflow/sync.py adopt` records it", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(status)  # an exception would change nothing here


def share_out_gpus():
    """Limit the jobs at work on GPUs to what this machine has, and tell those that asked for one to insist on it.

    `--resources gpu=N` sets the limit, where N above the number of GPUs has them shared evenly. It also says that there
    are any, as a cluster does; without it a machine without GPUs trains on its CPU.
    """
    given = workflow.global_resources.get("gpu").value
    if workflow.is_main_process and workflow.local_exec:
        count = len(gpus.visible())
        if count and given is None:
            workflow.register_resource("gpu", count * gpus.jobs_per_gpu())
        elif count:
            os.environ.setdefault(gpus.PER_GPU, str(max(-(-given // count), 1)))
        if count and gpus.jobs_per_gpu() > 1 and not gpus.side_by_side():
            print(f"--resources gpu: {gpus.TURNS}", file=sys.stderr)
    if given or workflow.remote_exec:
        asked = {rule.name: rule.resources.get("gpu") for rule in workflow.rules}
        os.environ[gpus.JOBS] = " ".join(sorted(name for name, gpu in asked.items() if gpu.is_evaluable() or gpu.value))


def look_at_what_is_here(executing):
    """Refuse or remake results that are not the wanted ones."""
    if workflow.touch:
        if "PATCHVAE_ALIGN" not in os.environ:
            sys.exit(
                "--touch would record that what lies here was made with the parameters of today:"
                " `workflow/sync.py align` records what it was made with"
            )
    elif not STAGE:  # DVC knows what it put here
        heed_what_dvc_put_here(executing)
        make_stale_results_again()


def look_before(build):
    """Snakemake's building of its plan, behind a look around; by then it has read options and profiles."""

    def look_and_build():
        executing = workflow.executor_plugin is not None and not (workflow.dryrun or workflow.touch)
        if not (workflow.dryrun or workflow.touch):
            share_out_gpus()
        if workflow.is_main_process:  # the inputs of jobs in processes of their own are recorded only when they end
            look_at_what_is_here(executing)
        build()
        if executing and workflow.is_main_process and TRACKED and every_job():
            atexit.register(record)

    return look_and_build


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
    floor="|".join(plan.FLOORS),


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


def rate_files(wildcards):
    """The metrics file with a fine-tuning's chosen rate, else nothing."""
    return layout.rates_behind("finetune", PARAMS, dict(wildcards))


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
    at_work = not STAGE and dvc_at_work()
    if at_work:
        sys.exit(f"{at_work} works in this folder: wait for it")
    if PLAIN and not workflow.touch:
        UNRECORDED.touch()
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
