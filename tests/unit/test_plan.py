"""From parameters to jobs and their configurations."""

import copy
import csv
import json
from pathlib import Path
from typing import Any

import pytest
from helpers import changed

from patchvae import variants
from patchvae.config import merge
from patchvae.errors import PatchVAEError
from patchvae.plan import jobs
from patchvae.resolve import resolve

Params = dict[str, Any]


def test_resolved_pretraining_holds_what_its_model_reads(params: Params) -> None:
    def config(variant: str) -> Params:
        return resolve(params, "pretrain", {"dataset": "cifar100", "variant": variant, "seed": "0"})

    assert config("beta-vae+lw")["weighted_loss"] is True
    model = {"name": "beta-vae", "backbone": "resnet9", "init": "kaiming", "latent_dim": 96, "beta": 1.0}
    assert config("beta-vae")["model"] == model
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
        ("pretrain", {"dataset": "cifar100", "variant": "patchvae.num_parts=5", "seed": 0}, "num_parts=5"),
        ("sweep", {"table": "table9"}, "table9"),
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


OTHER = {
    "figures/variant": "patchvae+lw",
    "ablation_base/variant": "patchvae+lw",
    "parts/datasets": ["cifar100"],
    "ablation_base/regime": "conv1-3",
    "table2/regime": "conv1-3",
    "table2/dataset": "cifar100",
    "table7/dataset": "cifar100",
    "table2/supervised": "random+bn",
    "variants/imagenet-pretrained/pretrain_on": "imagenet",
    "datasets/imagenet64/raw": "indoor67",
    "parts/variant": "patchvae+lw",
    "model/backbone": "resnet18",
    "datasets/imagenet/model/backbone": "resnet9",
}


def another(key: str, value: Any) -> Any:
    """A different value of the same type."""
    if key in OTHER:
        return OTHER[key]
    if key.startswith("variants/") and key.endswith("/model"):
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


def only(configs: Configs, rule: str, *parts: str) -> set[tuple[str, str]]:
    return {job for job in configs if job[0] == rule and (not parts or any(p in job[1].split("/") for p in parts))}


PATCHVAE = ("patchvae", "patchvae+lw", "patchvae-gan", "patchvae-gan+lw")
BETA_VAE = ("beta-vae", "beta-vae+lw", "beta-vae-gan", "beta-vae-gan+lw")
GAN = ("beta-vae-gan", "beta-vae-gan+lw", "patchvae-gan", "patchvae-gan+lw")
SOURCE = "datasets/cifar100/sources/cifar-100-python.tar.gz"
N = ("patchvae.num_parts=4", "patchvae.num_parts=8")


@pytest.fixture
def small(params: Params) -> Params:
    """CIFAR-100 with one sweep, Table 7 and a score of parts."""
    overlay = {
        "table1": {"datasets": ["cifar100"]},
        "table2": None,
        "ablation_base": {"datasets": ["cifar100"]},
        "ablations": {"num_parts": [4, 8, 16], "part_dim": None, "occurrence_prior": None, "beta_occ": None},
        "table7": {"dataset": "cifar100"},
        "parts": {"datasets": ["digits"]},
        "figures": {"datasets": ["cifar100"]},
    }
    return merge(params, overlay)


