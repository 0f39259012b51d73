# The plan of the run, and what every rule uses. What a job reads, makes and computes stands in its file in jobs/, which
# `patchvae plan` writes as well; only the records beside the results decide which jobs are to run.

import atexit
import base64
import importlib.util
import json
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

from engines import UNRECORDED, dvc_at_work, linked_away, locked, some
from patchvae.errors import PatchVAEError
from patchvae.files import read_json
from patchvae.jobs import gpus, states
from patchvae.params.checks import checked_params
from patchvae.params.reading import load_params
from patchvae.plan import jobs as plan
from patchvae.plan.names import FLOORS
from patchvae.report import readme

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

# The command of every rule; a job's log is named in its file
RUN = "python -m patchvae.cli run {input.job:q} --threads {threads}"

# `dvc` is no parameter: a profile sets it.
CONFIG = {key: value for key, value in workflow.config_settings.config.items() if key != "dvc"}
USES_DVC = str(workflow.config_settings.config.get("dvc", True)).lower()
OVERLAYS = [*workflow.config_settings.configfiles]
PLAIN = not (CONFIG or OVERLAYS)  # the run of params.yaml itself, which DVC records without being asked
TRACKED = (
    PLAIN
    and USES_DVC == "true"
    and all((ROOT / name).exists() for name in (".git", ".dvc"))
    and importlib.util.find_spec("dvc") is not None
)


def planned():
    """The parameters of the run (params.yaml, the overlays of --configfile, then --config), and its jobs.

    Snakemake's own reading of them takes 3e-05 for a string and merges lists' blocks its own way.
    """
    try:
        if USES_DVC not in ("true", "false"):
            raise PatchVAEError(f"--config: dvc: {USES_DVC} is neither true nor false")
        params = checked_params([ROOT / "params.yaml", *OVERLAYS], CONFIG)
        return params, plan.planned(params)
    except PatchVAEError as error:
        sys.exit(str(error))  # Snakemake prints lines of this file around a WorkflowError


# The processes of single jobs read the job files that the main process wrote, so an edit meanwhile is not theirs. A main
# process beside another engine at work writes its own ones elsewhere, and ends in `onstart` unless it is a dry run.
JOBS, STATES, NEEDED, PLACE, aside = [], {}, [], "", None
if workflow.is_main_process:
    PARAMS, JOBS = planned()
    RUN_NAME = PARAMS["run"]
    aside = tempfile.TemporaryDirectory() if locked() or dvc_at_work() else None
    PLACE = f"{aside.name}/" if aside else ""
    try:
        STATES = plan.write(JOBS, folder=Path(aside.name) if aside else None)
    except PatchVAEError as error:
        sys.exit(str(error))
    NEEDED = [path for job in plan.needed(JOBS, STATES) for path in (*job.makes, job.record)]
    wrong = [f"{path} ({state.why})" for path, state in STATES.items() if state.word == "wrong"]
    if wrong:
        print(f"Results that are not the wanted ones, by the files of their jobs: {some(wrong)}", file=sys.stderr)
else:
    RUN_NAME = load_params([ROOT / "params.yaml", *OVERLAYS])["run"] if "run" not in CONFIG else CONFIG["run"]


def pattern(shown):
    """A regular expression for a path in which {name} is one part of a name, and ** any folders and names."""
    parts = re.split(r"(\{\w+\}|\*\*)", shown)
    return "".join({"**": ".*"}.get(part, "[^/]+" if part.startswith("{") else re.escape(part)) for part in parts)


def inputs_of(file, *shown):
    """An input function: the file of a job, and the files that it reads, which the rule shows as patterns.

    A job whose results are right is not to run for the sake of its inputs, so that those are `ancient`; a job that is to
    run has plain ones, since Snakemake does not ask an ancient input's job for reasons of its own.
    """
    known = re.compile("|".join(map(pattern, shown)) or "(?!)")

    def inputs(wildcards):
        refuse_other_triggers()
        share_out_gpus()
        path = file.format(**{"run": RUN_NAME, **wildcards})
        content = read_json(Path(PLACE, path))
        reads = [
            name for files in content["inputs"].values() for name in ([files] if isinstance(files, str) else files)
        ]
        hidden = [name for name in reads if not known.fullmatch(name)]
        if hidden:
            raise PatchVAEError(f"{path} reads {hidden[0]}, which its rule does not show")
        word = STATES[path].word if path in STATES else "missing"
        if word == "right" or (word == "partial" and STATES[path].why not in {*NEEDED, *workflow.dag_settings.targets}):
            reads = [ancient(name) for name in reads if os.path.exists(name)]
        return {"job": PLACE + path, "files": reads}

    return inputs


def names(rule):
    """A pattern of the data sets that a rule makes."""
    found = Path(PLACE, "jobs", RUN_NAME, rule).glob("*.json")
    return "|".join(re.escape(path.stem) for path in found) or "(?!)"


wildcard_constraints:
    run=re.escape(RUN_NAME),
    dataset="[^/]+",
    variant="[^/]+",
    regime="[^/]+",
    seed="[0-9]+",
    head="[^/]+",
    table="[^/]+",
    key="[^/]+",


