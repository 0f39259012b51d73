"""PatchVAE: Learning Local Latent Codes for Recognition (Gupta, Singh, Shrivastava, CVPR 2020)."""

import importlib

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`patchvae.load`, whose module waits for PyTorch."""
    # By name: an import statement would put that module into the fingerprint of every job.
    if name == "load":
        return importlib.import_module("patchvae.features").load
    raise AttributeError(f"module 'patchvae' has no attribute {name!r}")
