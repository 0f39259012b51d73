"""Records, the digests of files, and what results that are made from others compare."""

import json
from pathlib import Path
from typing import Any

import fake_results
import numpy as np
import pytest
import torch

from patchvae.data.packed import PackedSplit, write_packed
from patchvae.errors import PatchVAEError
from patchvae.files import file_digest, write_json
from patchvae.records.digests import OTHER, REORDERED, check_masks, data_digests, difference
from patchvae.records.record import Record, digest_of, digests, job_digest, same

CONFIG = {"lr": 0.1, "model": {"name": "patchvae"}}


def test_a_job_is_what_it_does_with_which_code() -> None:
    job = job_digest("pretrain", CONFIG, "code")
    assert job == job_digest("pretrain", {"model": {"name": "patchvae"}, "lr": 0.1}, "code")
    others = [("finetune", CONFIG, "code"), ("pretrain", CONFIG, "other"), ("pretrain", CONFIG | {"lr": 1}, "code")]
    assert len({job, *(job_digest(*other) for other in others)}) == 4


def test_a_record_says_what_was_saved(tmp_path: Path) -> None:
    Record("job", "config", {"a": "1"}, {"b": "2"}).save(tmp_path / "new/r.record")
    back = Record.load(tmp_path / "new/r.record")
    assert (back.job, back.read, back.wrote) == ("job", {"a": "1"}, {"b": "2"})


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "{}", '{"job": "a", "read": {}}', '{"job": "a", "read": [], "wrote": {}}']
    + [json.dumps({"job": "a", "read": {}, "wrote": {"b": value}}) for value in (1, None, {})],
)
def test_what_is_no_record_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "r.record").write_text(content)
    with pytest.raises(PatchVAEError, match=r"r\.record"):
        Record.load(tmp_path / "r.record")


def write_split(folder: Path, order: list[int], first: int = 0, labels: int = 0) -> Path:
    """Packed data of four images in some order."""
    images = np.arange(first, first + 4, dtype=np.uint8)[:, None, None, None] + np.zeros((4, 8, 8, 3), dtype=np.uint8)
    split = PackedSplit(images[order], (np.arange(4)[order] + labels) % 2)
    write_packed(folder, "set", "lists", ["a", "b"], {"train": split, "test": split}, {})
    return folder


def test_packed_data_are_known_by_their_images_and_the_order_of_these(tmp_path: Path) -> None:
    folders = {
        "ours": write_split(tmp_path / "ours", [0, 1, 2, 3]),
        "again": write_split(tmp_path / "again", [0, 1, 2, 3]),
        "reordered": write_split(tmp_path / "reordered", [2, 0, 3, 1]),
        "others": write_split(tmp_path / "others", [0, 1, 2, 3], first=9),
        "other labels": write_split(tmp_path / "labels", [0, 1, 2, 3], labels=1),
    }
    for name in ("train_images.npy", "test_labels.npy", "manifest.json"):
        found = {key: digest_of(folder / name) for key, folder in folders.items()}
        assert {key for key in found if found[key] == found["ours"]} >= {"ours", "again"}
        equal = {key for key in found if same(found[key], found["ours"], ordered=False)}
        assert equal == {"ours", "again", "reordered"}
    found = {key: digest_of(folder / "train_images.npy") for key, folder in folders.items()}
    assert {key for key in found if same(found[key], found["ours"], ordered=True)} == {"ours", "again"}


def test_an_array_of_another_size_is_another(tmp_path: Path) -> None:
    path = write_split(tmp_path, [0, 1, 2, 3]) / "train_images.npy"
    before = digest_of(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert not same(digest_of(path), before, ordered=False)


def test_a_checkpoint_is_known_by_its_content(tmp_path: Path) -> None:
    for name, value in (("a", 1.0), ("b", 1.0), ("c", 2.0)):
        torch.save({"model": torch.full((5,), value)}, tmp_path / f"{name}.pt")
    found = digests(["a.pt", "b.pt", "c.pt"], tmp_path)
    assert found["a.pt"] == found["b.pt"] != found["c.pt"]


@pytest.mark.parametrize("name", ["gone.csv", "gone.pt", "gone.npy", "manifest.json"])
def test_a_file_that_is_gone_has_no_digest(tmp_path: Path, name: str) -> None:
    with pytest.raises(PatchVAEError, match=name):
        digest_of(tmp_path / name)


@pytest.mark.parametrize(("name", "text"), [("cut.pt", "PK"), ("manifest.json", "{"), ("manifest.json", "[]")])
def test_a_file_that_is_broken_has_no_digest(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(PatchVAEError, match=name):
        digest_of(tmp_path / name)


# ---- what was made of which images


def test_masks_are_of_one_order_of_the_images(tmp_path: Path) -> None:
    masks = tmp_path / "train.npy"
    masks.write_bytes(b"masks")
    sha256 = file_digest(masks)
    write_json(tmp_path / "manifest.json", {"images_sha256": "a", "sha256": sha256})
    assert check_masks(masks, "a") == sha256
    with pytest.raises(PatchVAEError, match=r"train\.npy"):
        check_masks(masks, "b")
    masks.write_bytes(b"Masks")
    with pytest.raises(PatchVAEError, match=r"train\.npy"):
        check_masks(masks, "a")
    for content in ({}, [], {"images_sha256": "a"}):
        write_json(tmp_path / "manifest.json", content)
        with pytest.raises(PatchVAEError, match=r"manifest\.json"):
            check_masks(masks, "a")
    with pytest.raises(PatchVAEError, match="nowhere"):
        check_masks(tmp_path / "nowhere/train.npy", "a")


def made_of(**manifest: str) -> dict[str, dict[str, str]]:
    splits: dict[str, Any] = json.loads(fake_results.manifest(**manifest))["splits"]
    return data_digests(splits)


def test_results_are_compared_by_the_images_they_know_of() -> None:
    ours = made_of()
    only_train = {key: {"train": value["train"]} for key, value in ours.items()}
    for result in (ours, only_train):
        assert difference(result, made_of()) is None
        assert difference(result, made_of(images="others")) == OTHER
        assert difference(result, made_of(order="another")) == REORDERED
