"""Prints every job of the Snakefile as JSON. Arguments: overlays."""

import contextlib
import io
import json
import sys
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.settings.enums import Quietness, RerunTrigger
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

# As profiles/default sets them
SETTINGS = DAGSettings(forceall=True, rerun_triggers=frozenset({RerunTrigger.MTIME}), max_checksum_file_size=0)

with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
    workflow = api.workflow(
        resource_settings=ResourceSettings(cores=1),
        config_settings=ConfigSettings(configfiles=[Path(name) for name in sys.argv[1:]]),
        snakefile=Path("Snakefile"),
    )
    with contextlib.redirect_stdout(io.StringIO()):
        workflow.dag(SETTINGS).printfilegraph()  # builds it
    jobs = [
        {
            "rule": job.rule.name,
            "wildcards": dict(job.wildcards_dict),
            "file": str(job.input.job),
            "inputs": [*map(str, job.input.files)],
            "outputs": [*map(str, job.output)],
            "log": [*map(str, job.log)],
            "benchmark": str(job.benchmark),
            "command": job.shellcmd,
            "threads": job.threads,
            "local": job.rule.name in workflow._workflow._localrules,
        }
        for job in workflow._workflow.dag.jobs
        if job.rule.name != "all"
    ]
json.dump(jobs, sys.stdout)
