"""Each job has a GPU of its own, and gives it back however it ends. The GPUs are fake: a script that lists them."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from helpers import rule_texts
from job_files import write_job

import patchvae
from patchvae.cli import main
from patchvae.errors import PatchVAEError
from patchvae.files import write_json
from patchvae.jobs import execute as executing
from patchvae.jobs import gpus
from patchvae.jobs.gpus import Gpu
from patchvae.plan.jobs import fingerprint
from patchvae.plan.layout import KINDS

UUIDS = [f"GPU-{number}d4c4a3e-0000-1111-2222-333344445555" for number in range(3)]
# Who started the tests may have had SIGHUP or SIGINT ignored, as nohup does.
JOB = """
import signal, sys
from patchvae.jobs import gpus
for number in (signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_DFL)
gpus.lease()
print(gpus.os.environ.get(gpus.VISIBLE), flush=True)
sys.stdin.read()
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that makes this a machine whose nvidia-smi says these lines; at first it has two GPUs."""
    for name in (gpus.VISIBLE, gpus.DEVICE, gpus.JOBS, gpus.PER_GPU):
        monkeypatch.setenv(name, "")  # so that what a lease sets is undone
        monkeypatch.delenv(name)
    monkeypatch.setenv(gpus.LEASES, str(tmp_path / "leases"))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(patchvae.__file__).parents[1]))
    monkeypatch.setattr(gpus, "_held", [])

    def listing(*lines: str, status: int = 0) -> None:
        script = tmp_path / "nvidia-smi"
        text = "\n".join(lines)
        script.write_text(f"#!/bin/sh\n[ $1 = --list-gpus ] && cat <<'END'\n{text}\nEND\nexit {status}\n")
        script.chmod(0o755)

    listing(*(f"GPU {number}: NVIDIA H100 80GB HBM3 (UUID: {uuid})" for number, uuid in enumerate(UUIDS[:2])))
    return listing


@pytest.fixture
def mps(machine: object, tmp_path: Path) -> Callable[[int], None]:
    """A function that makes NVIDIA's MPS answer with this exit status, which is not 0 where none runs."""

    def answering(status: int) -> None:
        script = tmp_path / gpus.MPS
        script.write_text(f"#!/bin/sh\ncat > {tmp_path}/asked\nexit {status}\n")
        script.chmod(0o755)

    return answering


@pytest.fixture
def start(machine: object) -> Iterator[Start]:
    """A function that starts a job which holds its GPU until its input is closed."""
    jobs = []

    def started(**environment: str) -> "subprocess.Popen[str]":
        command, pipe = [sys.executable, "-c", JOB], subprocess.PIPE
        env = os.environ | environment
        jobs.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=env))
        return jobs[-1]

    yield started
    for job in jobs:
        job.kill()
        job.communicate()


def gpu_of(job: "subprocess.Popen[str]") -> str:
    assert job.stdout is not None and job.stderr is not None
    line = job.stdout.readline()
    assert line, job.stderr.read()
    return line.strip()


def waits(job: "subprocess.Popen[str]") -> None:
    """Its first sentence says so; the rest is left to be read."""
    assert job.stderr is not None
    assert job.stderr.readline() == "waits for a free GPU: each of 2 has 1 jobs at work\n"
    assert job.poll() is None


def test_two_jobs_never_have_the_same_gpu_and_both_are_free_after_any_ten_kills(start: Start) -> None:
    ends = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGABRT]
    for number, end in enumerate(ends):
        pair = [start(), start()]  # which choose at the same time
        assert {gpu_of(job) for job in pair} == set(UUIDS[:2]), number
        for job in pair:
            job.send_signal(end)
            assert job.wait() != 0
    assert {gpu_of(start()), gpu_of(start())} == set(UUIDS[:2])


def test_a_third_job_waits_for_the_first_that_ends(start: Start) -> None:
    first, second = start(), start()
    had = [gpu_of(first), gpu_of(second)]
    third = start()
    waits(third)
    second.kill()
    assert gpu_of(third) == had[1]


def test_jobs_share_gpus_evenly_where_they_may(start: Start) -> None:
    jobs = [start(**{gpus.PER_GPU: "3"}) for _ in range(6)]
    had = [gpu_of(job) for job in jobs]
    assert Counter(had) == {UUIDS[0]: 3, UUIDS[1]: 3}
    gone = [job for job, gpu in zip(jobs, had, strict=True) if gpu == UUIDS[1]]
    for job in gone[:2]:
        job.kill()
        job.wait()
    assert [gpu_of(start(**{gpus.PER_GPU: "3"})) for _ in range(2)] == [UUIDS[1]] * 2
    waits_too = start()  # one that shares with nobody
    waits(waits_too)


def test_a_choice_that_slurm_or_a_person_made_is_kept(start: Start) -> None:
    assert gpu_of(start(**{gpus.VISIBLE: "1"})) == "1"
    assert gpu_of(start(**{gpus.VISIBLE: "1"})) == "1"  # two jobs on one GPU, if that is what SLURM says
    assert gpu_of(start()) == UUIDS[0]  # who chooses sees what the others have
    assert gpu_of(start(**{gpus.VISIBLE: ""})) == ""
    assert gpu_of(start(**{gpus.VISIBLE: "NoDevFiles"})) == "NoDevFiles"
    assert gpu_of(start(**{gpus.VISIBLE: "5,7"})) == "5"  # unknown to nvidia-smi
    assert gpu_of(start(**{gpus.VISIBLE: "5,7"})) == "7"


