"""Loading parameters and finding values in them."""

from pathlib import Path
from typing import Any

import pytest

from patchvae.errors import PatchVAEError
from patchvae.params.reading import get, load_params, merge, put, swept_path

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


LAUGHS = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcde", "bcdef", strict=True)
)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (None, "No such file"),
        (b"run: [", "line 1: not valid YAML"),
        (b"\n\nrun: a\nrun: b\n", "line 4: not valid YAML: found duplicate key"),
        (b"finetune: {lr: 1, lr: 2}", "duplicate"),
        (b"run: a\n---\nrun: b\n", "another document"),
        (b"run: *nothing", "undefined alias"),
        (b"run: !mine a", "!mine"),
        (b"run:\t{\n\ta: b", "not valid YAML"),
        (b"\0", "not valid YAML"),
        (b"seeds: !!int many", "not valid YAML"),
        (b"run: 2020-13-45", "not valid YAML"),
        (b"seeds: " + b"9" * 5000, "not valid YAML"),
        (b"seeds: " + b"[" * 3000, "not valid YAML"),
        (b"run: a\nseeds: \xff\xfe", "line 2: not UTF-8"),
        (b"", "is empty"),
        (b"# nothing\n", "is empty"),
        (b"null", "is empty"),
        (b"- 1\n", "mapping"),
        (b"text", "mapping"),
        (b"finetune: &all {lr: *all}", "finetune.lr: contains itself"),
        (b"seeds: &all [1, *all]", "seeds.1: contains itself"),
        (LAUGHS.encode(), "more than 100000 values"),
        (b"finetune: {lr: .nan}", "finetune.lr: nan is not a finite number"),
        (b"ablations: {beta_occ: [0.1, .inf]}", "ablations.beta_occ.1: inf is not a finite number"),
        (b"finetune: {lr: -1e999}", "finetune.lr: -inf is not a finite number"),
        (b"seeds: [0x" + b"f" * 5000 + b"]", "seeds.0: has too many digits"),
        (b"run: 2020-01-01", "run: datetime.date(2020, 1, 1) is a date"),
        (b"run: !!binary aGVsbG8=", "is a bytes"),
        (b"seeds: !!set {a}", "is a set"),
        (b"datasets: {1: {}}", "datasets.1: a key must be plain text"),
        (b"? [a, b]\n: c", "a key must be plain text"),
        (b'"a\\nb": c', "a key must be plain text"),
        (b'run: "a\\n"', "control character"),
        (b'run: "\\ud800"', "control character"),
        (b'run: "a\\0b"', "control character"),
    ],
)
def test_an_unreadable_file_is_named_in_one_sentence(tmp_path: Path, content: bytes | None, part: str) -> None:
    path = tmp_path / "over.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PatchVAEError) as caught:
        load_params([path])
    assert "over.yaml" in str(caught.value)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_and_a_device_are_no_files(tmp_path: Path) -> None:
    for path in (tmp_path, "/dev/zero"):
        with pytest.raises(PatchVAEError, match="not a file"):
            load_params([path])


def test_anchors_and_a_byte_order_mark_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "over.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: &all {lr: 1, rows: [2]}\r\nb: *all\r\nc: {<<: *all, lr: 3}\r\n")
    both = {"lr": 1, "rows": [2]}
    assert load_params([path]) == {"a": both, "b": both, "c": both | {"lr": 3}}


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
    assert swept_path(params, key) == path
    assert get(put(params, path, "other"), path) == "other"
    assert get(params, path) == before


def test_an_overlay_lies_over_the_one_that_it_extends(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    write(tmp_path / "below/first.yaml", "a: {b: 1, c: [2]}\nd: 3\n")
    write(tmp_path / "below/second.yaml", "extends: first.yaml\na: {c: []}\n")
    top = write(tmp_path / "top.yaml", "extends: below/second.yaml\nd: 4\n")
    assert load_params([top]) == {"a": {"b": 1, "c": []}, "d": 4}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends: 3\n", "top.yaml: extends: must be the name of a file, not 3"),
        ("extends: [a.yaml]\n", "top.yaml: extends: must be the name of a file"),
        ("extends: missing.yaml\n", "missing.yaml"),
        ("extends: .\n", "top.yaml: extends: "),
        ("extends: top.yaml\n", "top.yaml: extends: top.yaml extends this file"),
        ("extends: broken.yaml\n", "broken.yaml line 2: not valid YAML"),
    ],
)
def test_a_file_that_cannot_be_extended_is_named(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path / "broken.yaml", "a: [\n")
    with pytest.raises(PatchVAEError) as caught:
        load_params([write(tmp_path / "top.yaml", text)])
    assert said in str(caught.value) and "\n" not in str(caught.value)
