"""What workflow/engines.py finds out about the engines, without starting them."""

import sys
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


@pytest.mark.parametrize("command", ["snakemake --cores 2", "python -m patchvae.cli run jobs/paper/summary.json"])
def test_a_living_job_is_found(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    found = SimpleNamespace(pid=7, info={"cmdline": command.split(), "cwd": str(ROOT)})
    monkeypatch.setattr(engines.psutil, "process_iter", lambda _: [found])
    assert "(process 7)" in str(engines.job_at_work())
    with pytest.raises(engines.PatchVAEError, match="works in this folder: wait for it"):
        engines.refuse_while_at_work()
