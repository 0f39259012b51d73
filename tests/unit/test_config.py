"""Loading and checking parameters."""

from pathlib import Path
from typing import Any

import pytest
from helpers import changed

from patchvae.config import load_params, merge, validate
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


BAD = [
    ("finetune/lrr", 1.0, ["finetune.lrr", "unknown key", "did you mean lr?"]),
    ("finetunes", {}, ["finetunes", "unknown key", "did you mean finetune?"]),
    ("pretrain/lr", 0, ["pretrain.lr", "0"]),
    ("pretrain/lr", "fast", ["pretrain.lr", "fast"]),
    ("finetune/momentum", 1.5, ["finetune.momentum", "1.5"]),
    ("model/occurrence_prior", 2, ["model.occurrence_prior", "1/N"]),
    ("pretrain/epoch_images", 0, ["pretrain.epoch_images", "dataset"]),
    ("pretrain/adam_betas", [0.9], ["pretrain.adam_betas"]),
    ("run", "My Run", ["run", "My Run", "lower-case"]),
    ("seeds", [], ["seeds"]),
    ("table1/datasets", ["cifar10"], ["table1.datasets", "'cifar10'", "did you mean cifar100?"]),
    ("table1/variants", ["patchvea"], ["table1.variants", "'patchvea'", "did you mean patchvae?"]),
    ("table1/regimes", ["conv1-4"], ["table1.regimes", "'conv1-4'", "conv1-5"]),
    ("table2/supervised", "patchvae", ["table2.supervised", "random"]),
    ("table2/dataset", "imagenet2", ["table2.dataset", "did you mean imagenet?"]),
    ("table7/variants", ["bigan"], ["table7.variants", "bigan", "reconstructs"]),
    ("parts/datasets", ["cifar100"], ["parts.datasets", "cifar100", "digit scenes"]),
    ("ablations/num_part", [4], ["ablations.num_part", "did you mean num_parts?"]),
    ("ablations/num_parts", [4, 0], ["ablations.num_parts", "model.num_parts", "0"]),
    ("ablations/masks.patch_size", [4], ["ablations.masks.patch_size", "can be swept"]),
    ("ablation_base/datasets", ["imagenet"], ["ablations.num_parts", "datasets.imagenet.model.num_parts", "hides"]),
    ("variants/imagenet-pretrained/pretrain_on", "imagnet", ["pretrain_on", "did you mean imagenet?"]),
    (
        "variants/imagenet-pretrained/pretrain_on",
        "imagenet",
        ["pretrain_on", "the backbone of imagenet is not that of"],
    ),
    ("datasets/imagenet64/raw", "image", ["datasets.imagenet64.raw", "'image'"]),
    ("datasets/imagenet64/raw", "digits", ["datasets.imagenet64.raw", "digits has no sources"]),
    ("datasets/imagenet/image_size", 72, ["datasets.imagenet.image_size", "resnet18", "32"]),
    ("datasets/indoor67/model", {"num_part": 3}, ["datasets.indoor67.model.num_part", "unknown key"]),
    ("table1/datasets", ["digits"], ["datasets.digits.finetune_epochs", "missing"]),
    ("inception/checksum", "sha256:12", ["inception.checksum"]),
    ("figures/variant", "patchvae+l", ["figures.variant", "did you mean patchvae+lw?"]),
    ("figures/variant", "bigan", ["figures.variant", "bigan", "occurrence"]),
    ("variants/patchvae/model", "vqvae", ["variants.patchvae.model", "'vqvae'", "patchvae"]),
    ("variants/patchvae/beta", 1.0, ["variants.patchvae.beta", "unknown key"]),
    ("variants/bigan/gan", True, ["variants.bigan.gan", "unknown key"]),
    ("variants/a b", {"model": "random"}, ["variants", "a b"]),
    ("datasets/cifar100/format", "cifar10", ["datasets.cifar100.format", "'cifar10'", "did you mean cifar100?"]),
    ("datasets/cifar100/train_images", 5, ["datasets.cifar100.train_images", "unknown key"]),
    ("datasets/cifar100/image_size", 36, ["datasets.cifar100.image_size", "36"]),
    ("masks/patch_size", 7, ["datasets.cifar100.image_size", "masks.patch_size"]),
    ("datasets/cifar100/sources/cifar-100-python.tar.gz/checksum", "md5:12", ["checksum", "sha256"]),
]


@pytest.mark.parametrize(("key", "value", "parts"), BAD)
def test_a_bad_value_gets_one_sentence_with_its_key(
    params: Params, schema: Path, key: str, value: Any, parts: list[str]
) -> None:
    with pytest.raises(PatchVAEError) as caught:
        validate(changed(params, key, value), schema)
    sentence = str(caught.value)
    assert [part for part in parts if part not in sentence] == []
    assert "\n" not in sentence


def test_a_missing_key_is_named(params: Params, schema: Path) -> None:
    del params["finetune"]["lr"]
    with pytest.raises(PatchVAEError, match=r"finetune\.lr: missing"):
        validate(params, schema)


@pytest.mark.parametrize("overlay", ["demo", "test", "cifar100-quick", "authors-code"])
def test_every_overlay_is_valid_and_names_its_own_run(root: Path, schema: Path, overlay: str) -> None:
    params = load_params([root / "params.yaml", root / f"configs/{overlay}.yaml"])
    validate(params, schema)
    assert params["run"] == overlay


def test_every_key_of_the_schema_is_described(schema: Path) -> None:
    undescribed = []

    def visit(node: Any, path: str) -> None:
        if isinstance(node, dict):
            for name, child in node.get("properties", {}).items():
                # Under `if`, a property is a condition and no key of its own.
                if not path.endswith("/if") and "description" not in child:
                    undescribed.append(f"{path}/{name}")
            for name, child in node.items():
                visit(child, f"{path}/{name}")
        elif isinstance(node, list):
            for i, child in enumerate(node):
                visit(child, f"{path}/{i}")

    visit(load_params([schema]), "")
    assert undescribed == []
