"""Parameters that make no sense are refused, each in one sentence that names the key."""

import math
from pathlib import Path
from typing import Any

import pytest
from helpers import OVERLAYS, changed
from job_files import jobs
from ruamel.yaml import YAML

from patchvae.data import imagenet, indoor67, places205
from patchvae.data.prepare import FORMATS
from patchvae.errors import PatchVAEError
from patchvae.params.checks import SOURCES, checked_params, validate
from patchvae.params.reading import load_params, merge

Params = dict[str, Any]

OF_THE_MODEL = [
    ("finetune/lrr", 1.0, ["finetune.lrr", "unknown key", "did you mean lr?"]),
    ("finetunes", {}, ["finetunes", "unknown key", "did you mean finetune?"]),
    ("pretrain/lr", 0, ["pretrain.lr", "0"]),
    ("pretrain/lr", "fast", ["pretrain.lr", "fast"]),
    ("table2_pretrain/lr", 0, ["table2_pretrain.lr", "0"]),
    ("finetune/momentum", 1.5, ["finetune.momentum", "1.5"]),
    ("variants/patchvae/occurrence_prior", 2, ["variants.patchvae.occurrence_prior", "1/N"]),
    ("pretrain/epoch_images", 0, ["pretrain.epoch_images", "dataset"]),
    ("pretrain/adam_betas", [0.9], ["pretrain.adam_betas"]),
    ("run", "My Run", ["run", "My Run", "lower-case"]),
    ("seeds", [], ["seeds"]),
    ("table2", None, ["table2", "None"]),
    ("table2/datasets", ["imagenet", "cifar100"], ["table2.datasets"]),
    ("table1/objectives/gans", [], ["table1.objectives.gans", "unknown key", "did you mean gan?"]),
    ("ablations/num_parts", [4, 0], ["ablations.num_parts", "model.patchvae.num_parts", "0"]),
    ("ablations/num_parts", ["a/b"], ["ablations.num_parts", "a/b", "file's name"]),
    ("inception/checksum", "sha256:12", ["inception.checksum"]),
    ("model/num_parts", 3, ["model.num_parts", "3"]),
    ("model/patchvae/num_part", 3, ["model.patchvae.num_part", "unknown key", "did you mean num_parts?"]),
    ("variants/patchvae/model", "vqvae", ["variants.patchvae.model", "'vqvae'", "patchvae"]),
    ("variants/patchvae/beta", 1.0, ["variants.patchvae.beta", "unknown key"]),
    ("variants/bigan/weighted_loss", True, ["variants.bigan.weighted_loss", "unknown key"]),
    ("variants/a b", {"model": "supervised"}, ["variants", "a b"]),
    ("datasets/cifar100/format", "cifar10", ["datasets.cifar100.format", "'cifar10'", "did you mean cifar100?"]),
    ("datasets/cifar100/train_images", 5, ["datasets.cifar100.train_images", "unknown key"]),
    ("datasets/cifar100/image_size", 36, ["datasets.cifar100.image_size", "36"]),
    ("datasets/indoor67/model", {}, ["datasets.indoor67.model", "unknown key"]),
    ("datasets/cifar100/sources/cifar-100-python.tar.gz/checksum", "md5:12", ["checksum", "sha256"]),
    # no finite number
    ("finetune/lr", math.nan, ["finetune.lr", "nan is not a finite number"]),
    ("gan/weight", math.inf, ["gan.weight", "inf is not a finite number"]),
    ("ablations/beta_occ", [0.1, -math.inf], ["ablations.beta_occ.1", "-inf is not a finite number"]),
    ("seeds", [math.nan], ["seeds.0", "nan is not a finite number"]),
    # a whole number with a point
    ("finetune/hidden_dim", 512.0, ["finetune.hidden_dim", "512.0 is not a whole number; write 512"]),
    ("pretrain/epoch_images", 2e4, ["pretrain.epoch_images", "20000.0", "; write 20000"]),
    ("seeds", [0.0], ["seeds.0", "; write 0"]),
    ("datasets/digits/seed", 1.0, ["datasets.digits.seed", "; write 1"]),
    ("ablations/num_parts", [4.0], ["ablations.num_parts: model.patchvae.num_parts", "; write 4"]),
    ("datasets/cifar100/pretrain_epochs", 90.5, ["datasets.cifar100.pretrain_epochs", "90.5 is not a whole number"]),
    # another type
    ("finetune/batch_size", True, ["finetune.batch_size", "True is not a whole number"]),
    ("finetune/lr", True, ["finetune.lr", "True is not a number"]),
    ("finetune/lr", "0.1", ["finetune.lr", "'0.1' is not a number"]),
    ("heads/table12/head_relu", 1, ["heads.table12.head_relu", "1 is not true or false"]),
    ("heads/table12/head_relu", "yes", ["heads.table12.head_relu", "'yes' is not true or false"]),
    ("datasets/digits/stand_in", 1, ["datasets.digits.stand_in"]),
    ("ablations/beta_occ", [True], ["ablations.beta_occ", "True is not a number"]),
    ("ablations/beta_occ", ["0.1"], ["ablations.beta_occ", "'0.1' is not a number"]),
    ("finetune/lr", None, ["finetune.lr", "None is not a number"]),
    ("finetune", [], ["finetune", "[] is not a mapping"]),
    ("seeds", 0, ["seeds", "0 is not a list"]),
    ("table1/variants", {"patchvae": 1}, ["table1.variants", "is not a list"]),
    ("table1/variants", "patchvae", ["table1.variants", "'patchvae' is not a list"]),
    ("variants/patchvae/occurrence_prior", True, ["variants.patchvae.occurrence_prior"]),
    # too much or too little
    ("seeds", [2**32], ["seeds.0", "4294967295"]),
    ("seeds", [-1], ["seeds.0", "-1"]),
    ("seeds", [1, 1], ["seeds", "holds nothing twice"]),
    ("seeds", [10**400], ["seeds.0", "too many digits"]),
    ("datasets/digits/seed", 2**32, ["datasets.digits.seed", "4294967295"]),
    ("datasets/digits/train_images", 10**12, ["datasets.digits.train_images"]),
    ("datasets/digits/num_classes", 9, ["datasets.digits.num_classes", "10"]),
    ("datasets/digits/image_size", 40, ["datasets.digits.image_size", "32"]),
    ("datasets/imagenet/image_size", 2**20, ["datasets.imagenet.image_size"]),
    ("datasets/cifar100/pretrain_epochs", 10**7, ["datasets.cifar100.pretrain_epochs"]),
    ("model/patchvae/num_parts", 1, ["model.patchvae.num_parts", "1 is not at least 2"]),
    ("table2_model/patchvae/num_parts", 1, ["table2_model.patchvae.num_parts", "1 is not at least 2"]),
    ("ablations/num_parts", [1], ["ablations.num_parts", "1 is not at least 2"]),
    ("variants/patchvae/occurrence_prior", 1e-300, ["variants.patchvae.occurrence_prior"]),
    ("ablations/occurrence_prior", [1 - 1e-12], ["ablations.occurrence_prior"]),
    ("variants/patchvae/temperature/floor", 1e-300, ["variants.patchvae.temperature.floor"]),
    ("reconstruction/temperature", 0, ["reconstruction.temperature"]),
    ("gan/weight", 1e300, ["gan.weight"]),
    # names that cannot be part of a path, or would make it too long
    ("run", "", ["run: ''"]),
    ("run", "paper\n", ["run", "control character"]),
    ("run", "a/b", ["run: 'a/b'"]),
    ("run", "..", ["run: '..'"]),
    ("run", "-n", ["run: '-n'"]),
    ("run", "r" * 65, ["run", "at most 64"]),
    ("run", 5, ["run: 5 is not a name"]),
    ("datasets/a\n", {}, ["datasets", "a key must be plain text"]),
    ("datasets/..", {}, ["datasets", "'..'"]),
    ("datasets/.hidden", {}, ["datasets", "'.hidden'"]),
    ("datasets/" + "d" * 65, {}, ["datasets", "at most 64"]),
    ("variants/" + "v" * 300, {"model": "supervised"}, ["variants", "at most 64"]),
    ("variants/patchvae.x=1", {"model": "supervised"}, ["variants", "patchvae.x=1"]),
    ("ablations/" + "k" * 65, [1], ["ablations", "64 letters"]),
    ("ablations/..", [1], ["ablations", "'..'"]),
    ("ablations/init", ["t" * 65], ["ablations.init.0", "64 letters"]),
    ("ablations/init", ["../up"], ["ablations.init.0", "'../up'"]),
    ("datasets/cifar100/sources/..", None, ["datasets.cifar100.sources", "plain file name"]),
    ("datasets/cifar100/sources/" + "s" * 129, None, ["datasets.cifar100.sources", "plain file name"]),
    ("inception/location", "a\0b", ["inception.location", "control character"]),
    ("inception/location", "", ["inception.location"]),
]


