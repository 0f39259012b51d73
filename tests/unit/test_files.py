"""Atomic writing, and what is said when the disk is full, whatever the library at work makes of it."""

import errno
import io
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from patchvae.errors import PatchVAEError
from patchvae.files import atomic, read_json, write_json
from patchvae.records import checkpoint

NOISE = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)


def tensors(path: Path) -> None:
    torch.save({"weight": torch.from_numpy(NOISE.copy())}, path)


def bare_tensors(path: Path) -> None:
    with open(path, "wb") as stream:
        torch.save(torch.from_numpy(NOISE.copy()), stream)


def array(path: Path) -> None:
    with open(path, "wb") as stream:
        np.save(stream, NOISE)


def text(path: Path) -> None:
    path.write_text("x" * NOISE.size)


def picture(path: Path) -> None:
    Image.fromarray(NOISE).save(path, "PNG")


def jpeg(path: Path) -> None:
    Image.fromarray(NOISE).save(path, "JPEG", quality=100)


def figure(path: Path) -> None:
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(3, 3), dpi=100)
    drawn.figimage(NOISE)
    drawn.savefig(path, format="png")


WRITERS = [tensors, bare_tensors, array, text, picture, jpeg, figure]


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Every write beyond 64 KiB of a file fails, as on a full disk (EFBIG in place of ENOSPC)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_disk")
@pytest.mark.parametrize("write", WRITERS)
def test_full_disk_is_named_with_the_file_and_leaves_the_old_one(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "result"
    path.write_text("old")
    with pytest.raises(PatchVAEError, match=f"^cannot write {path}: File too large$"), atomic(path) as partial:
        write(partial)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("write", WRITERS)
def test_the_same_writers_on_a_disk_with_room(tmp_path: Path, write: Callable[[Path], None]) -> None:
    with atomic(tmp_path / "result") as partial:
        write(partial)
    assert (tmp_path / "result").stat().st_size > 1 << 16


@pytest.mark.usefixtures("small_disk")
def test_checkpoint_on_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(PatchVAEError, match=r"cannot write .*model\.pt: File too large"):
        checkpoint.save(tmp_path / "model.pt", {"model": torch.from_numpy(NOISE.copy())})
    assert list(tmp_path.iterdir()) == []


def test_library_that_hides_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space left is what the next write says, after an error that says nothing."""

    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fill(error: Exception) -> None:
        with monkeypatch.context() as patched, atomic(tmp_path / "result") as partial:
            partial.write_bytes(b"half")
            patched.setattr("builtins.open", lambda *_: Full())
            raise error

    for error in (RuntimeError("write failed"), OSError("8 requested and 0 written"), ValueError("what?")):
        with pytest.raises(PatchVAEError, match=r"cannot write .*result: No space left on device$"):
            fill(error)
    assert list(tmp_path.iterdir()) == []


def test_other_errors_are_passed_on(tmp_path: Path) -> None:
    def write(error: Exception) -> None:
        with atomic(tmp_path / "result") as partial:
            partial.write_bytes(b"half")
            raise error

    for error in (ValueError("what"), PatchVAEError("what")):
        with pytest.raises(type(error), match="^what$"):
            write(error)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_meanwhile_is_not_said_to_be_unwritable(tmp_path: Path) -> None:
    with pytest.raises(PatchVAEError, match=f"^{tmp_path}/input: No such file"), atomic(tmp_path / "result"):
        (tmp_path / "input").read_bytes()


def test_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PatchVAEError, match=f"^cannot write {tmp_path}/file/result: "):
        write_json(tmp_path / "file" / "result", {})


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "\udcff"])
def test_broken_json(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(PatchVAEError, match=f"cannot read {path}: "):
        read_json(path)
