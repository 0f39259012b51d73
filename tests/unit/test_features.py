"""`load`: features and occurrence maps as training and measuring compute them, and what it refuses."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import ROOT
from PIL import Image
from torch import Tensor

from patchvae.errors import PatchVAEError
from patchvae.features import export, load
from patchvae.files import file_digest
from patchvae.models.factory import build_model, network_of
from patchvae.models.scaling import Scaling
from patchvae.pretrained import restored
from patchvae.records import checkpoint
from patchvae.records.digests import DIGESTS

PARTS = {
    "num_parts": 3,
    "part_dim": 2,
    "occurrence_prior": "1/N",
    "occurrence_kl": "sum",
    "hard_occurrence": False,
    "detach_occurrence": True,
    "beta_app": 1.0,
    "beta_occ": 1.0,
    "temperature": {"start": 1.0, "rate": 0.0, "floor": 0.1, "schedule": "exponential", "interval": 1},
}
MODELS: dict[str, dict[str, Any]] = {
    "patchvae": PARTS,
    "beta-vae": {"latent_dim": 8, "beta": 1.0},
    "bigan": {"latent_dim": 8},
    "random": {"statistics": "initial"},
    "supervised": {"num_classes": 3, "hidden_dim": 8, "head_pool": "average"},
}
Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """save(variant, model=..., **changes of its configuration) -> a checkpoint with a snapshot of epoch 1."""

    def write(variant: str = "patchvae", backbone: str = "resnet9", **changes: Any) -> Path:
        torch.manual_seed(0)
        block = {"name": variant, "backbone": backbone, "init": "kaiming", **MODELS[variant]}
        model = build_model(network_of(block), 32)
        for name, buffer in model.named_buffers():  # as if trained: no BatchNorm is the identity
            if name.endswith("running_mean"):
                buffer.uniform_(-0.1, 0.1)
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
        phi = model.get_submodule("encoder.backbone").state_dict()
        config = {"dataset": "tiny", "variant": variant, "seed": 0, "image_size": 32, "input_scaling": "symmetric"}
        content = {
            "model": model.state_dict(),
            "config": {**config, "model": block, **changes},
            "snapshots": {1: {name: torch.zeros_like(value) for name, value in phi.items()}},
            "steps": 1,
            "game": None,
            "code_sha256": "c" * 64,
            **{key: {"train": str(number) * 64} for number, key in enumerate(DIGESTS)},
        }
        checkpoint.save(tmp_path / f"{variant}.pt", content)
        return tmp_path / f"{variant}.pt"

    return write


@pytest.fixture
def pixels() -> Tensor:
    """Packed images (2, S, S, 3)."""
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8))


@pytest.mark.parametrize("scaling", ["symmetric", "imagenet"])
@pytest.mark.parametrize("kind", list(MODELS))
def test_features_are_those_of_training(save: Save, pixels: Tensor, kind: str, scaling: str) -> None:
    path = save(kind, input_scaling=scaling)
    phi = load(path)
    content = checkpoint.load(path)
    model = build_model(network_of(content["config"]["model"]), 32)
    model.load_state_dict(content["model"])
    wanted = model.eval().get_submodule("encoder.backbone")(Scaling(scaling, torch.device("cpu"))(pixels))
    images = pixels.permute(0, 3, 1, 2)
    assert phi(images).shape == (2, phi.channels, 4, 4)
    assert wanted.any()
    torch.testing.assert_close(phi(images), wanted.detach())
    torch.testing.assert_close(phi(images / 255), phi(images))
    torch.testing.assert_close(phi(images.double() / 255), phi(images))
    assert phi.image_size == 32 and not phi.training
    assert not phi(images).requires_grad and phi.requires_grad_()(images).requires_grad


@pytest.mark.parametrize(("backbone", "channels", "stride"), [("resnet9", 128, 8), ("resnet18", 512, 32)])
def test_images_of_any_sides(save: Save, backbone: str, channels: int, stride: int) -> None:
    phi = load(str(save("random", backbone)))
    assert (phi.channels, phi.stride) == (channels, stride)
    for height, width in ((1, 1), (20, 33), (64, 224)):
        shape = phi(torch.zeros(1, 3, height, width)).shape
        assert shape == (1, channels, -(-height // stride), -(-width // stride))


def test_occurrence_maps_are_the_encoders(save: Save, pixels: Tensor) -> None:
    path = save()
    content = checkpoint.load(path)
    model = build_model(network_of(content["config"]["model"]), 32)
    model.load_state_dict(content["model"])
    posterior = model.eval().get_submodule("encoder")(Scaling("symmetric", torch.device("cpu"))(pixels))
    maps = load(path).occurrence(pixels.permute(0, 3, 1, 2))
    assert maps.shape == (2, 3, 4, 4)
    torch.testing.assert_close(maps, posterior.occurrence_logits.sigmoid().detach())


def test_phi_of_a_snapshot(save: Save, pixels: Tensor) -> None:
    path, images = save(), pixels.permute(0, 3, 1, 2)
    phi = load(path, epoch=1)
    assert not phi(images).any()  # its weights are zeros
    assert load(path)(images).any()
    with pytest.raises(PatchVAEError, match="patchvae has no occurrence maps: .* a snapshot holds phi alone"):
        phi.occurrence(images)
    with pytest.raises(PatchVAEError, match="no snapshot of epoch 2, only of 1"):
        load(path, epoch=2)


@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != "patchvae"])
def test_only_a_patchvae_has_occurrence_maps(save: Save, kind: str) -> None:
    with pytest.raises(PatchVAEError, match=f"{kind} has no occurrence maps"):
        load(save(kind)).occurrence(torch.zeros(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.zeros((1, 3, 32, 32), np.uint8), "must be a tensor .B, 3, H, W., not a ndarray"),
        (torch.zeros(3, 32, 32), r"of shape \(B, 3, H, W\) and not empty, not \(3, 32, 32\)"),
        (torch.zeros(1, 1, 32, 32), r"not \(1, 1, 32, 32\)"),
        (torch.zeros(1, 32, 32, 3), r"not \(1, 32, 32, 3\)"),
        (torch.zeros(0, 3, 32, 32), "not empty"),
        (torch.zeros(1, 3, 0, 32), "not empty"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.int64), "must be uint8 or floating point, not int64"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.bool), "not bool"),
        (torch.full((1, 3, 32, 32), 255.0), r"lie in \[0, 1\], not between 255 and 255"),
        (torch.full((1, 3, 32, 32), -1.0), "not between -1 and -1"),
        (torch.full((1, 3, 32, 32), torch.nan), "not between nan and nan"),
    ],
)
def test_other_images_are_refused_in_one_sentence(save: Save, images: Any, said: str) -> None:
    phi = load(save())
    for function in (phi, phi.occurrence):
        with pytest.raises(PatchVAEError, match=said) as caught:
            function(images)
        assert "\n" not in str(caught.value)


def test_rounding_is_no_mistake(save: Save) -> None:
    assert load(save("random"))(torch.full((1, 3, 8, 8), 1 + 1e-6)).isfinite().all()


def test_files_that_are_no_checkpoint_of_a_pretraining(save: Save, tmp_path: Path) -> None:
    def refused(path: Path, said: str) -> None:
        with pytest.raises(PatchVAEError, match=said) as caught:
            load(path)
        assert path.name in str(caught.value) and "\n" not in str(caught.value)

    refused(tmp_path / "gone.pt", "does not exist")
    (tmp_path / "text.pt").write_text("no checkpoint")
    refused(tmp_path / "text.pt", "cannot be read")
    torch.save({"weights": torch.zeros(1)}, tmp_path / "other.pt")
    refused(tmp_path / "other.pt", "was not written by this version of patchvae")
    checkpoint.save(tmp_path / "state.pt", {"step": 1})
    refused(tmp_path / "state.pt", "is of no pretraining: it holds no model")
    refused(save(model="patchvae"), "is of no pretraining: its config is incomplete")
    other = {"name": "random", "backbone": "resnet1", "init": "torch", "statistics": "initial"}
    refused(save(model=other), "is of no pretraining: model.backbone: ")
    wider = {"name": "random", "backbone": "resnet18", "init": "torch", "statistics": "initial"}
    with pytest.raises(PatchVAEError, match="the weights of patchvae do not fit the network"):
        load(save(model=wider))


def test_loading_draws_no_random_numbers_of_the_caller(save: Save) -> None:
    path = save()
    before = copy.deepcopy(torch.get_rng_state())
    load(path)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_lines_of_the_guide(save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (ROOT / "docs/features.md").read_text(encoding="utf-8")
    (lines,) = re.findall("```python\n(.*?)```", guide, re.S)
    save()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 120, 3), dtype=np.uint8)).save(tmp_path / "cat.jpg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(lines, names)
    assert names["features"].shape == (1, 128, 4, 6)
    assert names["pooled"].shape == (1, 128)


@pytest.mark.parametrize("kind", list(MODELS))
def test_what_is_exported_is_smaller_and_says_the_same(save: Save, pixels: Tensor, tmp_path: Path, kind: str) -> None:
    whole, small = save(kind), tmp_path / "small.pt"
    export(whole, small)
    images = pixels.permute(0, 3, 1, 2)
    assert torch.equal(load(small)(images), load(whole)(images))
    assert small.stat().st_size < whole.stat().st_size
    if kind == "patchvae":
        assert torch.equal(load(small).occurrence(images), load(whole).occurrence(images))
    content = checkpoint.load_pretrained(small, {})
    assert content["config"] == checkpoint.load(whole)["config"]
    assert content["checkpoint_sha256"] == file_digest(whole)
    assert all(content[key] == checkpoint.load(whole)[key] for key in DIGESTS)


def test_what_is_exported_reconstructs_nothing(save: Save, tmp_path: Path) -> None:
    small = tmp_path / "small.pt"
    export(save(), small)
    with pytest.raises(PatchVAEError, match="the weights of patchvae do not fit the network"):
        restored(small, checkpoint.load_pretrained(small, {}))
    with pytest.raises(PatchVAEError, match="no snapshot of epoch 1, only of none"):
        load(small, epoch=1)
