# The plan of the run, and what the rules share. What a job reads, makes and computes stands in its file in jobs/, which
# `patchvae plan` writes as well. Only the records beside the results decide which jobs are to run.

import atexit
import base64
import functools
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from snakemake.settings.enums import RerunTrigger
from snakemake.settings.types import DeploymentMethod

ROOT = Path(workflow.basedir)
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "workflow")]

from engines import UNRECORDED, dvc_at_work, locked, refuse_links, some
from patchvae.errors import PatchVAEError
from patchvae.jobs import gpus, states
from patchvae.params.checks import checked_params
from patchvae.params.measuring import FLOORS
from patchvae.params.reading import load_params
from patchvae.plan import jobs as plan
from patchvae.report import readme
from sync import set_aside

# ---- how a job is called

# The command of every rule; the job's file names its log.
RUN = "python -m patchvae.cli run {input.job:q} --threads {threads}"

# `python` is the one that runs Snakemake, or that of the Conda environment or the image where `--sdm` asks for one. It
# takes this checkout's package, installed or not.
# `exec` leaves no shell between Snakemake and the job: SLURM signals all processes, and an older bash would die at once,
# while its training still saves its state.
deployed = {DeploymentMethod.CONDA, DeploymentMethod.APPTAINER} & {*workflow.deployment_settings.deployment_method}
bin_folder = "" if deployed else f"{shlex.quote(os.path.dirname(sys.executable))}:"
shell.prefix(f"set -euo pipefail; export PATH={bin_folder}$PATH PYTHONPATH={shlex.quote(str(ROOT / 'src'))}; exec ")

IMAGE = ROOT / "workflow/envs/patchvae.sif"
if DeploymentMethod.APPTAINER in deployed:
    if re.search(r"\s", str(IMAGE)):
        sys.exit(f"{ROOT}: Snakemake takes no image from a path with a space: `--sdm apptainer` needs another folder")
    if not IMAGE.exists():
        sys.exit(f"{IMAGE} is missing: `apptainer build {IMAGE} {IMAGE.with_suffix('.def')}` in {ROOT}")

# ---- the plan

# The run is params.yaml, under the overlays of --configfile, under --config. All are read here again: Snakemake itself
# takes 3e-05 for a string and merges lists' blocks its own way. `dvc` is no parameter: a profile sets it.
CONFIG = {key: value for key, value in workflow.config_settings.config.items() if key != "dvc"}
USES_DVC = str(workflow.config_settings.config.get("dvc", True)).lower()
OVERLAYS = [*workflow.config_settings.configfiles]
PARAMS_FILES = [ROOT / "params.yaml", *OVERLAYS]
PLAIN = not (CONFIG or OVERLAYS)  # the run of params.yaml itself, which DVC records without being asked
TRACKED = (
    PLAIN
    and USES_DVC == "true"
    and all((ROOT / name).exists() for name in (".git", ".dvc"))
    and importlib.util.find_spec("dvc") is not None
)

# Snakemake's main process writes the job files. The process of a single job reads them, so that it never sees a later
# edit. While another engine works here, a main process writes its job files to a folder `aside`, and `onstart` ends the
# process, unless it is a dry run.
JOBS, STATES, NEEDED, PLACE, aside = [], {}, [], "", None
if workflow.is_main_process:
    try:
        if USES_DVC not in ("true", "false"):
            raise PatchVAEError(f"--config: dvc: {USES_DVC} is neither true nor false")
        PARAMS = checked_params(PARAMS_FILES, CONFIG)
        RUN_NAME, JOBS = PARAMS["run"], plan.planned(PARAMS)
        if locked() or dvc_at_work():
            aside = tempfile.TemporaryDirectory()
            PLACE = f"{aside.name}/"
        STATES = plan.write(JOBS, folder=Path(PLACE))
    except PatchVAEError as error:
        sys.exit(str(error))  # Snakemake prints lines of this file around a WorkflowError
    NEEDED = [path for job in plan.needed(JOBS, STATES) for path in (*job.makes, job.record)]
    wrong = [f"{path} ({state.why})" for path, state in STATES.items() if state.word == "wrong"]
    if wrong:
        print(f"Results that are not the wanted ones, by the files of their jobs: {some(wrong)}", file=sys.stderr)
