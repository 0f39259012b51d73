"""An empty folder of a class stops the packing of one's own photographs."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from patchvae.data.packed import load_manifest
from patchvae.data.prepare import prepare
from patchvae.data.sources import fetch_all
from patchvae.errors import PatchVAEError

NAMES = ("train/cat/0.png", "train/dog/1.png", "test/cat/2.png", "test/dog/3.png")


def classes(tmp_path: Path, place: Path) -> list[str]:
    """Of a folder or an archive, once it is packed."""
    sources = {"a": {"location": str(place), "checksum": "unverified"}}
    fetch_all({"dataset": "set", "sources": sources}, tmp_path / "raw", tmp_path / "set.json")
    config = {"dataset": "set", "format": "folders", "image_size": 8, "num_classes": 2}
    prepare(config, tmp_path / "set.json", tmp_path / "raw", tmp_path / "out", 2)
    return list(load_manifest(tmp_path / "out")["classes"])


@pytest.fixture
def folder(tmp_path: Path, photo: Callable[..., bytes]) -> Callable[[str, str], Path]:
    """folder(top, test) -> photographs of two classes below a folder `top`, the second split named `test`."""

    def make(top: str, test: str) -> Path:
        for number, name in enumerate(NAMES):
            path = tmp_path / "source" / top / name.replace("test", test)
            path.parent.mkdir(parents=True)
            path.write_bytes(photo(number))
        return tmp_path / "source"

    return make


@pytest.mark.parametrize("top", ["", "photos"])
@pytest.mark.parametrize(("split", "test"), [("train", "test"), ("test", "test"), ("val", "val")])
@pytest.mark.parametrize("below", ["", "deeper"])
def test_an_empty_folder_of_a_class_is_refused(
    tmp_path: Path, folder: Callable[[str, str], Path], top: str, split: str, test: str, below: str
) -> None:
    place = folder(top, test)
    empty = place / top / split / "eel"
    (empty / below).mkdir(parents=True)
    with pytest.raises(PatchVAEError) as caught:
        classes(tmp_path, place)
    assert f"{empty} is the folder of a class without an image: fill it, or remove it" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_other_empty_folders_are_none_of_a_class(
    tmp_path: Path, folder: Callable[[str, str], Path], photo: Callable[..., bytes]
) -> None:
    place = folder("", "test")
    for name in ("empty", "val/eel", "train/cat/empty", "train/.ipynb_checkpoints", "test/@eaDir", "train/.hidden"):
        (place / name).mkdir(parents=True)
    (place / "val/eel/4.png").write_bytes(photo(4))  # beside test/, so left out
    (place / "val/ant").mkdir()
    assert classes(tmp_path, place) == ["cat", "dog"]


def test_an_archive_is_known_by_its_files(tmp_path: Path, folder: Callable[[str, str], Path]) -> None:
    place = folder("", "test")
    (place / "train/eel").mkdir()
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(place, ".")
    assert classes(tmp_path, tmp_path / "a.tar") == ["cat", "dog"]