def sentence(params: Params) -> str:
    with pytest.raises(PatchVAEError) as caught:
        validate(params)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(("key", "value", "parts"), OF_THE_MODEL)
def test_a_value_outside_the_model_gets_one_sentence_with_its_key(
    params: Params, key: str, value: Any, parts: list[str]
) -> None:
    said = sentence(changed(params, key, value))
    assert [part for part in ["parameters: ", *parts] if part not in said] == []


# Overlay of the paper's parameters, the key that is named first, and what is said of it
CROSS_CHECKS = [
    # every name is the name of something
    ("data: {archives: [cifar10]}", "data.archives", "unknown data set 'cifar10', known are"),
    ("data: {scenes: [digit]}", "data.scenes", "did you mean digits?"),
    ("data: {weighted: [imagnet]}", "data.weighted", "did you mean imagenet?"),
    ("table1: {datasets: [cifar10]}", "table1.datasets", "did you mean cifar100?"),
    ("table1: {regimes: [conv1-4]}", "table1.regimes.0", "'conv1-4' is not 'none', 'conv1',"),
    ("table1: {labelled: {dataset: imagenet6}}", "table1.labelled.dataset", "did you mean imagenet64?"),
    ("table1: {labelled: {variants: [imagenet]}}", "table1.labelled.variants", "unknown variant 'imagenet'"),
    ("table1: {objectives: {gan+lw: [patchvea]}}", "table1.objectives.gan+lw", "did you mean patchvae?"),
    ("table2: {datasets: [imagenet2]}", "table2.datasets", "did you mean imagenet?"),
    ("table2: {regime: conv2}", "table2.regime", "'conv2' is not 'none'"),
    ("table2: {supervised: [randon]}", "table2.supervised", "did you mean random?"),
    ("table2: {objectives: {lw: [bigam]}}", "table2.objectives.lw", "did you mean bigan?"),
    ("ablation_base: {datasets: [indoor]}", "ablation_base.datasets", "did you mean indoor67?"),
    ("ablation_base: {variant: patchvae+lw}", "ablation_base.variant", "did you mean patchvae?"),
    ("ablation_base: {regime: conv2}", "ablation_base.regime", "'conv2' is not 'none'"),
    ("parts: {datasets: [digit]}", "parts.datasets", "did you mean digits?"),
    ("parts: {pretrained: [digit]}", "parts.pretrained", "did you mean digits?"),
    ("figures: {datasets: [imagenet46]}", "figures.datasets", "did you mean imagenet64?"),
    # sizes
    ("model: {patchvea: {num_parts: 3}}", "model.patchvea", "unknown variant; did you mean patchvae?"),
    ("table2_model: {beta-va: {latent_dim: 3}}", "table2_model.beta-va", "did you mean beta-vae?"),
    ("model: {bigan: {num_parts: 3}}", "model.bigan.num_parts", "bigan is of model bigan, which has no num_parts"),
    ("model: {random: {latent_dim: 3}}", "model.random.latent_dim", "which has no latent_dim"),
    (
        "{variants: {other: {model: bigan, lr: 1.0e-4, adam_betas: [0.5, 0.9], gradient_penalty: 0}},"
        " table1: {objectives: {bigan: [other]}}}",
        "model.other.latent_dim",
        "missing, table1.objectives.bigan names other",
    ),
    # ways to be pretrained
    ("table1: {objectives: {plain: [bigan]}}", "table1.objectives.plain", "this list is for beta-vae and patchvae"),
    ("table1: {objectives: {bigan: [patchvae]}}", "table1.objectives.bigan", "this list is for bigan"),
    ("table2: {objectives: {none: [beta-vae]}}", "table2.objectives.none", "this list is for random"),
    ("table1: {labelled: {variants: [random]}}", "table1.labelled.variants", "this list is for supervised"),
    ("table2: {supervised: [patchvae]}", "table2.supervised", "this list is for random"),
    ("table2: {regime: none}", "table2.regime", "none is the regime of random as table2.supervised"),
    ("table1: {variants: [patchvea]}", "table1.variants", "none of table1.objectives; did you mean patchvae?"),
    ("table1: {objectives: {gan+lw: []}}", "table1.variants", "beta-vae-gan+lw is in none of table1.objectives"),
    ("table2: {variants: [patchvae-gan]}", "table2.variants", "patchvae-gan is in none of table2.objectives"),
    (
        "table2: {variants: [patchvae], objectives: {none: []}}",
        "table2.supervised",
        "random is in none of table2.objectives",
    ),
    # sweeps
    ("ablation_base: {variant: bigan}", "ablation_base.variant", "a row of Table 1 and in table1.objectives.plain"),
    ("table1: {variants: [beta-vae]}", "ablation_base.variant", "patchvae must be a row of Table 1"),
    ("ablation_base: {regime: none}", "ablation_base.regime", "none must be among table1.regimes"),
    ("ablation_base: {datasets: [imagenet]}", "ablation_base.datasets", "imagenet must be among table1.datasets"),
    ("ablations: {num_parts: [4, 16]}", "ablations.num_parts", "leave out 16, it is model.patchvae.num_parts"),
    ("ablations: {beta_occ: [0.6]}", "ablations.beta_occ", "leave out 0.6, it is variants.patchvae.beta_occ"),
    ("ablations: {pretrain.lr: [1.0e-4]}", "ablations.pretrain.lr", "leave out 0.0001, it is pretrain.lr"),
    ("ablations: {num_part: [4]}", "ablations.num_part", "did you mean num_parts?"),
    ("ablations: {finetune.lrr: [4]}", "ablations.finetune.lrr", "neither a key of variants.patchvae"),
    ("ablations: {masks.per_channel: [false]}", "ablations.masks.per_channel", "can be swept"),
    ("ablations: {gan.weight: [0.1]}", "ablations.gan.weight", "can be swept"),
    ("ablations: {finetune.lr: [0.1]}", "ablation_base.keys", "finetune.lr must be here and have values"),
    ("ablations: {num_parts: []}", "ablation_base.keys", "num_parts must be here and have values"),
    (
        "{ablation_base: {keys: [detach_occurrence]}, ablations: {detach_occurrence: [0], num_parts: [], part_dim: [],"
        " occurrence_prior: [], beta_occ: []}}",
        "ablations.detach_occurrence",
        "variants.patchvae.detach_occurrence: 0 is not true or false",
    ),
    # what is measured or drawn
    ("table7: {variants: [patchvea]}", "table7.variants", "unknown variant 'patchvea'; did you mean patchvae?"),
    ("figures: {variant: patchvae+l}", "figures.variant", "did you mean patchvae+lw?"),
    ("parts: {variants: [patchvea]}", "parts.variants", "did you mean patchvae?"),
    ("table7: {variants: [random]}", "table7.variants", "random has no reconstruction"),
    ("figures: {variant: bigan}", "figures.variant", "bigan has no occurrence maps"),
    ("parts: {variants: [beta-vae]}", "parts.variants", "beta-vae has no occurrence maps"),
    ("table7: {variants: [patchvae-gan]}", "table7.variants", "patchvae-gan is not pretrained on imagenet"),
    ("figures: {datasets: [digits, imagenet64]}", "figures.variant", "patchvae is not pretrained on imagenet64"),
    ("parts: {pretrained: []}", "parts.variants", "patchvae is not pretrained on digits: add it to objectives"),
    ("parts: {variants: []}", "parts.variants", "must name a variant where parts.datasets names data sets"),
    ("parts: {datasets: []}", "parts.variants", "and none where it does not"),
    ("parts: {pretrained: [digits, imagenet64]}", "parts.pretrained", "imagenet64 must be among parts.datasets"),
    ("parts: {variants: [patchvae+lw]}", "parts.pretrained", "patchvae+lw is pretrained for Table 1 only"),
    ("parts: {variants: [patchvae.num_parts=4]}", "parts.pretrained", "num_parts=4 is pretrained for Table 1 only"),
    ("parts: {datasets: [digits, cifar100]}", "parts.datasets", "cifar100 has no true occurrence maps"),
    # what is packed
    ("data: {shared: {datasets: [imagenet6]}}", "data.shared.datasets", "did you mean imagenet64?"),
    ("data: {shared: {sources: imagnet}}", "data.shared.sources", "did you mean imagenet?"),
    ("data: {shared: {sources: imagenet64}}", "data.shared.sources", "imagenet64 must be in data.archives"),
    ("data: {shared: {sources: indoor67}}", "data.shared.datasets", "must be of the format of indoor67"),
    (
        "data: {archives: [cifar100, indoor67, imagenet], shared: {datasets: [imagenet64, places205]}}",
        "data.shared.datasets",
        "places205 has sources of its own",
    ),
    (
        "data: {archives: [cifar100, indoor67, places205, imagenet, imagenet64], shared: {datasets: []}}",
        "datasets.imagenet64.sources",
        "missing, data.archives names it",
    ),
    ("data: {shared: {datasets: []}}", "data.archives", "imagenet64 must be here"),
    (
        "datasets: {cifar100: {sources: {cifar-100-python.tar.gz: null}}}",
        "datasets.cifar100.sources",
        "0 are not null, the format cifar100 has one",
    ),
    (
        "datasets: {indoor67: {sources: {TestImages.text: {location: a, checksum: unverified}}}}",
        "datasets.indoor67.sources.TestImages.text",
        "the format indoor67 has no such source; did you mean TestImages.txt?",
    ),
    (
        "datasets: {imagenet: {sources: {ILSVRC2012_img_val.tar: null}}}",
        "datasets.imagenet.sources.ILSVRC2012_img_val.tar",
        "missing, the format imagenet needs it",
    ),
    ("ablation_base: {datasets: []}", "ablation_base.datasets", "empty, and ablations name values"),
    # models and what they are trained on
    ("table1: {datasets: [cifar100, indoor67, imagenet]}", "table1.datasets", "imagenet is in table2.datasets"),
    ("table1: {labelled: {dataset: imagenet}}", "table1.labelled.dataset", "imagenet is in table2.datasets"),
    (
        "{table2: {datasets: [digits]}, figures: {datasets: [cifar100]}}",
        "parts.pretrained",
        "digits is in table2.datasets",
    ),
    (
        "table1: {datasets: [cifar100, indoor67, digits]}",
        "parts.pretrained",
        "patchvae would be pretrained on digits 2 times",
    ),
    (
        "{variants: {beta-vae+lw: {model: beta-vae, beta: 1.0}}, model: {beta-vae+lw: {latent_dim: 96}},"
        " table1: {objectives: {plain: [beta-vae, patchvae, beta-vae+lw]}}}",
        "table1.objectives",
        "beta-vae+lw would be pretrained on cifar100 2 times",
    ),
    (
        "{variants: {beta-vae+lw: {model: beta-vae, beta: 1.0}}, table2_model: {beta-vae+lw: {latent_dim: 96}},"
        " table2: {objectives: {plain: [beta-vae, patchvae, beta-vae+lw]}}}",
        "table2.objectives",
        "beta-vae+lw would be pretrained on imagenet 2 times",
    ),
    ("data: {archives: [cifar100, indoor67]}", "data.archives", "places205 must be here, beta-vae is pretrained on it"),
    ("data: {scenes: []}", "data.scenes", "digits must be here, patchvae is pretrained on it"),
    ("data: {weighted: [indoor67, places205, imagenet]}", "data.weighted", "cifar100 must be here"),
    (
        "{table1: {labelled: {variants: []}}, data: {shared: {datasets: []},"
        " weighted: [cifar100, indoor67, places205, imagenet, imagenet64]}}",
        "data.weighted",
        "imagenet64 must be in data.archives or data.scenes too",
    ),
    (
        "data: {archives: [cifar100, indoor67, places205, imagenet, imagenet64, digits]}",
        "data.archives",
        "digits is of format digit-scenes, see data.scenes",
    ),
    ("data: {scenes: [digits, cifar100]}", "data.scenes", "cifar100 is of format cifar100, see data.archives"),
    # data sets
    ("datasets: {cifar100: {finetune_epochs: null}}", "datasets.cifar100.finetune_epochs", "missing"),
    ("datasets: {imagenet: {finetune_epochs: null}}", "datasets.imagenet.finetune_epochs", "missing"),
    ("datasets: {places205: {mask_patch_size: null}}", "datasets.places205.mask_patch_size", "missing, and data."),
    ("datasets: {cifar100: {mask_patch_size: 7}}", "datasets.cifar100.image_size", "its mask_patch_size = 7"),
    ("ablations: {model.backbone: [resnet18]}", "ablation_base.keys", "model.backbone must be here"),
    (
        "{datasets: {cifar100: {image_size: 32}, indoor67: {image_size: 72}}, ablation_base: {keys: [model.backbone]},"
        " ablations: {model.backbone: [resnet18], num_parts: [], part_dim: [], occurrence_prior: [], beta_occ: []}}",
        "ablations.model.backbone",
        "datasets.indoor67.image_size: 72 is not a multiple of resnet18's stride",
    ),
    ("datasets: {imagenet: {image_size: 72}}", "datasets.imagenet.image_size", "resnet18's stride 32"),
]


