"""A packed data set of coloured squares, small enough to train on in a second."""

from pathlib import Path

import numpy as np
import pytest
from helpers import pretrain
from job_files import packed_files, write_job

from patchvae.data.masks import write_masks
from patchvae.data.packed import PackedSplit, write_packed
from patchvae.params.configs import check_config

CLASSES = 3


@pytest.fixture(scope="session")
def packed(tmp_path_factory):
    """(folder, masks) of 40 + 12 images of side 32 in three classes told apart by their colour."""
    folder = tmp_path_factory.mktemp("packed")
    generator = np.random.default_rng(0)
    splits = {}
    for split, count in (("train", 40), ("test", 12)):
        labels = np.arange(count) % CLASSES
        images = generator.integers(0, 60, (count, 32, 32, 3), dtype=np.uint8)
        images[np.arange(count), 8:24, 8:24, labels] += 180
        splits[split] = PackedSplit(images, labels)
    write_packed(folder, "squares", "digit-scenes", [f"class {i}" for i in range(CLASSES)], splits, {})
    masks = folder / "masks" / "train.npy"
    config = {"image_size": 32, "patch_size": 8, "per_channel": True, "normalise": "mean-one"}
    write_masks(config, folder / "train_images.npy", masks)
    return folder, masks


@pytest.fixture
def pretrain_config():
    """A function of variant and changes, giving a resolved `pretrain` configuration."""

    def build(name="patchvae", **changes):
        models = {
            "beta-vae": {"latent_dim": 8, "beta": 1.0},
            "bigan": {"latent_dim": 8},
            "random": {"statistics": "initial"},
            "supervised": {"num_classes": CLASSES, "hidden_dim": 16, "head_pool": "flatten"},
            "patchvae": {
                "num_parts": 4,
                "part_dim": 2,
                "occurrence_prior": "1/N",
                "occurrence_kl": "sum",
                "hard_occurrence": False,
                "detach_occurrence": True,
                "temperature": {"start": 1.0, "rate": 1e-2, "floor": 0.1, "schedule": "exponential", "interval": 1},
                "beta_app": 1.0,
                "beta_occ": 1.0,
            },
        }
        config = {
            "dataset": "squares",
            "image_size": 32,
            "stand_in": False,
            "flip": False,
            "input_scaling": "symmetric",
            "precision": "fp32",
            "variant": name,
            "model": {"name": name, "backbone": "resnet9", "init": "kaiming", **models[name]},
            "seed": 0,
        }
        trained = {
            "epochs": 2,
            "batch_size": 8,
            "lr": 1e-3,
            "adam_betas": [0.9, 0.999],
            "epoch_images": "dataset",
            "snapshots": [],
        }
        vae = {"weighted_loss": False, "gan": None}
        own = {
            "beta-vae": trained | vae,
            "patchvae": trained | vae,
            "bigan": trained | vae | {"gradient_penalty": 0.05},
            "supervised": trained | {"labels": "given"},
            "random": {},
        }
        return check_config("pretrain", config | own[name] | changes)

    return build


@pytest.fixture
def finetune_config():
    """A function of changes, giving a resolved `finetune` configuration."""

    def build(**changes):
        config = {
            "dataset": "squares",
            "stand_in": False,
            "variant": "patchvae",
            "pretrained": {"dataset": "squares", "variant": "patchvae", "snapshot": None},
            "regime": "conv1-5",
            "head": "table12",
            "image_size": 32,
            "num_classes": CLASSES,
            "flip": False,
            "input_scaling": "symmetric",
            "precision": "fp32",
            "backbone": "resnet9",
            "init": "kaiming",
            "epochs": 3,
            "seed": 0,
            "batch_size": 8,
            "lr": 0.05,
            "decay_every": 2,
            "momentum": 0.9,
            "weight_decay": 1e-4,
            "epoch_images": "dataset",
            "last_batch": "drop",
            "hidden_dim": 16,
            "head_relu": True,
            "head_pool": "flatten",
            "head_dropout": 0.0,
            "standardise": False,
            "labels_per_class": "all",
            "train_batch_norm": True,
            "frozen_batch_norm": "eval",
        }
        return check_config("finetune", config | changes)

    return build


@pytest.fixture
def weights(packed, pretrain_config, tmp_path):
    """The checkpoint of a pretrained PatchVAE."""

    data, _ = packed
    path = tmp_path / "pretrained.pt"
    pretrain(pretrain_config(), data, None, path, tmp_path / "pretrain.json", tmp_path / "scratch", "cpu", 1)
    return path


@pytest.fixture
def job_file(packed, tmp_path, monkeypatch):
    """job_file(rule, config): the file of a training in the current folder, whose outputs are RULE.json and so on."""
    monkeypatch.chdir(tmp_path)
    Path("data/packed").mkdir(parents=True)
    Path("data/packed/squares").symlink_to(packed[0], target_is_directory=True)

    def write(rule, config):
        inputs, outputs = {"data": packed_files("data/packed/squares")}, {"metrics": f"{rule}.json"}
        if rule == "pretrain":
            return write_job(rule, config, inputs, {"checkpoint": "pretrain.pt", **outputs})
        return write_job(rule, config, inputs | {"pretrained": "pretrain.pt"}, outputs)

    return write
