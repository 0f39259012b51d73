"""phi of a checkpoint, for use in other projects: `patchvae.load`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from patchvae.errors import PatchVAEError
from patchvae.models.patchvae import PatchEncoder
from patchvae.models.resnet import Backbone
from patchvae.models.scaling import Scaling
from patchvae.models.weights import backbone_weights, load_weights
from patchvae.pretrained import ENCODER, restored_encoder
from patchvae.records import checkpoint
from patchvae.records.digests import DIGESTS

ROUNDING = 1e-3  # tolerance around [0, 1]; resizing overshoots a little


class Features(nn.Module):
    """phi behind the scaling it was trained with: images (B, 3, H, W) -> features (B, C, ceil(H/s), ceil(W/s)).

    Images are RGB, uint8 or floating point in [0, 1], on any device. Their sides are free; those of the pretraining had
    `image_size` pixels each. C = `channels` and s = `stride`: 128 and 8 of `resnet9`, 512 and 32 of `resnet18`.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, backbone: Backbone, occurrence_head: nn.Module | None, config: Mapping[str, Any]) -> None:
        """config: the pretraining's."""
        super().__init__()
        self.variant, self.image_size = config["variant"], config["image_size"]
        self.channels, self.stride = backbone.channels, backbone.stride
        self.backbone, self.occurrence_head = backbone, occurrence_head
        scaling = Scaling(config["input_scaling"], torch.device("cpu"))
        # Buffers, so that they follow the weights to a device
        self.register_buffer("scale", scaling.scale, persistent=False)
        self.register_buffer("shift", scaling.shift, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """The features; raises PatchVAEError for any other input."""
        pixels = checked(images).to(self.scale)
        if images.is_floating_point():
            pixels = pixels * 255
        features: Tensor = self.backbone(torch.addcmul(self.shift, pixels, self.scale))
        return features

    def occurrence(self, images: Tensor) -> Tensor:
        """Q^O of a PatchVAE: the probability of every part at every cell, (B, N, h, w) in [0, 1] (Sec. 3.2).

        images: as for the features, on whose grid the maps lie. Raises PatchVAEError for other images, a model without
        parts, and a snapshot, which holds phi alone.
        """
        if self.occurrence_head is None:
            raise PatchVAEError(
                f"{self.variant} has no occurrence maps: only patchvae variants have, and a snapshot holds phi alone"
            )
        logits: Tensor = self.occurrence_head(self(images))
        return logits.sigmoid()


def checked(images: object) -> Tensor:
    """The images, if `Features` accepts them; raises PatchVAEError otherwise."""
    if not isinstance(images, Tensor):
        raise PatchVAEError(f"images must be a tensor (B, 3, H, W), not a {type(images).__name__}")
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] != 3 or not images.numel():
        raise PatchVAEError(f"images must be of shape (B, 3, H, W) and not empty, not {shape}")
    if images.is_floating_point():
        low, high = (bound.item() for bound in images.aminmax())
        if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # neither holds for NaN
            raise PatchVAEError(f"images must be uint8 or lie in [0, 1], not between {low:.4g} and {high:.4g}")
    elif images.dtype != torch.uint8:
        raise PatchVAEError(f"images must be uint8 or floating point, not {str(images.dtype).removeprefix('torch.')}")
    return images


def load(path: Path | str, epoch: int | None = None) -> Features:
    """phi of a checkpoint that a pretraining wrote: on the CPU, in evaluation mode, its weights frozen.

    epoch: one of `snapshots`, after which phi was kept; None is the last one. `requires_grad_()` thaws the weights.
    Raises PatchVAEError for a file that is missing, broken or no such checkpoint, and for an epoch that was not kept.
    """
    content = checkpoint.load_pretrained(path, {})
    encoder, config = restored_encoder(path, content), content["config"]
    backbone = encoder.get_submodule("backbone")
    assert isinstance(backbone, Backbone)
    head = encoder.occurrence if isinstance(encoder, PatchEncoder) else None
    if epoch is not None:
        head = None
        load_weights(backbone, backbone_weights(content, epoch), f"{config['variant']}, epoch {epoch}")
    return Features(backbone, head, config).requires_grad_(False).eval()


def export(path: Path | str, out: Path | str) -> None:
    """Write the encoder of a pretraining's checkpoint, which is what `load` needs, and where it comes from.

    Raises PatchVAEError for a checkpoint that `load` refuses, and an `out` that is the checkpoint itself.
    """
    if Path(out).resolve() == Path(path).resolve():
        raise PatchVAEError(f"--out: {out} is the checkpoint and would be overwritten")
    content = checkpoint.load_pretrained(path, {})
    weights = restored_encoder(path, content).state_dict()
    kept = {key: content[key] for key in ("config", "steps", "game", "code_sha256", *DIGESTS)}
    model = {ENCODER + key: value for key, value in weights.items()}
    checkpoint.save(out, {**kept, "model": model, "snapshots": {}, "checkpoint_sha256": content["sha256"]})