@pytest.mark.parametrize(("overlay", "key", "part"), CROSS_CHECKS)
def test_parameters_that_contradict_each_other_get_one_sentence_with_the_key(
    params: Params, overlay: str, key: str, part: str
) -> None:
    edited = merge(params, YAML(typ="safe", pure=True).load(overlay))
    for name, block in edited["datasets"].items():  # null: left out
        edited["datasets"][name] = {k: v for k, v in block.items() if v is not None}
    said = sentence(edited)
    assert said.startswith(f"parameters: {key}: ")
    assert part in said


@pytest.mark.parametrize("key", ["finetune/lr", "table2_pretrain/lr", "model/patchvae/part_dim", "data/weighted"])
def test_a_missing_key_is_named(params: Params, key: str) -> None:
    *parents, last = key.split("/")
    node = params
    for name in parents:
        node = node[name]
    del node[last]
    assert sentence(params).startswith(f"parameters: {key.replace('/', '.')}: missing")


def test_the_paper_and_every_overlay_are_valid_and_name_runs_of_their_own(root: Path) -> None:
    validate(load_params([root / "params.yaml"]))
    assert OVERLAYS
    for overlay in OVERLAYS:
        params = load_params([root / "params.yaml", overlay])
        validate(params)
        assert params["run"] == overlay.stem


