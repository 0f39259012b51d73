"""The kinds of models, by the names of their modules: no kind's source counts in the fingerprint of another."""

import pkgutil
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """Where the parts of a kind are."""

    model: str  # module with `build`
    network: str  # settings of the network, in MODEL_config
    objective: str | None  # module with OBJECTIVE, of a model that is trained
    pretraining: str  # settings of its pretraining, in OBJECTIVE_config

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
    """The modules whose source files a job on a model of this kind depends on, besides its own."""
    found = KINDS[kind]
    return (found.model, found.objective) if found.objective else (found.model,)