@pytest.mark.parametrize(
    ("key", "rules"),
    [
        (
            "model/num_parts",  # table 3's base value too
            {"pretrain": PATCHVAE, "figure_parts": (), "reconstruct": ("patchvae",), "fid": ("patchvae",), "parts": ()}
            | {"sweep": ()},
        ),
        ("model/latent_dim", {"pretrain": (*BETA_VAE, "bigan"), "reconstruct": ("beta-vae",), "fid": ("beta-vae",)}),
        (
            "model/init",
            {"pretrain": (), "finetune": (), "figure_parts": (), "reconstruct": (), "fid": (), "parts": ()},
        ),
        ("variants/beta-vae/beta", {"pretrain": ("beta-vae",), "reconstruct": ("beta-vae",), "fid": ("beta-vae",)}),
        (
            "variants/patchvae/beta_occ",
            {"pretrain": ("patchvae", *N), "figure_parts": (), "reconstruct": ("patchvae",), "fid": ("patchvae",)}
            | {"parts": ()},
        ),
        ("gan/weight", {"pretrain": GAN}),
        ("bigan/lr", {"pretrain": ("bigan",)}),
        ("pretrain/lr", {"pretrain": (*BETA_VAE, *PATCHVAE, *N, "imagenet-pretrained")}),
        ("pretrain/batch_size", {"pretrain": (*BETA_VAE, *PATCHVAE, *N, "bigan", "imagenet-pretrained")}),
        (
            "datasets/cifar100/finetune_epochs",
            {"finetune": (), "table1": (), "sweep": (), "table7": ()},
        ),
        ("finetune/lr", {"finetune": ()}),
        ("finetune/hidden_dim", {"finetune": (), "pretrain": ("imagenet-pretrained",)}),
        ("masks/per_channel", {"masks": (), "figure_masks": ()}),
        ("select", {"table1": (), "sweep": ()}),
        ("figures/rows", {"figure_masks": (), "figure_parts": ()}),
        ("figures/crop_cells", {"figure_parts": ()}),
        ("table7/sample", {"reconstruct": (), "fid": (), "table7": ()}),
        ("inception/location", {"inception": ()}),
        ("datasets/imagenet64/num_classes", {"prepare": ("imagenet64",), "pretrain": ("imagenet-pretrained",)}),
        (f"{SOURCE}/location", {"download": ("cifar100",)}),
        (f"{SOURCE}/checksum", {"download": ("cifar100",), "prepare": ("cifar100",)}),
    ],
)
def test_a_value_touches_exactly_the_jobs_that_read_it(
    small: Params, key: str, rules: dict[str, tuple[str, ...]]
) -> None:
    before = resolved(small)
    after = resolved(changed(small, key, another(key, dict(leaves(small))[key])))
    touched = {job for job in before if before[job] != after.get(job)}
    assert touched == set().union(*(only(before, rule, *variants) for rule, variants in rules.items()))


def cell_count(params: Params, root: Path) -> dict[str, int]:
    """How many of the paper's printed cells the run measures, by table."""

    def rows(table: str) -> list[dict[str, str]]:
        return list(csv.DictReader((root / f"paper/{table}.csv").open()))

    planned = {(rule, w["dataset"], w["variant"], w.get("regime")) for rule, w in jobs(params) if "variant" in w}
    counts = {
        "table1": sum(("finetune", r["dataset"], r["model"], r["regime"]) in planned for r in rows("table1")),
        "table2": 0,
        "sweeps": 0,
        "table7": 0,
    }
    for row in rows("table2"):
        supervised = row["model"] == "imagenet-supervised"
        variant, regime = (params["table2"]["supervised"], "none") if supervised else (row["model"], "conv1-5")
        counts["table2"] += 2 * (("finetune", "imagenet", variant, regime) in planned)
    for key, (table, column) in variants.SWEEPS.items():
        for row in rows(table):
            value = next(v for v in params["ablations"][key] if float(v) == float(row[column]))
            variant = variants.swept(params, key, value)
            counts["sweeps"] += ("finetune", row["dataset"], variant, "conv1-5") in planned
    for row in rows("table7"):
        counts["table7"] += 2 * (("reconstruct", "imagenet", row["model"], None) in planned)
        counts["table7"] += ("fid", "imagenet", row["model"], None) in planned
    return counts


def test_the_shipped_parameters_plan_every_cell_of_the_paper(params: Params, root: Path) -> None:
    assert cell_count(params, root) == {"table1": 90, "table2": 10, "sweeps": 28, "table7": 6}


def test_no_job_is_planned_twice(params: Params) -> None:
    planned = [(rule, tuple(sorted(w.items()))) for rule, w in jobs(params)]
    assert len(planned) == len(set(planned))