@pytest.mark.parametrize("overlays", [["mine"], ["mine", "heavy"], ["mine", "sweeps"]])
def test_the_overlays_of_the_guide_are_valid(root: Path, tmp_path: Path, overlays: list[str]) -> None:
    guide = (root / "docs/adding-a-dataset.md").read_text(encoding="utf-8")
    (tmp_path / "configs").symlink_to(root / "configs")
    paths = [tmp_path / f"{name}.yaml" for name in overlays]
    for path in paths:
        (block,) = [block for block in guide.split("```yaml\n")[1:] if block.startswith(f"# {path.name}")]
        path.write_text(block.split("```")[0], encoding="utf-8")
    params = load_params([root / "params.yaml", *paths])
    validate(params)
    trained = {(w["dataset"], w["variant"]) for rule, w in jobs(params) if rule == "pretrain"}
    assert {dataset for dataset, _ in trained} == {"flowers"}
    assert ("flowers", "patchvae-heavy+lw") in trained or "heavy" not in overlays
    assert ("flowers", "patchvae.detach_occurrence=false") in trained or "sweeps" not in overlays


def test_the_sources_of_a_format_are_those_that_its_reader_wants() -> None:
    assert {name for name in FORMATS if name not in SOURCES} == {"cifar100", "folders", "digit-scenes"}
    assert SOURCES == {
        "indoor67": ((indoor67.ARCHIVE, indoor67.TRAIN, indoor67.TEST), ()),
        "places205": ((places205.IMAGES, places205.LISTS), ()),
        "imagenet": ((imagenet.TRAIN, imagenet.VAL), (imagenet.DEVKIT, imagenet.LABELS)),
        "lists": (("images", "train.txt", "test.txt"), ()),  # see data/test_formats.py
    }


