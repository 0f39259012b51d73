"""The step that a GPU can record, against a plain loop on the host, written out below without patchvae's training code.

Batches, flips, temperatures and rates are chosen by the host there. The bits must be equal.
"""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from helpers import weighted
from torch import nn

from patchvae.data.tensors import open_array
from patchvae.jobs.computing import open_masks_or_labels
from patchvae.jobs.run import Run
from patchvae.losses import fake_loss, real_loss, squared_error
from patchvae.models.bigan import JointDiscriminator
from patchvae.models.discriminator import Discriminator
from patchvae.models.factory import build_model
from patchvae.models.resnet import Backbone, head, initialise
from patchvae.models.weights import backbone_weights
from patchvae.records import checkpoint
from patchvae.seeding import seed_for
from patchvae.training.finetune import FinetuneTask
from patchvae.training.loop import train
from patchvae.training.pretrain import PretrainTask

CPU = torch.device("cpu")
GAN = {"weight": 0.5, "generator_step": "joint", "lr": 1e-4, "adam_betas": [0.5, 0.999]}


def batches(count, size, seed, passes):
    """Indices and coins of every step, pass by pass."""
    for number in range(passes):
        generator = torch.Generator().manual_seed(seed_for(seed, "order", number))
        order = torch.randperm(count, generator=generator)
        coins = torch.rand(count, generator=generator) < 0.5
        for first in range(0, count - count % size, size):
            yield order[first : first + size], coins[first : first + size]


def flipped(images, coins):
    return torch.stack([image.flip(1) if coin else image for image, coin in zip(images, coins, strict=True)])


def scaled(pixels):
    """uint8 (B, S, S, 3) -> (B, 3, S, S) from -1 to 1, channels last."""
    half = torch.full((1, 3, 1, 1), 0.5)
    return torch.addcmul(-half / half, pixels.permute(0, 3, 1, 2).float(), 1 / (255 * half))


def adam(module, lr, betas):
    module.to(memory_format=torch.channels_last).train()
    return torch.optim.Adam(module.parameters(), lr=lr, betas=tuple(betas), fused=True)


def descend(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def plain_pretraining(config, pixels, more):
    """The networks after all epochs of a pretraining."""
    torch.manual_seed(seed_for(config.seed, "model"))
    model = build_model(config.model, config.image_size)
    torch.manual_seed(seed_for(config.seed, "phi"))
    initialise(model.encoder.get_submodule("backbone"), config.model.init)
    networks = {"model": model}
    optimizer = adam(model, config.lr, config.adam_betas)
    gan, kind = getattr(config, "gan", None), config.model.name
    if gan or kind == "bigan":
        torch.manual_seed(seed_for(config.seed, "discriminator"))
        judge = JointDiscriminator(model.latent_dim) if kind == "bigan" else Discriminator()
        networks["discriminator"] = judge
        rate, betas = (config.lr, config.adam_betas) if kind == "bigan" else (gan.lr, gan.adam_betas)
        judges = adam(judge, rate, betas)
    torch.manual_seed(seed_for(config.seed, "pretrain"))
    for step, (index, coins) in enumerate(batches(len(pixels), config.batch_size, config.seed, config.epochs)):
        images = pixels[index]
        extra = None if more is None else more[index]
        if config.flip:
            images = flipped(images, coins)
            extra = None if extra is None else flipped(extra, coins)
        images = scaled(images).contiguous(memory_format=torch.channels_last)
        if kind == "supervised":
            descend(optimizer, F.cross_entropy(model(images), extra))
        elif kind == "bigan":
            prior = torch.randn(len(images), model.latent_dim)
            latents, samples = model.encode(images), model.decoder(prior)
            judge.requires_grad_(True)
            true, false = judge(images, latents.detach()), judge(samples.detach(), prior)
            some = images[: len(images) // 8].requires_grad_(True)
            (slope,) = torch.autograd.grad(judge(some, latents[: len(some)].detach()).sum(), some, create_graph=True)
            penalty = config.gradient_penalty / 2 * slope.square().sum() / len(slope)
            descend(judges, real_loss(true) + fake_loss(false) + penalty)
            judge.requires_grad_(False)
            descend(optimizer, fake_loss(judge(images, latents)) + real_loss(judge(samples, prior)))
        else:
            temperature = model.temperature_at(step)
            found, kl = model(images, temperature)
            masks = None if extra is None else extra.permute(0, 3, 1, 2).float()
            loss = torch.stack([squared_error(images, found, masks), *kl.values()]).sum()
            if gan:
                judge.requires_grad_(True)
                descend(judges, real_loss(judge(images)) + fake_loss(judge(found.detach())))
                judge.requires_grad_(False)
                if gan.generator_step == "double":
                    descend(optimizer, loss)
                    found, _ = model(images, temperature)
                    (gan.weight * real_loss(judge(found))).backward()
                    optimizer.step()
                    continue
                loss = loss + gan.weight * real_loss(judge(found))
            descend(optimizer, loss)
    return networks


def same(found, expected):
    found, expected = found.state_dict(), expected.state_dict()
    assert found.keys() == expected.keys()
    different = [key for key, value in expected.items() if not torch.equal(found[key], value)]
    assert different == []


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("beta-vae", {}),
        ("patchvae", {"flip": True}),
        ("patchvae", {"weighted_loss": True, "flip": True}),
        ("beta-vae", {"gan": GAN}),
        ("patchvae", {"gan": {**GAN, "generator_step": "double"}}),
        ("bigan", {}),
        ("supervised", {}),
    ],
)
def test_a_pretraining_equals_the_plain_loop(name, changes, packed, pretrain_config):
    config = pretrain_config(name, **changes)
    data, masks = packed
    pixels = open_array(data / "train_images.npy", CPU)
    run = Run("pretrain", config, data, Path("none.json"), "cpu", 1)
    more = open_masks_or_labels(run, config, masks if weighted(config) else None, pixels)
    task = PretrainTask(config, pixels, more, run.on)
    train(task, CPU, name)
    expected = plain_pretraining(config, pixels, more)
    assert task.objective.networks.keys() == expected.keys()
    for key, network in expected.items():
        same(task.objective.networks[key], network)


