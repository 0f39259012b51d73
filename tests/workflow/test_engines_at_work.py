"""What workflow/engines.py finds out about the engines, without starting them."""

import os
import sys
from base64 import urlsafe_b64encode
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers import ROOT

sys.path.insert(0, str(ROOT / "workflow"))

import engines


@pytest.mark.parametrize(
    "command",
    [
        "dvc repro",
        "/usr/bin/python3 /opt/bin/dvc -v repro",
        "dvc --cd . checkout",
        "dvc experiments run",
        "python -m dvc pull",
        "dvc exp apply parts",
    ],
)
def test_a_dvc_that_writes_here_is_found(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    for place in (ROOT, ROOT / "docs"):
        found = SimpleNamespace(pid=7, info={"cmdline": command.split(), "cwd": str(place)})
        monkeypatch.setattr(engines.psutil, "process_iter", lambda _, found=found: [found])
        said = engines.dvc_at_work()
        assert said is not None and said.startswith("`dvc ") and said.endswith("(process 7)")


@pytest.mark.parametrize(
    ("command", "place"),
    [
        ("dvc status", ROOT),
        ("dvc exp run --queue", ROOT),
        ("dvc repro", ROOT / ".dvc/tmp/exps/copy"),
        ("dvc repro", ROOT.parent),
        ("vim dvc.yaml", ROOT),
        ("", None),
    ],
)
def test_other_processes_do_not_count(monkeypatch: pytest.MonkeyPatch, command: str, place: Path | None) -> None:
    found = SimpleNamespace(pid=7, info={"cmdline": command.split() or None, "cwd": place and str(place)})
    monkeypatch.setattr(engines.psutil, "process_iter", lambda _: [found])
    assert engines.dvc_at_work() is None
    assert engines.job_at_work() is None


@pytest.mark.parametrize("command", ["snakemake --cores 2", "python -m patchvae.cli pretrain"])
def test_a_living_job_is_found(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    found = SimpleNamespace(pid=7, info={"cmdline": command.split(), "cwd": str(ROOT)})
    monkeypatch.setattr(engines.psutil, "process_iter", lambda _: [found])
    assert "(process 7)" in str(engines.job_at_work())
    with pytest.raises(engines.PatchVAEError, match="works in this folder: wait for it"):
        engines.refuse_while_at_work()


@pytest.mark.parametrize("name", ["data/short.npy", f"results/{'long' * 60}/seed0.json"])
def test_a_file_is_known_by_its_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setattr(engines, "ROOT", tmp_path)
    key = urlsafe_b64encode(name.encode()).decode()
    record = tmp_path / ".snakemake/metadata" / (key if len(key) <= 254 else f"@{key[:254]}/{key[254:]}")
    record.parent.mkdir(parents=True)
    assert engines.as_recorded(name) is None
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.touch()
    assert engines.as_recorded(name) is None
    record.write_text('{"endtime": 1000.25}')
    os.utime(file, (1001, 1001))
    assert engines.as_recorded(name) is True
    os.utime(file, (1003, 1003))
    assert engines.as_recorded(name) is False
    marker = tmp_path / ".snakemake/incomplete" / record.relative_to(tmp_path / ".snakemake/metadata")
    marker.parent.mkdir(parents=True)
    marker.touch()
    assert engines.as_recorded(name) is None
