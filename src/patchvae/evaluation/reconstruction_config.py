"""Settings of a measurement of reconstructions."""

from typing import Annotated, Literal

from pydantic import Field

from patchvae.result import Measurement, Number, Positive, Size
from patchvae.run_config import Measured
from patchvae.types import ABSENT, AS_WRITTEN, Heat, Strict


class Sampling(Strict):
    sample: bool  # reconstruct from sampled latents or from their means
    temperature: Literal["last"] | Heat  # of the relaxed Bernoulli, last or a number from 0.001 to 1000


class Reconstruct(Measured, Sampling):
    pass


class Reconstructions(Measurement):
    temperature: Positive = ABSENT  # at which occurrences were sampled; of no effect on a β-VAE, nor on means


class ReconstructResult(Reconstructions):
    rule: Literal["reconstruct"]  # the workflow's rule that wrote the file
    psnr: Number  # PSNR on [0, 1] images, dB, mean over images
    ssim: Annotated[float, Field(ge=-1, le=1), AS_WRITTEN]  # SSIM on [0, 1] images, mean over images
    psnr_normalised: Number  # with peak 1 on images normalised by ImageNet's mean and deviation, dB, mean (E60)


class FidResult(Reconstructions):
    rule: Literal["fid"]  # the workflow's rule that wrote the file
    fid: Size | None  # FID between the images and their reconstructions; null where it could not be computed
    why: str = ABSENT  # why there is no FID, one sentence
