"""From parameters to jobs and their configurations."""

import copy
import csv
import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from helpers import OVERLAYS, ROOT, changed
from job_files import jobs

from patchvae.errors import PatchVAEError
from patchvae.params import variants
from patchvae.params.reading import load_params, merge
from patchvae.params.variants import models
from patchvae.plan.layout import KINDS, OUTPUTS
from patchvae.plan.settings import SETTINGS, resolve

Params = dict[str, Any]


def test_resolved_pretraining_holds_what_its_model_reads(params: Params) -> None:
    def config(variant: str) -> Params:
        return resolve(params, "pretrain", {"dataset": "cifar100", "variant": variant, "seed": "0"})

    assert config("beta-vae+lw")["weighted_loss"] is True
    model = {"name": "beta-vae", "backbone": "resnet9", "init": "kaiming", "latent_dim": 96, "beta": 1.0}
    assert config("beta-vae")["model"] == model
    assert config("patchvae")["gan"] is None
    assert config("patchvae-gan")["gan"] == params["gan"]
    assert config("patchvae-gan+lw")["gan"] == params["gan"] and config("patchvae-gan+lw")["weighted_loss"] is True
    assert config("bigan")["lr"] == params["variants"]["bigan"]["lr"]
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
        ("masks", {"dataset": "mnist"}, "masks: no 'mnist' among the rules, wildcards or parameters"),
        ("pretrain", {"dataset": "cifar100", "variant": "patchvae.num_parts=5", "seed": 0}, "num_parts=5"),
        ("sweep", {"key": "table9"}, "table9"),
        ("masks", {}, "masks: no 'dataset' among"),
        ("pretrain", {"dataset": "cifar100", "variant": "patchvae"}, "pretrain: no 'seed' among"),
    ],
)
def test_an_unknown_job_is_an_error(params: Params, rule: str, wildcards: Params, part: str) -> None:
    with pytest.raises(PatchVAEError, match=part):
        resolve(params, rule, wildcards)


@pytest.mark.parametrize("table", ["table2", "table7", "parts_table"])
def test_a_table_that_a_run_does_not_have_is_an_error(root: Path, table: str) -> None:
    quick = load_params([root / "params.yaml", root / "configs/cifar100-quick.yaml"])
    with pytest.raises(PatchVAEError, match="s: empty, so this run has no such table"):
        resolve(quick, table, {"run": quick["run"]})


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


OTHER: dict[str, Any] = {
    "figures/variant": "patchvae+lw",
    "ablation_base/variant": "beta-vae",
    "ablation_base/regime": "conv1-3",
    "table2/regime": "conv1-3",
    "table2/datasets": ["imagenet64"],
    "table2/supervised": ["random+bn"],
    "table1/labelled/dataset": "places205",
    "parts/datasets": ["digits", "cifar100"],
    "parts/variants": ["beta-vae"],
    "table1/heads": ["linear"],
    "table2_pretrain/snapshots": [1],
}

# What params.yaml leaves out and overlays ask for
MORE: dict[str, Any] = {
    "table1": {"objectives": {"labels": ["labelled", "shuffled"]}},
    "decision": ["paper/claims.yaml"],
    "lengths": {"datasets": ["cifar100"], "variants": ["patchvae"]},
    "sensitivity": {
        "datasets": ["cifar100"],
        "variants": ["patchvae", "random"],
        "heads": ["dropout", "linear", "authors-rate", "authors-norm", "standardised"],
    },
    "scale_free": {
        "datasets": ["cifar100"],
        "variants": ["patchvae", "random"],
        "heads": ["standardised", "standardised-dropout"],
        "tuned": ["tuned"],
    },
    "probe": {"datasets": ["cifar100"], "variants": ["patchvae", "random"]},
    "real_parts": {"datasets": ["cifar100"]},
    "few_labels": {"datasets": ["cifar100"], "variants": ["patchvae", "random"]},
    "pretrain": {"snapshots": [3]},
}


READERS = ("table1", "claims", "decision", "table2", "sweep", "lengths", "sensitivity", "scale_free")  # of fine-tunings


