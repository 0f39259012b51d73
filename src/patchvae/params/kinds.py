"""The kinds of models: where each is built and trained, and its settings. Nothing here imports PyTorch."""

from typing import Any, NamedTuple

from patchvae.params.networks import (
    BetaVAENetwork,
    BiGANNetwork,
    Network,
    PatchVAENetwork,
    RandomNetwork,
    SupervisedNetwork,
)
from patchvae.params.pretraining import BiGANPretrain, Pretrain, SupervisedPretrain, VAEPretrain


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
