"""Loading parameters and finding values in them."""

from pathlib import Path
from typing import Any

import pytest

from patchvae.config import get, load_params, merge, put, setting
from patchvae.errors import PatchVAEError

Params = dict[str, Any]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_overlays_merge_blocks_and_replace_lists_in_order(tmp_path: Path) -> None:
    base = write(tmp_path / "a.yaml", "run: a\nseeds: [0, 1]\nfinetune: {lr: 1e-2, momentum: 0.9}\n")
    first = write(tmp_path / "b.yaml", "run: b\nseeds: [2]\nfinetune: {lr: 3e-05}\n")
    second = write(tmp_path / "c.yaml", "run: c\n")
    expected = {"run": "c", "seeds": [2], "finetune": {"lr": 3e-05, "momentum": 0.9}}
    assert load_params([base, first, second]) == expected


def test_merge_leaves_its_arguments_alone() -> None:
    base: Params = {"a": {"b": 1}}
    merge(base, {"a": {"b": 2, "c": [3]}})["a"]["c"].append(4)
    assert base == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "part"),
    [("run: [", "line"), ("- 1\n", "mapping"), ("run: a\nrun: b\n", "duplicate"), (None, "No such file")],
)
def test_an_unreadable_file_is_named_in_one_sentence(tmp_path: Path, text: str | None, part: str) -> None:
    path = tmp_path / "over.yaml"
    if text is not None:
        write(path, text)
    with pytest.raises(PatchVAEError) as caught:
        load_params([path])
    assert "over.yaml" in str(caught.value)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("beta_occ", ("variants", "patchvae", "beta_occ")),
        ("num_parts", ("model", "patchvae", "num_parts")),
        ("finetune.lr", ("finetune", "lr")),
        ("init", ("init",)),
    ],
)
def test_a_swept_key_is_found_and_a_value_put_there(params: Params, key: str, path: tuple[str, ...]) -> None:
    before = get(params, path)
    assert setting(params, key) == path
    assert get(put(params, path, "other"), path) == "other"
    assert get(params, path) == before
