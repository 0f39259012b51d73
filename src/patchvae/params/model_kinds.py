"""The kinds of models: settings of their networks and pretrainings, and where each is built and trained.

Nothing here imports PyTorch.
"""

from typing import Annotated, Any, Generic, Literal, NamedTuple, Self, TypeVar

from pydantic import Field, model_validator

from patchvae.models.sizes import STRIDES
from patchvae.params import types
from patchvae.params.measuring import Measured

# ---- networks


class Network(types.Strict):
    name: str  # of its kind
    backbone: types.Backbone
    init: types.Init


def refuse_stride(image_size: int, backbone: str) -> None:
    """Raise ValueError for images whose grid of features would not be whole."""
    if image_size % STRIDES[backbone]:
        raise ValueError(f"image_size: {image_size} is not a multiple of {backbone}'s stride {STRIDES[backbone]}")


class BetaVAETerms(types.Strict):
    beta: types.Weight  # weight of the KL


class BetaVAENetwork(Network, BetaVAETerms):
    name: Literal["beta-vae"]
    latent_dim: types.Width


NumParts = Annotated[int, Field(ge=2, le=4096)]  # the prior 1/N of a single one would be 1
# The logarithms of the prior and of what is left of 1 are numbers of float32.
Probability = Annotated[float, Field(ge=1e-6, le=0.999999), types.AS_WRITTEN]


class Temperature(types.Strict):
    start: types.Heat  # temperature at step 0
    rate: Annotated[float, Field(ge=0, le=1), types.AS_WRITTEN]  # exponential decay per step
    floor: types.Heat  # smallest temperature
    schedule: Literal["exponential", "compounding"]  # form of the decay
    interval: Annotated[int, Field(ge=1, le=1_000_000_000)]  # steps between updates

    @model_validator(mode="after")
    def it_falls(self) -> Self:
        if self.floor > self.start:
            raise ValueError(f"floor: {self.floor} is above start = {self.start}")
        return self


class PatchVAETerms(types.Strict):
    beta_app: types.Weight  # weight of the appearance KL
    beta_occ: types.Weight  # weight of the occurrence KL
    occurrence_prior: (
        Literal["1/N"] | Probability
    )  # 1/N or a number from 0.000001 to 0.999999, whose logarithms float32 can hold
    occurrence_kl: Literal["sum", "mean"]  # reduction over cells and parts
    hard_occurrence: bool  # threshold z_occ with a straight-through gradient
    detach_occurrence: bool  # no gradient through the pooling weights
    temperature: Temperature  # of the relaxed Bernoulli


class PatchVAENetwork(Network, PatchVAETerms):
    name: Literal["patchvae"]
    num_parts: NumParts
    part_dim: types.Width


class BiGANNetwork(Network):
    name: Literal["bigan"]
    latent_dim: types.Width


class SupervisedNetwork(Network):
    name: Literal["supervised"]
    hidden_dim: types.Width
    head_pool: types.HeadPool
    num_classes: types.Classes


class BatchNormStatistics(types.Strict):
    statistics: Literal["initial", "data"]  # BatchNorm statistics of the untrained network


class RandomNetwork(Network, BatchNormStatistics):
    name: Literal["random"]


# ---- pretrainings

N = TypeVar("N", bound=Network)


class Pretrain(Measured, Generic[N]):
    """Of a control; the settings that all pretrainings share."""

    model: N
    flip: bool

    @model_validator(mode="after")
    def strides_fit(self) -> Self:
        refuse_stride(self.image_size, self.model.backbone)
        return self


class PretrainRecipe(types.Strict):
    batch_size: types.BatchSize  # images per step
    lr: types.LearningRate  # learning rate
    adam_betas: types.AdamBetas  # decay rates of Adam's moments
    epoch_images: types.EpochImages  # dataset or a number of images per epoch (at least 1)
    snapshots: types.Unique[types.Epochs]  # epochs whose phi is kept


class Trained(Pretrain[N], PretrainRecipe):
    epochs: types.Epochs

    @model_validator(mode="after")
    def snapshots_come_before_the_end(self) -> Self:
        for epoch in self.snapshots:
            if epoch >= self.epochs:
                raise ValueError(f"snapshots: {epoch} is not before the last of {self.epochs} epochs")
        return self


class Gan(types.Strict):
    weight: types.Weight  # weight of the adversarial term per image
    generator_step: Literal["joint", "double"]  # one Adam step for all terms or a second for the adversarial one
    lr: types.LearningRate  # learning rate of the discriminator
    adam_betas: types.AdamBetas  # decay rates of Adam's moments


class VAEPretrain(Trained[N]):
    weighted_loss: bool
    gan: Gan | None


class BiGANPretrain(Trained[N]):
    gradient_penalty: types.Weight
    weighted_loss: bool
    gan: None

    @model_validator(mode="after")
    def it_has_no_reconstruction(self) -> Self:
        if self.weighted_loss:
            raise ValueError("weighted_loss: true, and a BiGAN has no L_w")
        return self


Labels = Literal["given", "shuffled"]


class SupervisedPretrain(Trained[N]):
    labels: Labels


# ---- kinds


class Kind(NamedTuple):
    """The parts of a kind."""

    model: str  # module with `build`
    network: type[Network]  # settings of the network
    objective: str | None  # module with OBJECTIVE, of a model that is trained
    pretraining: type[Pretrain[Any]]  # settings of its pretraining


OBJECTIVES = "patchvae.training.objectives"
KINDS = {
    "beta-vae": Kind("patchvae.models.beta_vae", BetaVAENetwork, f"{OBJECTIVES}.vae", VAEPretrain[BetaVAENetwork]),
    "patchvae": Kind("patchvae.models.patchvae", PatchVAENetwork, f"{OBJECTIVES}.vae", VAEPretrain[PatchVAENetwork]),
    "bigan": Kind("patchvae.models.bigan", BiGANNetwork, f"{OBJECTIVES}.bigan", BiGANPretrain[BiGANNetwork]),
    "supervised": Kind(
        "patchvae.models.supervised",
        SupervisedNetwork,
        f"{OBJECTIVES}.supervised",
        SupervisedPretrain[SupervisedNetwork],
    ),
    "random": Kind("patchvae.models.random", RandomNetwork, None, Pretrain[RandomNetwork]),
}


def modules(kind: str) -> tuple[str, ...]:
    """The modules whose source files a job on a model of this kind depends on, besides its own."""
    found = KINDS[kind]
    return (found.model, found.objective) if found.objective else (found.model,)
