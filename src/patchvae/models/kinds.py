"""The kinds of models, found by name alone, so that no kind's source counts in the fingerprint of another."""

import pkgutil
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """Where the parts of a kind are."""

    model: str  # module with `build`
    network: str  # what makes the network
    pretraining: str  # what its pretraining is told
    objective: str | None  # module with OBJECTIVE, of a model that is trained

    def pretrain(self) -> Any:
        """The model of a pretraining's configuration."""
        return pkgutil.resolve_name(self.pretraining)[pkgutil.resolve_name(self.network)]


KINDS = {
    "beta-vae": Kind(
        "patchvae.models.beta_vae",
        "patchvae.models.beta_vae_config:BetaVAENetwork",
        "patchvae.training.objectives.vae_config:VAEPretrain",
        "patchvae.training.objectives.vae",
    ),
    "patchvae": Kind(
        "patchvae.models.patchvae",
        "patchvae.models.patchvae_config:PatchVAENetwork",
        "patchvae.training.objectives.vae_config:VAEPretrain",
        "patchvae.training.objectives.vae",
    ),
    "bigan": Kind(
        "patchvae.models.bigan",
        "patchvae.models.bigan_config:BiGANNetwork",
        "patchvae.training.objectives.bigan_config:BiGANPretrain",
        "patchvae.training.objectives.bigan",
    ),
    "supervised": Kind(
        "patchvae.models.supervised",
        "patchvae.models.supervised_config:SupervisedNetwork",
        "patchvae.training.objectives.supervised_config:SupervisedPretrain",
        "patchvae.training.objectives.supervised",
    ),
    "random": Kind(
        "patchvae.models.random",
        "patchvae.models.random_config:RandomNetwork",
        "patchvae.training.pretrain_config:Pretrain",
        None,
    ),
}


def modules(kind: str) -> tuple[str, ...]:
    """The modules whose source files count for a model of this kind, beside those of the job itself."""
    return tuple(name for name in (KINDS[kind].model, KINDS[kind].objective) if name is not None)