else:
    RUN_NAME = CONFIG.get("run") or load_params(PARAMS_FILES)["run"]


wildcard_constraints:
    run=re.escape(RUN_NAME),
    dataset="[^/]+",
    variant="[^/]+",
    regime="[^/]+",
    seed="[0-9]+",
    head="[^/]+",
    table="[^/]+",
    key="[^/]+",


def names(rule):
    """A regular expression of the data sets that a rule makes in this run."""
    found = Path(PLACE, "jobs", RUN_NAME, rule).glob("*.json")
    return "|".join(re.escape(path.stem) for path in found) or "(?!)"


def regular(pattern):
    """The regular expression of a rule's pattern, in which {name} is one part of a name, and ** any folders and names."""
    return re.sub(r"\\{\w+\\}", "[^/]+", re.escape(pattern)).replace(r"\*\*", ".*")


def inputs_of(file, *shown):
    """The inputs of a rule: a job's file, and all that the job reads, which must fit one of the patterns `shown`.

    A right result is not to be made again because its inputs are missing or newer, so these are `ancient`. A job that is
    to run has plain inputs: Snakemake does not ask whether the job that makes an ancient input has to run.
    """
    known = re.compile("|".join(map(regular, shown)) or "(?!)")

    def inputs(wildcards):
        refuse_other_triggers()
        share_out_gpus()
        path = file.format(**{"run": RUN_NAME, **wildcards})
        reads = plan.read_job(Path(PLACE, path)).reads
        hidden = [name for name in reads if not known.fullmatch(name)]
        if hidden:
            raise PatchVAEError(f"{path} reads {hidden[0]}, which its rule does not show")
        word, why = STATES.get(path, plan.State("missing"))
        if word == "right" or (word == "partial" and why not in {*NEEDED, *workflow.dag_settings.targets}):
            reads = [ancient(name) for name in reads if os.path.exists(name)]
        return {"job": PLACE + path, "files": reads}

    return unpack(inputs)


@functools.cache
def refuse_other_triggers():
    """End the process where Snakemake would go by notes of its own, and not by the times of the job files alone."""
    settings = workflow.dag_settings
    if workflow.is_main_process and (
        {*settings.rerun_triggers} != {RerunTrigger.MTIME} or settings.max_checksum_file_size
    ):
        sys.exit(
            "`rerun-triggers: [mtime]` and `max-checksum-file-size: 0` of profiles/default/config.yaml have to stay: without"
            " them Snakemake would not see which results are the wanted ones"
        )


# ---- GPUs


