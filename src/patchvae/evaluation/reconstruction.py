"""How well test images are reconstructed: PSNR and SSIM (Table 7)."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from patchvae.data.tensors import batches
from patchvae.errors import NotFinite
from patchvae.hardware import Place
from patchvae.models.beta_vae import BetaVAE
from patchvae.models.patchvae import PatchVAE, patch_code
from patchvae.models.scaling import IMAGENET_MEAN, IMAGENET_STD, Scaling
from patchvae.params.measuring import Reconstruct
from patchvae.pretrained import for_measuring
from patchvae.seeding import seed_for

KINDS = ("beta-vae", "patchvae")  # models whose training has a reconstruction
IMAGE = (1, 2, 3)  # dimensions of one image in a batch
Images = npt.NDArray[np.uint8]


def decode(model: nn.Module, images: Tensor, temperature: float, sample: bool) -> Tensor:
    """Reconstruct network inputs (B, 3, S, S), in the same scaling, by a BetaVAE or a PatchVAE.

    deviation E14: `sample` draws the latents as training does, with the relaxed Bernoulli at `temperature`. Without
    it the code is the posterior's mean: of each Gaussian, and the occurrence probabilities for z_occ. A model with
    hard occurrences (E9) draws none of them, so they stay thresholded.
    """
    if sample:
        return model(images, temperature).reconstruction
    if isinstance(model, BetaVAE):
        return model.decoder(model.encoder(images)[0])
    assert isinstance(model, PatchVAE)
    logits, mean, _ = model.encoder(images)
    occurrence = (logits > 0).to(logits.dtype) if model.hard_occurrence else torch.sigmoid(logits)
    return model.decoder(patch_code(occurrence, mean))


@torch.no_grad()
def reconstructions(
    config: Reconstruct, model: nn.Module, images: Images, temperature: float, on: Place
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (n, S, S, 3) and their reconstructions, batch by batch: two (B, 3, S, S) float32 in [0, 1].

    temperature: of the relaxed Bernoulli. The draws depend on the seed alone, so all jobs measure the same
    reconstructions, as long as nothing else is drawn between batches.
    """
    model, scaling = for_measuring(model, on.device), Scaling(config.input_scaling, on.device)
    torch.manual_seed(seed_for(config.seed, "reconstruct"))
    for batch in batches(images, on.device):
        with on.autocast():
            output = decode(model, scaling(batch), temperature, config.sample)
        yield batch.permute(0, 3, 1, 2).float() / 255, scaling.to_unit(output.float())


def temperature_of(config: Reconstruct, model: nn.Module, steps: int) -> float:
    """The configured temperature; `last` is that of the last of the pretraining's steps (deviation E14)."""
    if config.temperature != "last":
        return float(config.temperature)
    return float(model.temperature_at(steps - 1))  # type: ignore[operator]


def similarity(images: Tensor, reconstructions: Tensor) -> dict[str, Tensor]:
    """PSNR in dB and SSIM of each image.

    Two (B, 3, S, S) in [0, 1] -> `psnr`, `ssim` and `psnr_normalised`, each (B,).
    deviation E60: `psnr_normalised` takes both images normalised by ImageNet's mean and deviation, and 1 as the peak;
    only so do the paper's 4 to 5 dB make sense. deviation E61: SSIM on [0, 1], an 11 x 11 Gaussian of deviation 1.5,
    K 0.01 and 0.03, mean over pixels and channels; borders are mirrored, where the authors' unused code pads zeros.
    """
    # Imported here: it takes seconds, and an FID does not need it.
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    mean, std = (images.new_tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    normalised, normalised_images = (reconstructions - mean) / std, (images - mean) / std
    ssim = structural_similarity_index_measure(
        reconstructions, images, sigma=1.5, kernel_size=11, reduction="none", data_range=1.0, k1=0.01, k2=0.03
    )
    assert isinstance(ssim, Tensor)
    return {
        "psnr": peak_signal_noise_ratio(reconstructions, images, 1.0, reduction="none", dim=IMAGE),
        "ssim": ssim,
        "psnr_normalised": peak_signal_noise_ratio(normalised, normalised_images, 1.0, reduction="none", dim=IMAGE),
    }


def measure(config: Reconstruct, model: nn.Module, steps: int, images: Images, on: Place) -> dict[str, float]:
    """Measure the reconstructions of all images (n, S, S, 3) by one model of KINDS: what Table 7 records.

    steps: of its pretraining. Deviations E14, E60, E61; the table's rows are the plain variants, without L_w (E63).
    Raises PatchVAEError for NaN.
    """
    sums: dict[str, float] = dict.fromkeys(("psnr", "ssim", "psnr_normalised"), 0.0)
    temperature = temperature_of(config, model, steps)
    for originals, copies in reconstructions(config, model, images, temperature, on):
        for name, values in similarity(originals, copies).items():
            sums[name] += float(values.double().sum())
    means = {name: total / len(images) for name, total in sums.items()}
    for name, value in means.items():
        if not math.isfinite(value):
            raise NotFinite(f"the {name} of its reconstructions is {value}")
    return means | {"temperature": temperature}
