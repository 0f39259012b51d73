"""Occurrence probabilities of a trained PatchVAE on test images, for the figures (Fig. 3)."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from patchvae import checkpoint
from patchvae.data.packed import load_split
from patchvae.errors import PatchVAEError
from patchvae.models.factory import build_model
from patchvae.models.patchvae import PatchVAE
from patchvae.report.figures import draw_occurrence_maps
from patchvae.training.batches import Scaling

MAX_IMAGES = 2000  # enough to find where each part fires
BATCH = 250


def load_patchvae(path: Path | str, config: dict[str, Any]) -> PatchVAE:
    """The PatchVAE of a pretraining checkpoint, in evaluation mode; config has `variant`, `model`, `image_size`.

    Raises PatchVAEError when the checkpoint is of another model, or the variant no PatchVAE.
    """
    if config["model"]["name"] != "patchvae":
        raise PatchVAEError(f"figures.variant: {config['variant']} has no occurrence maps, choose a patchvae variant")
    content = checkpoint.load_pretrained(path, {key: config[key] for key in ("variant", "model")})
    model = build_model(config["model"], config["image_size"])
    model.load_state_dict(content["model"])
    assert isinstance(model, PatchVAE)
    return model.eval()


@torch.no_grad()
def occurrence_probabilities(model: PatchVAE, images: np.ndarray, input_scaling: str) -> np.ndarray:
    """Q^O of every part and cell: images (n, S, S, 3) uint8 -> (n, N, h, w) float32 in [0, 1]."""
    scaling = Scaling(input_scaling, torch.device("cpu"))
    maps = []
    for first in range(0, len(images), BATCH):
        batch = scaling(torch.from_numpy(np.array(images[first : first + BATCH])))
        maps.append(torch.sigmoid(model.encoder(batch).occurrence_logits).numpy())
    return np.concatenate(maps)


def draw(config: dict[str, Any], data: Path, path: Path, png: Path, pdf: Path) -> None:
    """Draw Fig. 3 for one checkpoint; config: a resolved `figure_occurrence` configuration."""
    model = load_patchvae(path, config)
    images = np.array(load_split(data, "test").images[:MAX_IMAGES])
    probabilities = occurrence_probabilities(model, images, config["input_scaling"])
    draw_occurrence_maps(images, probabilities, config["rows"], png, pdf)
