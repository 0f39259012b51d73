"""The kinds of models, found by name alone, so that no kind's source counts in the fingerprint of another."""

import pkgutil
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """Where the parts of a kind are."""

    model: str  # module with `build`
    network: str  # what makes the network, in MODEL_config
    objective: str | None  # module with OBJECTIVE, of a model that is trained
    pretraining: str  # what its pretraining is told, in OBJECTIVE_config

    def network_config(self) -> Any:
        """The model of a network's `model` block."""
        return pkgutil.resolve_name(f"{self.model}_config:{self.network}")

    def pretrain_config(self) -> Any:
        """The model of a pretraining's configuration."""
        module = f"{self.objective or 'patchvae.training.pretrain'}_config"
        return pkgutil.resolve_name(f"{module}:{self.pretraining}")[self.network_config()]


KINDS = {
    "beta-vae": Kind("patchvae.models.beta_vae", "BetaVAENetwork", "patchvae.training.objectives.vae", "VAEPretrain"),
    "patchvae": Kind("patchvae.models.patchvae", "PatchVAENetwork", "patchvae.training.objectives.vae", "VAEPretrain"),
    "bigan": Kind("patchvae.models.bigan", "BiGANNetwork", "patchvae.training.objectives.bigan", "BiGANPretrain"),
    "supervised": Kind(
        "patchvae.models.supervised",
        "SupervisedNetwork",
        "patchvae.training.objectives.supervised",
        "SupervisedPretrain",
    ),
    "random": Kind("patchvae.models.random", "RandomNetwork", None, "Pretrain"),
}


def modules(kind: str) -> tuple[str, ...]:
    """The modules whose source files count for a model of this kind, beside those of the job itself."""
    found = KINDS[kind]
    return (found.model, found.objective) if found.objective else (found.model,)
