"""Which source files a job depends on."""

from pathlib import Path

import pytest

from patchvae.errors import PatchVAEError
from patchvae.provenance import code_sha256, source_files


def names(module: str, root: Path) -> set[str]:
    return {path.relative_to(root / "src/patchvae").as_posix() for path in source_files(module)}


def test_source_files_follow_imports_and_stop_where_they_stop(root: Path) -> None:
    pretrain = names("patchvae.training.pretrain", root)
    assert {
        "__init__.py",
        "errors.py",
        "files.py",
        "training/pretrain.py",
        "training/loop.py",
        "models/vae.py",
    } <= pretrain
    # Parameters reach a job resolved, and the masks it uses are a file.
    assert pretrain.isdisjoint({"cli.py", "config.py", "data/masks.py", "training/finetune.py"})
    assert "models/vae.py" not in names("patchvae.data.masks", root)


def test_code_hashes_differ_between_modules() -> None:
    assert code_sha256("patchvae.data.masks") == code_sha256("patchvae.data.masks")
    assert code_sha256("patchvae.data.masks") != code_sha256("patchvae.data.prepare")


def test_an_unknown_module_is_an_error() -> None:
    with pytest.raises(PatchVAEError, match=r"no module patchvae\.nothing"):
        source_files("patchvae.nothing")
