"""PatchVAE: Learning Local Latent Codes for Recognition (Gupta, Singh, Shrivastava, CVPR 2020)."""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`patchvae.load`; PyTorch is imported when it is asked for, since commands that compute nothing do without."""
    if name == "load":
        from patchvae.features import load

        return load
    raise AttributeError(f"module 'patchvae' has no attribute {name!r}")
