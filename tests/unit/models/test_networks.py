"""Shapes, counts and initial weights of the networks."""

import csv
import io
from pathlib import Path

import pytest
import torch
from torch import nn

from patchvae.errors import PatchVAEError
from patchvae.models.bigan import JointDiscriminator
from patchvae.models.discriminator import Discriminator
from patchvae.models.factory import build_model, network_of
from patchvae.models.parameters import networks, write_csv
from patchvae.models.resnet import Backbone, count_parameters, head, initialise

PAPER = Path(__file__).parents[3] / "paper" / "parameter_counts.csv"


def test_every_printed_count_comes_out():
    text = io.StringIO()
    write_csv(text, PAPER)
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    printed = list(csv.DictReader(PAPER.open()))
    assert len(printed) == 21
    ours = {(row["network"], row["dataset"]): row for row in rows}
    for row in printed:
        assert ours[row["network"], row["dataset"]]["params"] == row["params"]
        assert ours[row["network"], row["dataset"]]["paper"] == row["params"]


def test_derived_counts():
    assert count_parameters(Backbone("resnet9")) == 683_072
    assert count_parameters(Discriminator()) == 659_456
    _, top = networks(32, 100)["classifier"]
    assert count_parameters(top) == 1_100_388


def beta_vae_of(backbone, image_size, latent_dim):
    options = {"backbone": backbone, "init": "kaiming", "latent_dim": latent_dim, "beta": 1.0}
    return build_model(network_of({"name": "beta-vae", **options}), image_size)


def classifier(backbone, image_size, classes, pool="flatten"):
    phi = Backbone(backbone)
    return nn.Sequential(phi, head(phi, image_size, classes, 512, True, 0.0, pool))


def test_derived_counts_of_imagenets_networks():
    """paper.md (b.6): ResNet-18, N = 64, d_p = 16, 224 x 224."""
    options = {"backbone": "resnet18", "init": "torch"}
    occurrence = {
        "occurrence_prior": "1/N",
        "occurrence_kl": "sum",
        "hard_occurrence": False,
        "detach_occurrence": True,
    }
    parts = {
        "num_parts": 64,
        "part_dim": 16,
        "beta_app": 1.0,
        "beta_occ": 1.0,
        "temperature": {"start": 1.0, "rate": 0.0, "floor": 0.1, "schedule": "exponential", "interval": 1},
        "detach_occurrence": True,
    }
    with torch.device("meta"):
        patchvae = build_model(network_of({"name": "patchvae", **options, **occurrence, **parts}), 224)
        beta_vae = beta_vae_of("resnet18", 224, 1024)
        assert count_parameters(Backbone("resnet18")) == 11_176_512
        assert count_parameters(patchvae.encoder) == 20_910_720
        assert count_parameters(patchvae.decoder) == 12_196_736
        assert count_parameters(beta_vae.encoder) == 17_633_984
        assert count_parameters(beta_vae.decoder) == 14_425_088
        assert count_parameters(classifier("resnet18", 224, 1000, "average")) == 11_952_168
        assert count_parameters(classifier("resnet18", 224, 1000)) == 24_535_080


def test_resnet18_reconstructs_and_classifies():
    images = torch.randn(2, 3, 64, 64)
    assert Backbone("resnet18")(images).shape == (2, 512, 2, 2)
    assert beta_vae_of("resnet18", 64, 8)(images, 1.0).reconstruction.shape == images.shape
    assert classifier("resnet18", 64, 7, "average")(images).shape == (2, 7)


@pytest.mark.parametrize("size", [32, 64])
def test_shapes(size):
    images = torch.randn(2, 3, size, size)
    assert Backbone("resnet9")(images).shape == (2, 128, size // 8, size // 8)
    assert Discriminator()(images).shape == (2,)
    assert JointDiscriminator(96)(images, torch.randn(2, 96)).shape == (2,)
    assert classifier("resnet9", size, 7)(images).shape == (2, 7)
    output = beta_vae_of("resnet9", size, 96)(images, 1.0)
    assert output.reconstruction.shape == images.shape and output.kl["kl"].ndim == 0


def test_the_joint_discriminator_looks_at_the_pairing():
    torch.manual_seed(0)
    discriminator, images, latents = JointDiscriminator(96), torch.randn(2, 3, 32, 32), torch.randn(2, 96)
    with torch.no_grad():
        matched, swapped = discriminator(images, latents), discriminator(images, latents.flip(0))
    assert abs(float(matched.sum() - swapped.sum())) > 1e-4


def test_kaiming_initialisation_of_convolutions_and_of_fc_layers():
    backbone, top = net = classifier("resnet9", 64, 67)
    initialise(net, "kaiming")
    weight = backbone.conv4_5[0].conv1.weight  # fan-out 128 * 9
    assert weight.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.03)
    assert top[1].weight.std().item() == pytest.approx(0.01, rel=0.03)
    assert top[1].bias.abs().sum() == 0


def test_dropout_and_relu_of_the_head_are_optional():
    def kinds(relu, dropout):
        return [type(layer).__name__ for layer in head(Backbone("resnet9"), 32, 5, 512, relu, dropout, "flatten")]

    assert kinds(False, 0.5) == ["Flatten", "Dropout", "Linear", "Linear"]
    assert kinds(True, 0.0) == ["Flatten", "Linear", "ReLU", "Linear"]


def test_unknown_model_or_argument_is_one_sentence():
    with pytest.raises(PatchVAEError, match="unknown model 'vea', known are"):
        network_of({"name": "vea"})
    with pytest.raises(PatchVAEError, match="betta"):
        network_of({"name": "beta-vae", "latent_dim": 4, "backbone": "resnet9", "init": "torch", "betta": 1})


@pytest.mark.parametrize(("name", "stages"), [("resnet9", 2), ("resnet18", 4)])
def test_phi_is_torchvisions_resnet_18(name, stages):
    from torchvision.models import resnet18

    torch.manual_seed(0)
    theirs = resnet18()
    names = {"conv2_3": "layer1", "conv4_5": "layer2", "conv6_7": "layer3", "conv8_9": "layer4"}
    first = {"conv1.0": "conv1", "conv1.1": "bn1"}
    phi = Backbone(name)
    weights = {}
    for key in phi.state_dict():
        block = ".".join(key.split(".")[:2]) if key.startswith("conv1.") else key.split(".")[0]
        weights[key] = theirs.state_dict()[key.replace(block, (names | first)[block], 1)]
    phi.load_state_dict(weights)
    parts = [theirs.conv1, theirs.bn1, theirs.relu, theirs.maxpool]
    parts += [getattr(theirs, f"layer{number}") for number in range(1, stages + 1)]
    images = torch.randn(4, 3, 64, 64)
    for mode in (True, False):
        assert torch.equal(phi.train(mode)(images), torch.nn.Sequential(*parts).train(mode)(images))