def test_what_nvidia_smi_lists(machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpus.visible() == [Gpu(uuid, uuid) for uuid in UUIDS[:2]]
    monkeypatch.setenv(gpus.VISIBLE, "1, GPU-abc,-1,0")
    assert gpus.visible() == [Gpu("1", UUIDS[1]), Gpu("GPU-abc", "GPU-abc")]
    monkeypatch.delenv(gpus.VISIBLE)
    machine(
        f"GPU 0: NVIDIA A100-SXM4-40GB (UUID: {UUIDS[0]})",
        "  MIG 3g.20gb     Device  0: (UUID: MIG-a)",
        "  MIG 3g.20gb     Device  1: (UUID: MIG-b)",
        f"GPU 1: NVIDIA A100-SXM4-40GB (UUID: {UUIDS[1]})",
    )
    assert gpus.listed() == ["MIG-a", "MIG-b", UUIDS[1]]
    machine("No devices were found", status=6)
    assert gpus.visible() == []
    monkeypatch.setenv("PATH", "/nowhere")
    assert gpus.visible() == []


def test_no_gpu_is_held_where_pytorch_cannot_use_it(machine: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.14.1+cpu")
    assert gpus.visible() == []


def test_a_job_that_asked_for_a_gpu_and_sees_none_stops(machine: Callable[..., None], monkeypatch, tmp_path) -> None:
    machine()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpus.for_job("pretrain", None) == "auto"
    monkeypatch.setenv(gpus.JOBS, "finetune pretrain")
    with pytest.raises(PatchVAEError, match="^pretrain asked for a GPU and PyTorch sees none on .*PATCHVAE_DEVICE=cpu"):
        gpus.for_job("pretrain", None)
    assert gpus.for_job("probe", None) == "auto"
    assert gpus.for_job("pretrain", "cpu") == "cpu"
    monkeypatch.setenv(gpus.DEVICE, "cpu")
    assert gpus.for_job("pretrain", None) == "cpu"
    monkeypatch.delenv(gpus.DEVICE)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert gpus.for_job("pretrain", None) == "cuda"


def test_the_command_line_says_so_in_one_sentence(machine, params, monkeypatch, tmp_path, capsys) -> None:
    from patchvae.plan.settings import resolve

    machine()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv(gpus.JOBS, "pretrain")
    monkeypatch.chdir(tmp_path)
    config = resolve(params, "pretrain", {"dataset": "cifar100", "variant": "patchvae", "seed": 0})
    path = write_job("pretrain", config, {}, {"checkpoint": "model.pt", "metrics": "metrics.json"})
    assert main(["run", str(path)]) == 1
    assert "pretrain asked for a GPU and PyTorch sees none on" in capsys.readouterr().err
    assert not any(Path(name).exists() for name in ("model.pt", "metrics.json", "pretrain.record", "scratch"))


def test_a_job_that_has_no_use_for_a_gpu_holds_none(machine, monkeypatch, tmp_path, capsys) -> None:
    """Nor waits for one: all others that are at work may hold it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(executing, "work", lambda *given: Path("out").touch())
    holds: list[str] = []
    monkeypatch.setattr(gpus, "lease", lambda: holds.append(rule))
    for rule in KINDS:
        config = {"model": {"name": "patchvae"}}
        module = "patchvae.report.figures.teaser" if rule == "figure_parts" else KINDS[rule].module
        job = json.loads(write_job("masks", config, {}, {"out": "out"}).read_text())
        job |= {"rule": rule, "modules": [module], "code": fingerprint(module)}
        write_json("jobs/small/masks.json", job)
        assert main(["run", "jobs/small/masks.json"]) == 0, capsys.readouterr().err
    assert {*holds} == {name for name, text in rule_texts().items() if "gpu=1," in text}


@pytest.mark.parametrize("text", ["0", "", "-1", "two", "1.5"])
def test_a_share_that_is_no_number_is_refused(machine: object, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(gpus.PER_GPU, text)
    with pytest.raises(PatchVAEError, match=f"^{gpus.PER_GPU}: '{text}' is not a whole number from 1 to 999$"):
        gpus.lease()


def test_a_folder_that_cannot_be_written_is_named(machine: object, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(gpus.LEASES, str(tmp_path / "file"))
    with pytest.raises(PatchVAEError, match=f"^cannot write {tmp_path}/file, .*{gpus.LEASES}$"):
        gpus.lease()


def test_no_lease_is_left_open_by_a_look(machine: object) -> None:
    before = len(os.listdir("/proc/self/fd"))
    gpus.lease()
    for number in gpus._held:
        os.close(number)
    assert len(os.listdir("/proc/self/fd")) == before
    assert (
        "torch"
        not in subprocess.run(
            [sys.executable, "-c", "import sys; from patchvae.jobs import gpus; gpus.visible(); print(*sys.modules)"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
    )


@pytest.mark.parametrize("status", [0, 1, None])
def test_a_job_that_shares_a_gpu_in_turns_says_what_that_costs(
    status: int | None,
    start: Start,
    mps: Callable[[int], None],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if status is not None:
        mps(status)
    monkeypatch.setenv(gpus.PER_GPU, "2")
    monkeypatch.setenv(gpus.VISIBLE, "0")
    assert gpu_of(start()) == "0"
    gpus.lease()
    told = [record.getMessage() for record in caplog.records if gpus.TURNS in record.getMessage()]
    assert len(told) == (0 if status == 0 else 1)
    assert "nvidia-cuda-mps-control -d" in gpus.TURNS and "\n" not in gpus.TURNS


def test_a_job_alone_on_its_gpu_does_not_ask_for_mps(
    mps: Callable[[int], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mps(1)
    gpus.lease()
    assert gpus.TURNS not in caplog.text and not (tmp_path / "asked").exists()
