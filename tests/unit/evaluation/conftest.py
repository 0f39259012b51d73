"""Digit scenes, few enough to measure in a second, and checkpoints of untrained models."""

import pytest
import torch
from helpers import untrained

from patchvae.data.digits import read_digit_scenes
from patchvae.data.packed import write_packed
from patchvae.params.configs import check_config
from patchvae.records import checkpoint
from patchvae.records.digests import DIGESTS

MODELS = {
    "beta-vae": {"latent_dim": 8, "beta": 1.0},
    "bigan": {"latent_dim": 8},
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


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """A packed data set of 80 + 60 digit scenes."""
    folder = tmp_path_factory.mktemp("scenes")
    config = {"dataset": "digits", "image_size": 32, "train_images": 80, "test_images": 60, "seed": 0}
    write_packed(folder, "digits", "digit-scenes", *read_digit_scenes(config, None), {})
    return folder


@pytest.fixture
def config():
    """A function of variant and changes, giving the configuration of a measuring job."""

    def build(variant="patchvae", command="reconstruct", **changes):
        config = {
            "dataset": "digits",
            "variant": variant,
            "seed": 0,
            "image_size": 32,
            "input_scaling": "symmetric",
            "precision": "fp32",
            "stand_in": True,
        }
        own = {"reconstruct": {"sample": True, "temperature": 1.0}}
        return check_config(command, config | own.get(command, {}) | changes)

    return build


@pytest.fixture
def pretrain_config():
    """A function of variant and changes, giving as much of a pretraining's configuration as its model needs."""

    def build(variant="patchvae", **changes):
        return {
            "dataset": "digits",
            "variant": variant,
            "seed": 0,
            "image_size": 32,
            "input_scaling": "symmetric",
            "model": {"name": variant, "backbone": "resnet9", "init": "kaiming", **MODELS[variant]},
            "epochs": 2,
            **changes,
        }

    return build


@pytest.fixture
def save_model(tmp_path):
    """A function that writes the checkpoint of a pretraining's configuration, its model untrained unless given."""

    def save(config, model=None):
        path = tmp_path / f"{config['variant']}.pt"
        model = model or untrained(config)
        made = {"config": config, "code_sha256": "c" * 64, **{key: {"train": "d" * 64} for key in DIGESTS}}
        made |= {"snapshots": {}, "steps": 10, "game": None}
        checkpoint.save(path, {"model": model.state_dict(), **made})
        return path

    return save