def test_an_overlay_that_changes_something_has_a_run_of_its_own(root: Path, tmp_path: Path) -> None:
    base = root / "params.yaml"

    def overlay(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    named, other = overlay("named.yaml", "run: mine\n"), overlay("other.yaml", "seeds: [7]\n")
    same = overlay("same.yaml", "run: paper\nseeds: [7]\n")
    below = overlay("below.yaml", "run: mine\nfinetune: {lr: 0.3}\n")
    above, named_above = "extends: below.yaml\nseeds: [7]\n", "extends: below.yaml\nrun: yours\nseeds: [7]\n"
    elsewhere = overlay(
        "elsewhere.yaml",
        "datasets: {cifar100: {sources: {cifar-100-python.tar.gz: {location: /here, checksum: unverified}}}}\n",
    )
    for paths, config, source in [
        ([other], {}, "other.yaml"),
        ([same], {}, "same.yaml"),
        ([named, same], {}, "same.yaml"),
        ([named, other], {}, "other.yaml"),
        ([overlay("above.yaml", above)], {}, "above.yaml"),
        ([below], {"precision": "fp32"}, "--config"),
        ([], {"precision": "fp32"}, "--config"),
    ]:
        with pytest.raises(PatchVAEError, match="add `run: NAME`") as caught:
            checked_params([base, *paths], config)
        assert source in str(caught.value)
    assert checked_params([base, overlay("named_above.yaml", named_above)])["finetune"]["lr"] == 0.3
    assert checked_params([base, below, elsewhere])["run"] == "mine"
    assert checked_params([base, other, named])["run"] == "mine"
    assert checked_params([base, other], {"run": "mine"})["run"] == "mine"
    assert checked_params([base, overlay("nothing.yaml", "seeds: [0]\n")])["run"] == "paper"
    with pytest.raises(PatchVAEError, match="--config: seeds: nan is not a finite number"):
        checked_params([base], {"seeds": math.nan})
    with pytest.raises(PatchVAEError, match="parameters: finetune.lrr"):  # before the lack of a run
        checked_params([base, overlay("misspelt.yaml", "finetune: {lrr: 1}\n")])


def test_a_run_without_imagenet_is_a_few_empty_lists(params: Params) -> None:
    """As docs/running.md says."""
    small = ["cifar100", "indoor67", "places205"]
    overlay = {
        "data": {"archives": small, "shared": {"datasets": []}, "weighted": small},
        "table1": {"labelled": {"variants": []}},
        "table2": {"datasets": []},
        "figures": {"datasets": ["cifar100"]},
    }
    params = merge(params, overlay)
    validate(params)
    assert not [w for _, w in jobs(params) if "imagenet" in w.get("dataset", "")]
    assert not {"table2", "table7", "inception"} & {rule for rule, _ in jobs(params)}
