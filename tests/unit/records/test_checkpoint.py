"""Equal contents are equal bytes, and an archive tells its content without being read."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import ROOT

from patchvae.errors import PatchVAEError
from patchvae.records import checkpoint
from patchvae.records.record import content_digest

# A content whose equal texts and containers are the same objects, or each its own; argument: the file
WRITER = """
import json, sys
import torch
from patchvae.records import checkpoint
model = {"conv1.0.weight": torch.arange(6.0).reshape(2, 3), "conv1.1.bias": torch.ones(3)}
config, name = {"dataset": "squares", "variant": "patchvae", "lr": 0.5, "betas": [0.5, 0.9]}, "conv1.0.weight"
snapshots = {1: {name: torch.zeros(2)}, 2: {name: torch.zeros(2)}}
OTHERWISE
content = {"model": model, "snapshots": snapshots, "steps": 7, "config": config, "of": [config, config], "game": None}
checkpoint.save(sys.argv[1], content)
"""
OTHERWISE = """
config = json.loads(json.dumps(config))
model = {"".join(key): value for key, value in model.items()}
snapshots = {epoch: {"".join(list(key)): value for key, value in phi.items()} for epoch, phi in snapshots.items()}
"""


def content(**changes: Any) -> dict[str, Any]:
    return {"model": {"weight": torch.arange(6.0), "bias": torch.ones(3)}, "config": {"seed": 0}} | changes


def test_two_processes_write_equal_bytes(tmp_path: Path) -> None:
    files = [tmp_path / "one/model.pt", tmp_path / "other.checkpoint.pt"]
    for path, more in zip(files, ("", OTHERWISE), strict=True):
        code = WRITER.replace("OTHERWISE", more)
        subprocess.run([sys.executable, "-c", code, str(path)], check=True, env={"PYTHONPATH": str(ROOT / "src")})
    assert files[0].read_bytes() == files[1].read_bytes()
    loaded = checkpoint.load(files[0])
    assert loaded["of"] == [loaded["config"]] * 2 and list(loaded["model"]) == ["conv1.0.weight", "conv1.1.bias"]


def test_a_checkpoint_that_is_read_and_written_is_the_same(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "a.pt", content(history=[{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]))
    checkpoint.save(tmp_path / "b.pt", checkpoint.load(tmp_path / "a.pt"))
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


def test_shared_weights_stay_shared(tmp_path: Path) -> None:
    shared = torch.ones(1000)
    checkpoint.save(tmp_path / "a.pt", content(model={"encoder": shared, "decoder": shared[:10]}))
    assert (tmp_path / "a.pt").stat().st_size < 6000
    model = checkpoint.load(tmp_path / "a.pt")["model"]
    assert model["encoder"].data_ptr() == model["decoder"].data_ptr()


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    saved = content()
    checkpoint.save(tmp_path / "a.pt", saved)
    found = content_digest(tmp_path / "a.pt")
    assert len(found) == 16 and int(found, 16) >= 0
    checkpoint.save(tmp_path / "b.pt", content())
    assert content_digest(tmp_path / "b.pt") == found
    torch.save({"format": checkpoint.FORMAT, **saved}, tmp_path / ".b.pt.123.partial")  # as older versions did
    assert zipfile.ZipFile(tmp_path / ".b.pt.123.partial").namelist()[0] == ".b.pt.123/data.pkl"
    assert content_digest(tmp_path / ".b.pt.123.partial") == found
    saved["model"]["weight"][3] = 2.5
    checkpoint.save(tmp_path / "c.pt", saved)
    checkpoint.save(tmp_path / "d.pt", content(config={"seed": 1}))
    checkpoint.save(tmp_path / "e.pt", {"config": {"seed": 0}} | content())  # in another order
    assert len({found, *(content_digest(tmp_path / f"{name}.pt") for name in "cde")}) == 4


def test_arrays_have_a_digest_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", mean=np.ones(3), deviation=np.zeros(3))
    np.savez(tmp_path / "b.npz", mean=np.ones(3), deviation=np.zeros(3))
    np.savez(tmp_path / "c.npz", mean=np.ones(3), variance=np.zeros(3))
    first, same, other = (content_digest(tmp_path / f"{name}.npz") for name in "abc")
    assert first == same != other


def test_what_is_no_archive_has_no_digest(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    checkpoint.save(path, content())
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 30, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(PatchVAEError, match=r"^\S*/a\.pt cannot be read: it is truncated or no zip archive$"):
            content_digest(path)
    path.write_text(json.dumps(["no archive"]))
    with pytest.raises(PatchVAEError, match=r"a\.pt cannot be read"):
        content_digest(path)
    with pytest.raises(PatchVAEError, match=r"cannot be read"):
        content_digest(tmp_path)
    with pytest.raises(PatchVAEError, match=r"b\.pt does not exist$"):
        content_digest(tmp_path / "b.pt")


def test_a_digest_needs_no_torch_and_reads_the_end_alone(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "a.pt", content(model={"weight": torch.ones(1_000_000)}))
    code = f"""
import sys
from pathlib import Path
from patchvae.records.record import content_digest
calls = []
class Stream:
    def __init__(self, stream): self.stream = stream
    def __getattr__(self, name): return getattr(self.stream, name)
    def read(self, *size):
        calls.append(len(found := self.stream.read(*size)))
        return found
import io
plain = io.open
io.open = lambda *words: Stream(plain(*words))
content_digest({str(tmp_path / "a.pt")!r})
print("torch" in sys.modules, sum(calls) < 4000 and bool(calls))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True
    )
    assert done.stdout.split() == ["False", "True"]
