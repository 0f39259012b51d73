"""The kinds of models, found by name alone, so that no kind's source counts in the fingerprint of another."""

from typing import NamedTuple


class Kind(NamedTuple):
    """Where the parts of a kind are."""

    model: str  # module with `build`
    objective: str | None  # module with OBJECTIVE, of a model that is trained


KINDS = {
    "beta-vae": Kind("patchvae.models.beta_vae", "patchvae.training.objectives.vae"),
    "patchvae": Kind("patchvae.models.patchvae", "patchvae.training.objectives.vae"),
    "bigan": Kind("patchvae.models.bigan", "patchvae.training.objectives.bigan"),
    "supervised": Kind("patchvae.models.supervised", "patchvae.training.objectives.supervised"),
    "random": Kind("patchvae.models.random", None),
}


def modules(kind: str) -> tuple[str, ...]:
    """The modules whose source files count for a model of this kind, beside those of the job itself."""
    return tuple(name for name in KINDS[kind] if name is not None)