def another(key: str, value: Any) -> Any:
    """A different value of the same type."""
    if key in OTHER:
        return OTHER[key]
    if key.startswith("variants/") and key.endswith("/model"):
        return "supervised"
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return value[:-1] if isinstance(value[0], str) else [value[0] + 1, *value[1:]]
    return value + "x" if isinstance(value, str) else value + 1


def test_every_value_of_params_decides_on_some_job(params: Params) -> None:
    params = merge(params, MORE)
    before = [(job, resolve(params, *job)) for job in jobs(params)]

    def decides(key: str, value: Any) -> bool:
        new = changed(params, key, another(key, value))
        try:
            same = [job for job, _ in before] == [*jobs(new)]
            return not same or any(config != resolve(new, *job) for job, config in before)
        except PatchVAEError:  # a name is missing now
            return True

    supervised = {f"variants/{name}/model" for name in ("imagenet-pretrained", "labelled", "shuffled")}
    others = {*supervised, "data/shared/sources"}  # the latter decides on an input file
    keys = [(key, value) for key, value in leaves(params) if key not in others]
    assert [key for key, value in keys if not decides(key, value)] == []


@pytest.fixture
def small(params: Params) -> Params:
    """CIFAR-100 with one sweep, Tables 2 and 7 and a score of parts."""
    overlay = {
        "table1": {"datasets": ["cifar100"]},
        "ablation_base": {"datasets": ["cifar100"], "keys": ["num_parts"]},
        "ablations": {"num_parts": [4, 8], "part_dim": [], "occurrence_prior": [], "beta_occ": []},
        "figures": {"datasets": ["cifar100"]},
    }
    return merge(params, overlay)


SOURCE = "datasets/cifar100/sources/cifar-100-python.tar.gz"


@pytest.mark.parametrize(
    ("key", "touched"),
    [
        # not the sweep over it, which holds values of its own
        ("model/patchvae/num_parts", {"pretrain cifar100/patchvae[/+-]*", "pretrain digits/*"}),
        ("model/patchvae/part_dim", {"pretrain cifar100/patchvae*", "pretrain digits/*"}),
        ("model/beta-vae/latent_dim", {"pretrain cifar100/beta-vae*"}),
        ("model/bigan/latent_dim", {"pretrain cifar100/bigan/*"}),
        ("model/backbone", {"pretrain [cd]*", "pretrain imagenet64/*", "finetune table1/*", "finetune num_parts/*"}),
        ("model/head_pool", {"pretrain imagenet64/*", "finetune table1/*", "finetune num_parts/*"}),
        ("table2_model/patchvae/num_parts", {"pretrain imagenet/patchvae*"}),
        ("table2_model/beta-vae/latent_dim", {"pretrain imagenet/beta-vae*"}),
        ("table2_model/backbone", {"pretrain imagenet/*", "finetune table2/*"}),
        ("table2_model/head_pool", {"finetune table2/*"}),
        ("table2_pretrain/lr", {"pretrain imagenet/*vae*"}),
        ("init", {"pretrain *", "finetune *"}),
        ("variants/beta-vae/beta", {"pretrain */beta-vae*"}),
        ("variants/patchvae/beta_occ", {"pretrain */patchvae*"}),
        ("variants/patchvae/temperature/rate", {"pretrain */patchvae*"}),
        ("variants/bigan/lr", {"pretrain cifar100/bigan/*"}),
        ("variants/bigan/gradient_penalty", {"pretrain cifar100/bigan/*"}),
        ("variants/random+bn/statistics", {"pretrain */random+bn/*"}),
        ("gan/weight", {"pretrain cifar100/*-gan*"}),
        ("pretrain/lr", {"pretrain cifar100/*vae*", "pretrain digits/*", "pretrain imagenet64/*"}),
        (
            "pretrain/batch_size",
            {"pretrain cifar100/*vae*", "pretrain cifar100/bigan/*", "pretrain digits/*", "pretrain imagenet64/*"},
        ),
        ("datasets/cifar100/pretrain_epochs", {"pretrain cifar100/*vae*", "pretrain cifar100/bigan/*"}),
        ("datasets/cifar100/finetune_epochs", {"finetune */cifar100/*"}),
        ("datasets/cifar100/flip", {"pretrain cifar100/*", "finetune */cifar100/*"}),
        ("datasets/cifar100/mask_patch_size", {"masks cifar100", "figure_masks cifar100"}),
        (
            "datasets/cifar100/stand_in",
            {"pretrain cifar100/*", "finetune */cifar100/*", "figure_parts */cifar100"},
        ),
        ("datasets/imagenet64/num_classes", {"prepare imagenet64", "pretrain imagenet64/*"}),
        (f"{SOURCE}/location", {"download cifar100"}),
        (f"{SOURCE}/checksum", {"download cifar100"}),
        ("finetune/lr", {"finetune *"}),
        ("finetune/hidden_dim", {"finetune *", "pretrain imagenet64/*"}),
        ("masks/per_channel", {"masks *", "figure_masks *"}),
        ("select", {"table1 *", "claims *", "table2 *", "sweep *"}),
        ("drawing/rows", {"figure_masks *", "figure_parts *"}),
        ("drawing/crop_cells", {"figure_parts *"}),
        ("reconstruction/sample", {"reconstruct *", "fid *", "table7 *"}),
        ("reconstruction/temperature", {"reconstruct *", "fid *", "table7 *"}),
        ("heads/table12/head_relu", {"finetune *"}),
        ("inception/location", {"inception *"}),
    ],
)
def test_a_value_touches_exactly_the_jobs_that_read_it(small: Params, key: str, touched: set[str]) -> None:
    """touched: patterns of jobs, a rule and its wildcards."""
    before = resolved(small)
    after = resolved(changed(small, key, another(key, dict(leaves(small))[key])))
    assert before.keys() == after.keys()
    jobs_of = {pattern: {job for job in before if fnmatchcase(" ".join(job), pattern)} for pattern in touched}
    assert all(jobs_of.values())
    assert {job for job in before if before[job] != after[job]} == set().union(*jobs_of.values())