def plain_finetuning(config, data, phi):
    """Frozen and trained parts of the classifier after all epochs of a fine-tuning."""
    torch.manual_seed(seed_for(config.seed, "classifier"))
    sizes = (config.image_size, config.num_classes, config.hidden_dim)
    backbone = Backbone(config.backbone)
    top = head(backbone, *sizes, config.head_relu, config.head_dropout, config.head_pool)
    network = nn.Sequential(backbone, top)
    initialise(network, config.init)
    backbone.load_state_dict(phi)
    network.to(memory_format=torch.channels_last)
    cut = {"none": 0, "conv1": 1, "conv1-3": 2, "conv1-5": 3}[config.regime]
    stages = list(backbone)
    frozen = nn.Sequential(*stages[:cut]).requires_grad_(False).eval()
    trained = nn.Sequential(*stages[cut:], top).train()
    options = {"momentum": config.momentum, "weight_decay": config.weight_decay}
    optimizer = torch.optim.SGD(trained.parameters(), lr=config.lr, **options, fused=True)
    pixels = open_array(data / "train_images.npy", CPU)
    labels = open_array(data / "train_labels.npy", CPU)
    with torch.no_grad():
        features = pixels if config.flip or not cut else frozen(scaled(pixels)).permute(0, 2, 3, 1)
    torch.manual_seed(seed_for(config.seed, "finetune"))
    steps = len(pixels) // config.batch_size
    for step, (index, coins) in enumerate(batches(len(pixels), config.batch_size, config.seed, config.epochs)):
        optimizer.param_groups[0]["lr"] = config.lr * 0.1 ** (step // steps // config.decay_every)
        rows = flipped(features[index], coins) if config.flip else features[index]
        maps = frozen(scaled(rows)) if config.flip or not cut else rows.permute(0, 3, 1, 2)
        descend(optimizer, F.cross_entropy(trained(maps), labels[index]))
    return frozen, trained


@pytest.mark.parametrize(
    ("regime", "changes"),
    [("none", {}), ("conv1", {"head_dropout": 0.5}), ("conv1-3", {"flip": True}), ("conv1-5", {"decay_every": 1})],
)
def test_a_finetuning_equals_the_plain_loop(regime, changes, packed, weights, finetune_config):
    config = finetune_config(regime=regime, **changes)
    data, phi = packed[0], backbone_weights(checkpoint.load(weights))
    run = Run("finetune", config, data, Path("none.json"), "cpu", 1)
    task = FinetuneTask(config, phi, run.open(), run.on)
    train(task, CPU, regime)
    frozen, trained = plain_finetuning(config, data, phi)
    same(task.frozen, frozen)
    same(task.trained, trained)