@functools.cache
def share_out_gpus():
    """Let no more jobs use GPUs at a time than this machine has, and have jobs that ask for a GPU insist on one.

    `--resources gpu=N` sets the number of jobs; if there are fewer GPUs, equally many jobs share each. It also says that
    there are GPUs, as a cluster's executor does. Without it a machine that has none trains on its CPU.
    To be called when the first job is planned: Snakemake has chosen its executor by then, and started no job. What is
    set in the environment here reaches the processes of single jobs; a job on a cluster's node calls this itself.
    """
    if workflow.subprocess_exec or workflow.dryrun or workflow.touch:
        return
    given = workflow.global_resources.get("gpu").value
    count = len(gpus.visible()) if workflow.is_main_process and workflow.local_exec else 0
    if count:
        if given is None:
            workflow.register_resource("gpu", count * gpus.jobs_per_gpu())
        else:
            os.environ.setdefault(gpus.PER_GPU, str(max(-(-given // count), 1)))
        if gpus.jobs_per_gpu() > 1 and not gpus.side_by_side():
            print(f"--resources gpu: {gpus.TURNS}", file=sys.stderr)
    if given or workflow.remote_exec:
        asked = {rule.name: rule.resources.get("gpu") for rule in workflow.rules}
        os.environ[gpus.JOBS] = " ".join(sorted(name for name, gpu in asked.items() if gpu.is_evaluable() or gpu.value))


# ---- the page of `snakemake --report`


def answer_of_the_run():
    """What the front page shows of a run with claims, by its name in workflow/report/front.rst; nothing without claims."""
    tables = [ROOT / f"results/{RUN_NAME}/tables/{name}.md" for name in ("answer", "decision_answer")]
    picture = ROOT / f"results/{RUN_NAME}/figures/answer.png"
    if not (tables[0].is_file() and picture.is_file()):
        return {}
    texts = [path.read_text(encoding="utf-8") for path in tables if path.is_file()]
    answer, caption, rows = readme.split(re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", readme.joined(texts)))  # without links
    # In lines, since reStructuredText limits their length
    text = base64.encodebytes(picture.read_bytes()).decode().strip()
    return {"answer": answer, "picture": f"data:image/png;base64,{text}", "caption": caption, "rows": rows}


workflow.config.update(answer_of_the_run())  # all that front.rst sees of this file


def shown(path, caption, category, title):
    """An output that the page shows under a category and a title, with the caption workflow/report/CAPTION.rst.

    Its labels also name its data set and, but for the category Figures, whether it is a table or a figure of one.
    """
    labels = {"figure" if category == "Figures" else "table": title}
    if "{dataset}" in path:
        labels["data set"] = "{dataset}"
    if category != "Figures":
        labels["kind"] = "figure" if path.endswith(".png") else "table"
    return report(path, caption=f"../report/{caption}.rst", category=category, labels=labels)


# ---- before the first job and after the last


onstart:
    at_work = dvc_at_work() or (aside and "another snakemake")
    if at_work:
        sys.exit(f"{at_work} works in this folder: wait for it")
    if PLAIN and not workflow.touch:
        UNRECORDED.touch()
    states.clean(Path("scratch"))
    # The limiter's timer starts another timer each time a job ends, and each of them looks at the inputs of all ready jobs
    # every second: a fifth of a core after seventy jobs, and a second at each exit. Its limit is 100 jobs a second, which
    # no run reaches.
    workflow.scheduler.job_rate_limiter = None
    # SLURM's plugin asks the controller for MinJobAge before each look at the jobs. Without an answer it asks `sacct` until
    # that answers, which on a cluster without accounting is never. The value does not change, so it is asked for once.
    slurm_plugin = sys.modules.get("snakemake_executor_plugin_slurm")
    if slurm_plugin:
        age = slurm_plugin.get_min_job_age()
        slurm_plugin.get_min_job_age = lambda: age


def end():
    """After a call that ran jobs: name what is still wrong; have DVC record the run of params.yaml if it is complete.

    Called at the exit of the main process, when Snakemake has let go of its lock. Where a kill cuts this off, the next
    complete run does it.
    """
    if workflow.executor_plugin is None or workflow.dryrun or workflow.touch:
        return
    found, asked = plan.states(JOBS), workflow.dag_settings
    words = {found[job.path].word for job in plan.needed(JOBS, found)}
    all_jobs = {*asked.targets} <= {"all"} and not (
        asked.until or asked.omit_from or asked.batch or asked.allowed_rules
    )
    # Where a job has failed, results are missing, and Snakemake has named it.
    if "wrong" in words and "missing" not in words and all_jobs:
        print(
            "Some results are not the wanted ones, as what they read was made again: `snakemake` again", file=sys.stderr
        )
        leave(1)
    if not (TRACKED and {state.word for state in found.values()} == {"right"}):
        return
    set_aside(RUN_NAME, JOBS)  # files of another plan, in folders on which DVC's stages depend
    if not UNRECORDED.exists():
        return
    try:
        refuse_links(path for job in JOBS for path in job.makes)
    except PatchVAEError as error:
        return print(f"Not recorded in DVC: {error}", file=sys.stderr)
    print("Recording the run in DVC (no longer wanted: `--config dvc=false`, also in a profile)", file=sys.stderr)
    environment = os.environ | {"PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])}
    try:
        command = [sys.executable, str(ROOT / "workflow/sync.py"), "adopt"]
        status = subprocess.run(command, stdout=sys.stderr, env=environment).returncode
    except KeyboardInterrupt:
        status = 130
    if status:
        print("The run is complete; `snakemake` or `workflow/sync.py adopt` records it", file=sys.stderr)
        leave(status)


def leave(status):
    """End the process with an exit status; where `end` is called, an exception would change nothing."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if workflow.is_main_process:
    atexit.register(end)