@pytest.mark.parametrize(
    ("key", "touched"),
    [
        ("ridge/pool", {"probe *", "real_parts *", "few_labels *"}),
        ("part_measures/crops", {"real_parts *"}),
        ("drawing/crop_cells", {"figure_parts *", "real_parts *", "figure_real_parts *"}),
        ("few_labels/draws", {"few_labels *", "few_labels_pixels *"}),
        ("few_labels/whitened_variance", {"few_labels_pixels *"}),
        ("ridge/lambdas", {"probe *"}),
        (
            "datasets/cifar100/num_classes",
            {"prepare cifar100", "pretrain cifar100/[ls]*", "finetune */cifar100/*", "rates *", "probe *"}
            | {"few_labels *", "few_labels_pixels *"},
        ),
        (
            "model/backbone",
            {"pretrain [cd]*", "pretrain imagenet64/*", "finetune [!t]*", "finetune table1/*", "rates *", "probe *"}
            | {"few_labels *"},
        ),
        # A head is laid over `finetune`, in its own jobs alone, and the table names what it sets.
        ("heads/dropout/head_dropout", {"finetune sensitivity/*/dropout/*", "sensitivity *"}),
        ("heads/authors-rate/lr", {"finetune sensitivity/*/authors-rate/*", "sensitivity *"}),
        (
            "heads/table12/head_relu",
            {"finetune table[12]/*", "finetune num_parts/*", "finetune lengths/*", "sensitivity *"},
        ),
        (
            "finetune/lr",
            {"finetune table[12]/*", "finetune num_parts/*", "finetune lengths/*", "finetune sensitivity/*/[ls]*"}
            | {"finetune sensitivity/*/dropout/*", "finetune sensitivity/*/authors-norm/*"}
            | {"finetune scale_free/*/standardised*"},  # not those whose rate is chosen
        ),
        ("rates/grid", {"rates *"}),
        ("rates/epochs", {"rates *"}),
        ("heads/tuned/head_dropout", {"rates *", "finetune scale_free/*/tuned/*"}),
        ("select", {f"{table} *" for table in READERS}),
    ],
)
def test_a_value_touches_exactly_the_jobs_beside_table_1_that_read_it(
    small: Params, key: str, touched: set[str]
) -> None:
    test_a_value_touches_exactly_the_jobs_that_read_it(merge(small, MORE), key, touched)


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
        variant, regime = (*params["table2"]["supervised"], "none") if supervised else (row["model"], "conv1-5")
        counts["table2"] += 2 * (("finetune", "imagenet", variant, regime) in planned)
    own = {"num_parts": 16, "part_dim": 6, "occurrence_prior": 1 / 16, "beta_occ": 0.6}  # the row of Table 1
    for key, column in variants.SWEEPS.items():
        names = {float(value): variants.swept(params, key, value) for value in params["ablations"][key]}
        names[own[key]] = params["ablation_base"]["variant"]
        for row in rows(f"sweep_{key}"):
            variant = names[float(row[column])]
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


