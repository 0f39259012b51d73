"""PatchVAE: Learning Local Latent Codes for Recognition (Gupta, Singh, Shrivastava, CVPR 2020)."""

__version__ = "0.1.0"
