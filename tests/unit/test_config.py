"""Loading, checking and resolving parameters."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from patchvae.config import jobs, load_params, merge, resolve, validate
from patchvae.errors import PatchVAEError

Params = dict[str, Any]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def changed(params: Params, dotted: str, value: Any) -> Params:
    """A copy of the parameters with one value replaced or added."""
    new = copy.deepcopy(params)
    node = new
    *parents, last = dotted.split("/")
    for key in parents:
        node = node[key]
    node[last] = value
    return new


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


def test_resolved_pretraining_holds_what_its_model_reads(params: Params) -> None:
    def config(variant: str) -> Params:
        return resolve(params, "pretrain", {"dataset": "cifar100", "variant": variant, "seed": "0"})

    assert config("beta-vae+lw")["weighted_loss"] is True
    assert config("beta-vae")["model"] == {"name": "beta-vae", "init": "kaiming", "latent_dim": 96, "beta": 1.0}
    assert config("patchvae")["gan"] is None
    assert config("patchvae-gan")["gan"] == params["gan"]
    assert config("bigan")["lr"] == params["bigan"]["lr"]
    assert config("bigan")["batch_size"] == params["pretrain"]["batch_size"]
    assert "epochs" not in config("random")
    assert config("random")["seed"] == 0


def test_a_resolved_configuration_shares_nothing_with_the_parameters(params: Params) -> None:
    before = copy.deepcopy(params)
    resolve(params, "pretrain", {"dataset": "cifar100", "variant": "patchvae", "seed": 0})["model"][
        "temperature"
    ].clear()
    assert params == before


@pytest.mark.parametrize(
    ("rule", "wildcards", "part"),
    [
        ("pretrian", {}, "pretrian"),
        ("masks", {"dataset": "mnist"}, "mnist"),
        ("pretrain", {"dataset": "cifar100", "variant": "vae", "seed": 0}, "vae"),
        ("finetune", {"dataset": "cifar100", "variant": "patchvae", "regime": "conv2", "seed": 0}, "conv2"),
    ],
)
def test_an_unknown_job_is_an_error(params: Params, rule: str, wildcards: Params, part: str) -> None:
    with pytest.raises(PatchVAEError, match=part):
        resolve(params, rule, wildcards)


Configs = dict[tuple[str, str], Params]


def resolved(params: Params) -> Configs:
    """The configuration of every job, by rule and wildcards (without the run's name)."""
    return {
        (rule, "/".join(str(v) for k, v in wildcards.items() if k != "run")): resolve(params, rule, wildcards)
        for rule, wildcards in jobs(params)
    }


def leaves(block: Params, path: tuple[str, ...] = ()) -> list[tuple[str, Any]]:
    found = []
    for key, value in block.items():
        found += leaves(value, (*path, key)) if isinstance(value, dict) else [("/".join((*path, key)), value)]
    return found


def another(key: str, value: Any) -> Any:
    """A different value of the same type."""
    if key == "figures/variant":
        return "patchvae+lw"
    if key.endswith("/model") and value == "random":
        return "bigan"  # the only kind that asks for no further key
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return value[:-1] if isinstance(value[0], str) else [value[0] + 1, *value[1:]]
    return value + "x" if isinstance(value, str) else value + 1


def test_every_value_of_params_is_read_by_some_job(params: Params) -> None:
    before = resolved(params)
    # No other kind takes bigan's empty block.
    keys = [(key, value) for key, value in leaves(params) if key != "variants/bigan/model"]
    unread = [k for k, v in keys if resolved(changed(params, k, another(k, v))) == before]
    assert unread == []


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


def only(configs: Configs, rule: str, *parts: str) -> set[tuple[str, str]]:
    return {job for job in configs if job[0] == rule and (not parts or any(p in job[1].split("/") for p in parts))}


PATCHVAE = ("patchvae", "patchvae+lw", "patchvae-gan", "patchvae-gan+lw")
BETA_VAE = ("beta-vae", "beta-vae+lw", "beta-vae-gan", "beta-vae-gan+lw")
GAN = ("beta-vae-gan", "beta-vae-gan+lw", "patchvae-gan", "patchvae-gan+lw")
SOURCE = "datasets/cifar100/sources/cifar-100-python.tar.gz"


@pytest.mark.parametrize(
    ("key", "rules"),
    [
        ("model/num_parts", {"pretrain": PATCHVAE, "figure_occurrence": ()}),
        ("model/latent_dim", {"pretrain": (*BETA_VAE, "bigan")}),
        ("model/init", {"pretrain": (), "finetune": (), "figure_occurrence": ()}),
        ("variants/beta-vae/beta", {"pretrain": ("beta-vae",)}),
        ("variants/patchvae/beta_occ", {"pretrain": ("patchvae",), "figure_occurrence": ()}),
        ("gan/weight", {"pretrain": GAN}),
        ("bigan/lr", {"pretrain": ("bigan",)}),
        ("pretrain/lr", {"pretrain": (*BETA_VAE, *PATCHVAE)}),
        ("pretrain/batch_size", {"pretrain": (*BETA_VAE, *PATCHVAE, "bigan")}),
        ("datasets/cifar100/pretrain_epochs", {"pretrain": (*BETA_VAE, *PATCHVAE, "bigan"), "table1": ()}),
        ("datasets/cifar100/finetune_epochs", {"finetune": (), "table1": ()}),
        ("finetune/lr", {"finetune": ()}),
        ("masks/per_channel", {"masks": (), "figure_masks": ()}),
        ("table1/select", {"table1": ()}),
        ("figures/rows", {"figure_masks": (), "figure_occurrence": ()}),
        (f"{SOURCE}/location", {"download": ()}),
        (f"{SOURCE}/checksum", {"download": (), "prepare": ()}),
        ("run", {"table1": ()}),
    ],
)
def test_a_value_touches_exactly_the_jobs_that_read_it(
    params: Params, key: str, rules: dict[str, tuple[str, ...]]
) -> None:
    before = resolved(params)
    after = resolved(changed(params, key, another(key, dict(leaves(params))[key])))
    assert before.keys() == after.keys()
    touched = {job for job in before if before[job] != after[job]}
    assert touched == set().union(*(only(before, rule, *variants) for rule, variants in rules.items()))


def test_resolved_configurations_are_plain_json(params: Params) -> None:
    for config in resolved(params).values():
        assert json.loads(json.dumps(config)) == config