def test_a_swept_value_that_the_variant_has_is_the_variant_itself(params: Params) -> None:
    assert variants.swept(params, "num_parts", 16) == "patchvae"
    assert variants.swept(params, "beta_occ", 0.6) == "patchvae"
    assert variants.swept(params, "num_parts", 4) == "patchvae.num_parts=4"
    params["ablations"] = {"occurrence_prior": ["1/N", 0.05]}
    params["model"]["occurrence_prior"] = 0.05
    assert variants.swept(params, "occurrence_prior", "1/N") == "patchvae.occurrence_prior=1_N"
    config = resolve(params, "pretrain", {"dataset": "cifar100", "variant": "patchvae.occurrence_prior=1_N", "seed": 0})
    assert config["model"]["occurrence_prior"] == "1/N" and config["variant"] == "patchvae.occurrence_prior=1_N"


def test_any_key_can_be_swept_and_a_sweep_of_fine_tuning_shares_its_pretraining(small: Params) -> None:
    small["ablations"] = {"finetune.head_dropout": [0.0, 0.5], "pretrain.lr": [1e-3], "detach_occurrence": [False]}
    cell = {"dataset": "cifar100", "variant": "patchvae.finetune.head_dropout=0.5", "regime": "conv1-5", "seed": 0}
    config = resolve(small, "finetune", cell)
    assert config["head_dropout"] == 0.5 and config["pretrained"] == {"dataset": "cifar100", "variant": "patchvae"}
    trained = {w["variant"] for rule, w in jobs(small) if rule == "pretrain" and "." in w["variant"]}
    assert trained == {"patchvae.pretrain.lr=0.001", "patchvae.detach_occurrence=False"}
    assert variants.sweep_tables(small).keys() == {
        "sweep_finetune.head_dropout",
        "sweep_pretrain.lr",
        "sweep_detach_occurrence",
    }


def test_a_data_set_can_have_values_of_its_own(params: Params) -> None:
    job = {"variant": "patchvae", "seed": 0}
    models = {d: resolve(params, "pretrain", job | {"dataset": d})["model"] for d in ("imagenet", "cifar100")}
    assert models["imagenet"]["num_parts"] == 64 and models["imagenet"]["backbone"] == "resnet18"
    assert models["cifar100"]["num_parts"] == 16 and models["cifar100"]["backbone"] == "resnet9"
    cell = {"dataset": "imagenet", "variant": "random", "regime": "none", "seed": 0}
    assert resolve(params, "finetune", cell)["head_pool"] == "average"


def test_tables_are_told_which_data_sets_are_stand_ins(params: Params) -> None:
    assert resolve(params, "table1", {})["demo"] == []
    assert resolve(params, "table1", {})["imagenet"] == ["imagenet64"]
    params["datasets"]["indoor67"]["stand_in"] = params["datasets"]["imagenet64"]["stand_in"] = True
    assert resolve(params, "table1", {})["demo"] == ["indoor67", "imagenet64"]
    assert resolve(params, "table1", {})["imagenet"] == []
    params["ablations"] = {"num_parts": [4]}
    params["ablation_base"]["datasets"] = ["digits", "cifar100"]
    assert resolve(params, "figure_sweep", {"table": "table3"})["demo"] == ["digits"]


def test_the_row_with_labels_is_pretrained_once_on_another_data_set(params: Params) -> None:
    trained = [w["dataset"] for rule, w in jobs(params) if rule == "pretrain" and w["variant"] == "imagenet-pretrained"]
    assert trained == ["imagenet64"]
    cell = {"dataset": "cifar100", "variant": "imagenet-pretrained", "regime": "conv1", "seed": 0}
    source = {"dataset": "imagenet64", "variant": "imagenet-pretrained"}
    assert resolve(params, "finetune", cell)["pretrained"] == source
    downloads = {w["dataset"] for rule, w in jobs(params) if rule == "download"}
    assert "imagenet" in downloads and "imagenet64" not in downloads


def test_resolved_configurations_are_plain_json(params: Params) -> None:
    for config in resolved(params).values():
        assert json.loads(json.dumps(config)) == config