@pytest.mark.parametrize("overlays", [[], *([path] for path in OVERLAYS)])
def test_what_is_planned_to_be_pretrained_is_what_the_checks_are_about(overlays: list[Path]) -> None:
    params = load_params([ROOT / "params.yaml", *overlays])
    trained = [(w["dataset"], w["variant"]) for rule, w in jobs(params) if rule == "pretrain"]
    assert sorted(trained) == sorted([*models(params)] * len(params["seeds"]))


def test_a_rule_has_a_configuration_of_the_names_in_its_outputs() -> None:
    assert {*SETTINGS} == {*KINDS}
    for rule, settings in SETTINGS.items():
        named = {name for text in settings if isinstance(text, str) for name in re.findall(r"{(\w+)}", text)}
        assert named <= {*re.findall(r"{(\w+)}", OUTPUTS[rule][0])}, rule


def test_a_sweep_s_own_cells_are_beside_the_row_of_table_1(params: Params) -> None:

    def cells(key: str) -> set[str]:
        return {w["variant"] for rule, w in jobs(params) if rule == "finetune" and w["table"] == key}

    assert cells("num_parts") == {f"patchvae.num_parts={n}" for n in (4, 8, 32, 64)}
    assert cells("occurrence_prior") == {f"patchvae.occurrence_prior={p}" for p in ("0.01", "0.05", "0.1")}
    row = {"table": "table1", "variant": "patchvae", "regime": "conv1-5", "head": "table12"}
    beside = [w["dataset"] for rule, w in jobs(params) if rule == "finetune" and w.items() >= row.items()]
    assert beside == params["table1"]["datasets"]
    config = resolve(params, "sweep", {"key": "num_parts"})
    assert config["variant"] == "patchvae" and config["variants"]["4"] == "patchvae.num_parts=4"


def test_a_swept_value_takes_the_place_of_the_model_s_own(params: Params) -> None:
    job = {"dataset": "cifar100", "seed": 0}
    own = resolve(params, "pretrain", job | {"variant": "patchvae"})
    swept = resolve(params, "pretrain", job | {"variant": "patchvae.num_parts=4"})
    assert swept == own | {"variant": "patchvae.num_parts=4", "model": own["model"] | {"num_parts": 4}}
    swept = resolve(params, "pretrain", job | {"variant": "patchvae.occurrence_prior=0.05"})
    assert swept["model"] == own["model"] | {"occurrence_prior": 0.05}


def test_any_key_can_be_swept_and_a_sweep_of_fine_tuning_shares_its_pretraining(small: Params) -> None:
    small["ablations"] = {"finetune.weight_decay": [0.5], "pretrain.lr": [1e-3], "detach_occurrence": [False]}
    small["ablation_base"]["keys"] = [*small["ablations"]]
    cell = {
        "dataset": "cifar100",
        "variant": "patchvae.finetune.weight_decay=0.5",
        "regime": "conv1-5",
        "head": "table12",
        "seed": 0,
    }
    config = resolve(small, "finetune", cell)
    assert config["weight_decay"] == 0.5 and config["pretrained"]["variant"] == "patchvae"
    trained = {w["variant"] for rule, w in jobs(small) if rule == "pretrain" and "." in w["variant"]}
    assert trained == {"patchvae.pretrain.lr=0.001", "patchvae.detach_occurrence=false"}
    assert [w["key"] for rule, w in jobs(small) if rule == "sweep"] == [*small["ablations"]]
    assert [w["key"] for rule, w in jobs(small) if rule == "sweep"] == [*small["ablations"]]


