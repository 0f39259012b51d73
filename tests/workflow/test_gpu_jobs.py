"""Snakemake's jobs on a machine with two fake GPUs, and which jobs insist on one."""

import json
import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, SNAKEMAKE, copy_checkout, environment

from patchvae.jobs import gpus

# The stand-in for what jobs do, whose trainings take a while and which writes down what they had.
HOLDS = '''

def held(job: Job, config: dict[str, Any], device: str, threads: int) -> None:
    """Do a job, and note what it had."""
    import json

    from patchvae.jobs import gpus

    noted = {"job": job.rule, "began": time.time()}
    if job.rule == "pretrain":
        time.sleep(0.5)
    write_outputs(job, config, device, threads)
    noted |= {"ended": time.time(), "gpu": os.environ.get(gpus.VISIBLE)}
    noted |= {name: os.environ.get(name) for name in (gpus.JOBS, gpus.PER_GPU)}
    with open("held.jsonl", "a") as stream:
        stream.write(json.dumps(noted) + "\\n")


write_outputs, work = work, held
'''


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A checkout whose jobs hold GPUs, and beside it an nvidia-smi that lists two."""
    clone = copy_checkout(tmp_path / "clone")
    stand_in = (ROOT / "tests/e2e/fake_work.py").read_text(encoding="utf-8")
    (clone / "src/patchvae/jobs/work.py").write_text(stand_in + HOLDS, encoding="utf-8")
    script = tmp_path / "nvidia-smi"
    script.write_text("#!/bin/sh\necho 'GPU 0: Fake (UUID: GPU-a)'\necho 'GPU 1: Fake (UUID: GPU-b)'\n")
    script.chmod(0o755)
    return clone


def held(place: Path, *options: str, until: str = "pretrain", smi: bool = True, **more: str) -> list[dict[str, str]]:
    """What every job had, in the smallest run up to this rule."""
    path = f"{place.parent}:{os.environ['PATH']}" if smi else os.environ["PATH"]
    env = environment() | {"PATH": path, gpus.LEASES: str(place.parent / "leases")} | more
    env[gpus.DEVICE] = "cuda"  # which PyTorch does not see here
    if smi:
        env.pop(gpus.VISIBLE, None)
    (place / "held.jsonl").write_text("")
    command = [*SNAKEMAKE, "--cores", "4", "--configfile", "tests/e2e/engines.yaml", "--until", until]
    done = subprocess.run([*command, "--forceall", *options], cwd=place, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (place / "told").write_text(done.stderr)
    return [json.loads(line) for line in (place / "held.jsonl").read_text().splitlines()]


# Rules whose jobs ask for a GPU
ASKING = ["few_labels", "few_labels_pixels", "fid", "finetune", "pretrain", "probe", "rates", "reconstruct"]


def most_at_once(trainings: list[dict[str, str]]) -> Counter[str]:
    """GPU -> the most trainings that it had at any time."""
    found: Counter[str] = Counter()
    for one in trainings:
        beside = [other for other in trainings if other["began"] <= one["began"] < other["ended"]]
        found |= Counter(other["gpu"] for other in beside)
    return found


def test_trainings_share_no_gpu_unless_they_may(place: Path) -> None:
    jobs = held(place)
    trainings = [job for job in jobs if job["job"] == "pretrain"]
    assert len(trainings) >= 6 and most_at_once(trainings) <= Counter({"GPU-a": 1, "GPU-b": 1})
    assert all(job["gpu"] is None for job in jobs if job not in trainings)
    assert {job[gpus.JOBS] for job in jobs} == {None}  # nobody said that there are GPUs
    assert gpus.TURNS not in (place / "told").read_text()
    shared = [job for job in held(place, "--resources", "gpu=4") if job["job"] == "pretrain"]
    assert most_at_once(shared) <= Counter({"GPU-a": 2, "GPU-b": 2})
    assert {job[gpus.PER_GPU] for job in shared} == {"2"}
    assert (place / "told").read_text().count(f"--resources gpu: {gpus.TURNS}") == 1  # there is no MPS here
    assert {job[gpus.JOBS] for job in shared} == {" ".join(ASKING)}


def test_jobs_insist_on_a_gpu_where_it_was_said_that_there_are_some(place: Path) -> None:
    none: dict[str, Any] = {gpus.VISIBLE: "", "smi": False, "until": "digit_scenes"}
    assert {job[gpus.JOBS] for job in held(place, **none)} == {None}
    told = held(place, "--resources", "gpu=1", "--set-resources", "probe:gpu=0", **none)
    assert {job[gpus.JOBS] for job in told} == {" ".join(rule for rule in ASKING if rule != "probe")}
    node = held(
        place, "--mode", "remote", "--", "data/packed/small/manifest.json", **none
    )  # as a cluster's executor does
    assert {job[gpus.JOBS] for job in node} == {" ".join(ASKING)}