def refuse_other_triggers():
    """End where Snakemake would decide by notes of its own what is to run, and not by the times of the job files."""
    settings = workflow.dag_settings
    if workflow.is_main_process and (
        {*settings.rerun_triggers} != {RerunTrigger.MTIME} or settings.max_checksum_file_size
    ):
        sys.exit(
            "`rerun-triggers: [mtime]` and `max-checksum-file-size: 0` of profiles/default/config.yaml have to stay: without"
            " them Snakemake would not see which results are the wanted ones"
        )


# ---- GPUs

shared_out = workflow.subprocess_exec  # such a process has what the main one has set; a cluster's job sets it itself


def share_out_gpus():
    """Limit the jobs at work on GPUs to what this machine has, and tell those that asked for one to insist on it.

    `--resources gpu=N` sets the limit, where N above the number of GPUs has them shared evenly. It also says that there
    are any, as a cluster does; without it a machine without GPUs trains on its CPU. Called when the first job is
    planned, as Snakemake knows by then how it runs jobs, and has not begun to.
    """
    global shared_out
    if shared_out or workflow.dryrun or workflow.touch:
        return
    shared_out = True
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


# ---- the report's front page


def answer_of_the_run():
    """What the report's front page shows, where the run has claims: the answer, the figure as a link, and the table."""
    tables = [ROOT / f"results/{RUN_NAME}/tables/{name}.md" for name in ("answer", "decision_answer")]
    picture = ROOT / f"results/{RUN_NAME}/figures/answer.png"
    if not (tables[0].is_file() and picture.is_file()):
        return {}
    texts = [path.read_text(encoding="utf-8") for path in tables if path.is_file()]
    answer, caption, rows = readme.split(re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", readme.joined(texts)))  # without links
    # In lines, since reStructuredText limits their length
    text = base64.encodebytes(picture.read_bytes()).decode().strip()
    return {"answer": answer, "picture": f"data:image/png;base64,{text}", "caption": caption, "rows": rows}


workflow.config.update(answer_of_the_run())  # all that workflow/report/front.rst sees of this file


def shown(path, rule, category, title, kind="table", **labels):
    """An output that the page of `snakemake --report` shows."""
    labels = {"table": title, **labels, "kind": kind}
    caption = f"../report/{rule}{'_figure' if kind == 'figure' else ''}.rst"
    return report(path, caption=caption, category=category, labels=labels)


# ---- before the first job and after the last


onstart:
    at_work = dvc_at_work() or (aside and "another snakemake")
    if at_work:
        sys.exit(f"{at_work} works in this folder: wait for it")
    if PLAIN and not workflow.touch:
        UNRECORDED.touch()
    states.clean(Path("scratch"))
    # Its timer starts another one each time a job ends, and all of them look at the ready jobs' inputs every second:
    # a fifth of a core after seventy jobs, and a second at each exit. 100 jobs a second are never reached here.
    workflow.scheduler.job_rate_limiter = None
    # SLURM's plugin asks the controller for this before each look at the jobs; without an answer it asks `sacct` until
    # that answers, which on a cluster without accounting is never. The value does not change, so ask once.
    slurm_plugin = sys.modules.get("snakemake_executor_plugin_slurm")
    if slurm_plugin:
        age = slurm_plugin.get_min_job_age()
        slurm_plugin.get_min_job_age = lambda: age


def every_job():
    """Whether all of the run was asked for."""
    asked = workflow.dag_settings
    return {*asked.targets} <= {"all"} and not (asked.until or asked.omit_from or asked.batch or asked.allowed_rules)


def end():
    """After a call that ran jobs: have DVC record the run of params.yaml if it is complete; name what is still wrong.

    At the exit, when Snakemake has let go of its lock. What a kill cuts off here, the next complete run makes up for.
    """
    if workflow.executor_plugin is None or workflow.dryrun or workflow.touch:
        return
    found = plan.states(JOBS)
    words = {found[job.path].word for job in plan.needed(JOBS, found)}
    if "wrong" in words and "missing" not in words and every_job():  # a job that failed is missing, and told already
        print(
            "Some results are not the wanted ones, as what they read was made again: `snakemake` again", file=sys.stderr
        )
        sys.stderr.flush()
        os._exit(1)  # an exception would change nothing here
    if not (TRACKED and {state.word for state in found.values()} == {"right"} and UNRECORDED.exists()):
        return
    why = linked_away(path for job in JOBS for path in job.makes)
    if why:
        return print(f"Not recorded in DVC: {why}", file=sys.stderr)
    print("Recording the run in DVC (no longer wanted: `--config dvc=false`, also in a profile)", file=sys.stderr)
    environment = os.environ | {"PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])}
    try:
        command = [sys.executable, str(ROOT / "workflow/sync.py"), "adopt"]
        status = subprocess.run(command, stdout=sys.stderr, env=environment).returncode
    except KeyboardInterrupt:
        status = 130
    if status:
        print("The run is complete; `snakemake` or `workflow/sync.py adopt` records it", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(status)  # an exception would change nothing here


if workflow.is_main_process:
    atexit.register(end)