def test_table_2_has_sizes_and_a_pretraining_of_its_own(params: Params) -> None:
    params["table2_pretrain"]["lr"] = 0.5
    job = {"variant": "patchvae", "seed": 0}
    configs = {d: resolve(params, "pretrain", job | {"dataset": d}) for d in ("imagenet", "cifar100")}
    models = {dataset: config["model"] for dataset, config in configs.items()}
    assert models["imagenet"]["num_parts"] == 64 and models["imagenet"]["backbone"] == "resnet18"
    assert models["cifar100"]["num_parts"] == 16 and models["cifar100"]["backbone"] == "resnet9"
    assert configs["imagenet"]["lr"] == 0.5 and configs["cifar100"]["lr"] == params["pretrain"]["lr"]
    # What makes a PatchVAE besides its sizes is the same everywhere.
    assert models["imagenet"]["beta_occ"] == models["cifar100"]["beta_occ"] == 0.6
    cell = {"dataset": "imagenet", "variant": "random", "regime": "none", "head": "table12", "seed": 0}
    assert resolve(params, "finetune", cell)["head_pool"] == "average"
    cell["dataset"] = "cifar100"
    assert resolve(params, "finetune", cell)["head_pool"] == "flatten"


def test_jobs_on_images_are_told_whether_they_are_stand_ins(params: Params) -> None:
    def told(dataset: str) -> list[bool]:
        job = {"dataset": dataset, "variant": "patchvae", "regime": "conv1", "head": "table12", "seed": 0}
        return [resolve(params, rule, job)["stand_in"] for rule in ("pretrain", "finetune", "reconstruct", "parts")]

    assert told("cifar100") == [False] * 4
    params["datasets"]["cifar100"]["stand_in"] = True
    assert told("cifar100") == [True] * 4
    assert told("indoor67") == [False] * 4


def test_the_row_with_labels_is_pretrained_once_on_another_data_set(params: Params) -> None:
    trained = [w["dataset"] for rule, w in jobs(params) if rule == "pretrain" and w["variant"] == "imagenet-pretrained"]
    assert trained == ["imagenet64"]
    cell = {"dataset": "cifar100", "variant": "imagenet-pretrained", "regime": "conv1", "head": "table12", "seed": 0}
    source = {"dataset": "imagenet64", "variant": "imagenet-pretrained", "snapshot": None}
    assert resolve(params, "finetune", cell)["pretrained"] == source


def test_a_shorter_pretraining_is_a_snapshot_of_the_whole_one(params: Params) -> None:
    params = merge(params, MORE)
    trained = {w["variant"] for rule, w in jobs(params) if rule == "pretrain"}
    assert not [variant for variant in trained if "epochs" in variant]
    cell = {"dataset": "cifar100", "variant": "patchvae.epochs=3", "regime": "conv1-5", "head": "table12", "seed": 0}
    source = {"dataset": "cifar100", "variant": "patchvae", "snapshot": 3}
    for rule in ("finetune", "probe"):
        assert resolve(params, rule, cell)["pretrained"] == source
        found = [w["variant"] for name, w in jobs(params) if name == rule]
        assert found.count("patchvae.epochs=3") == 1
    assert resolve(params, "pretrain", {"dataset": "cifar100", "variant": "patchvae", "seed": 0})["snapshots"] == [3]


def test_an_archive_is_downloaded_and_packed_and_a_scene_drawn(params: Params) -> None:
    planned = {(rule, w.get("dataset")) for rule, w in jobs(params)}
    for dataset in ("cifar100", "indoor67", "places205", "imagenet"):
        assert {("download", dataset), ("prepare", dataset)} <= planned
    # Packed from imagenet's sources, which are fetched once
    assert ("prepare", "imagenet64") in planned and ("download", "imagenet64") not in planned
    assert ("digit_scenes", "digits") in planned and ("prepare", "digits") not in planned
    params["datasets"]["imagenet"]["sources"]["ILSVRC2012_devkit_t12.tar.gz"] = None
    assert len(resolve(params, "download", {"dataset": "imagenet"})["sources"]) == 2


def test_resolved_configurations_are_plain_json(params: Params) -> None:
    for config in resolved(params).values():
        assert json.loads(json.dumps(config)) == config
