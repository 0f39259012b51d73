"""Parts on photographs: planted parts with known answers, controls, and the metrics of a whole job."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import untrained
from torch import nn

from patchvae.data.packed import load_split
from patchvae.errors import PatchVAEError
from patchvae.evaluation.frozen import FrozenFeatures
from patchvae.evaluation.real_parts import (
    Measures,
    Occurrence,
    Ruler,
    cut,
    kmeans_scores,
    occurrence_of,
    one_hot,
    random_places,
)
from patchvae.features import export
from patchvae.hardware import Place
from patchvae.jobs.computing import compute
from patchvae.records.digests import DIGESTS
from patchvae.records.metrics_files import read_metrics

COUNT, CLASSES = 120, 4


def colours():
    """Mean colours of squares in place of a phi's features."""
    return FrozenFeatures(nn.AvgPool2d(4), "symmetric", 2, Place(torch.device("cpu"), "fp32"))


def settings(config, variant="patchvae", **changes):
    own = {"reference": "beta-vae", "bins": 4, "permutations": 20, "crops": 12, "crop_cells": 2, "pool": 2}
    return config(variant, "real_parts", **own | changes)


@pytest.fixture
def planted():
    """Noise images of four classes with a red and a green cell each, and where: (n, S, S, 3), labels, two cells."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(CLASSES), COUNT // CLASSES)
    images = generator.integers(0, 256, (COUNT, 32, 32, 3), dtype=np.uint8)
    cells = np.stack([generator.permutation(16)[:2] for _ in range(COUNT)])
    for image, pair in zip(images, cells, strict=True):
        for cell, channel in zip(pair, (0, 1), strict=True):
            row, column = divmod(int(cell), 4)
            square = image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
            square[:] = 0
            square[..., channel] = 255
    return images, labels, cells


@pytest.fixture
def measures(config, planted):
    images, labels, _ = planted
    generator = np.random.default_rng(1)
    orders = np.stack([generator.permutation(COUNT) for _ in range(20)])
    settled = settings(config, crop_cells=1)
    sets = [cut(images, random_places(COUNT, 16, 12, generator), (4, 4), 1) for _ in range(10)]
    rulers = {"mean colour": Ruler(colours(), sets)}
    return Measures(settled, images, {"class": labels, "superclass": labels // 2}, orders, (4, 4), rulers)


def maps(planted):
    """Four parts: red cells, images of class 0, a part that is nowhere, and one that is nowhere but for rounding."""
    _, labels, cells = planted
    scores = np.full((COUNT, 4, 16), -5.0, dtype=np.float32)
    scores[np.arange(COUNT), 0, cells[:, 0]] = 5
    scores[labels == 0, 1] = 5
    scores[:, 3] += 0.01 * np.random.default_rng(2).random((COUNT, 16))
    return scores


def test_planted_parts(measures, planted):
    record = measures.record(occurrence_of(torch.from_numpy(maps(planted))))
    red, first, nowhere, _ = record["parts"]
    assert [part["dead"] for part in record["parts"]] == [False, False, True, True]
    assert (red["share"], first["share"], nowhere["share"]) == pytest.approx((1 / 16, 1 / 4, 0))
    assert red["probability"] == pytest.approx((15 / (1 + np.exp(5)) + 1 / (1 + np.exp(-5))) / 16, rel=1e-4)
    assert nowhere["deviation"] == pytest.approx(0, abs=1e-9) and red["deviation"] > 0.2
    # Every image has one red cell; class 0 has a share of 1/4, and so half of superclass 0 has it.
    assert red["class"]["bits"] == pytest.approx(0, abs=0.01)
    told = first["class"]["bits"] + first["class"]["chance"]
    assert told == pytest.approx(0.25 * 2 + 0.75 * np.log2(4 / 3))
    told = first["superclass"]["bits"] + first["superclass"]["chance"]
    assert told == pytest.approx(0.25 * np.log2(2) + 0.25 * np.log2(2 / 3) + 0.5 * np.log2(4 / 3))
    live = [red["class"]["bits"], first["class"]["bits"]]
    assert record["mean"]["live"]["class"]["bits"] == pytest.approx(np.mean(live))
    assert record["mean"]["all"]["class"]["bits"] != record["mean"]["live"]["class"]["bits"]
    # All red cells look the same.
    assert red["distance"]["mean colour"]["euclidean"] == pytest.approx(0, abs=1e-6)
    assert red["distance"]["mean colour"]["cosine"] == pytest.approx(0, abs=1e-6)
    images, cells = np.divmod(red["strongest"], 16)
    assert (planted[2][images, 0] == cells).all() and len(set(images)) == len(images) == 8


def test_maps_of_other_images_are_no_structure(measures, planted):
    scores = maps(planted)
    dealt = np.random.default_rng(4).permutation(COUNT)
    shuffled = measures.record(occurrence_of(torch.from_numpy(scores[dealt])))["parts"]
    red, first = shuffled[:2]
    assert abs(first["class"]["bits"]) < 5 * first["class"]["error"] < 0.2
    for distance in red["distance"]["mean colour"].values():
        assert 0.5 < distance < 1.5
    assert red["share"] == pytest.approx(1 / 16)


def test_all_parts_dead(measures, planted):
    record = measures.record(occurrence_of(torch.from_numpy(maps(planted)[:, 2:])))
    assert record["mean"]["live"] is None and record["mean"]["all"]["class"]["bits"] is not None


def test_the_cosine_does_not_know_contrast(planted):
    """Halving the contrast of all crops about grey halves the Euclidean distance of a linear map, not the angles."""
    images = planted[0]
    generator = np.random.default_rng(5)
    sets = [cut(images, random_places(COUNT, 16, 12, generator), (4, 4), 1) for _ in range(4)]
    ruler = Ruler(colours(), sets)
    ruler.mean = torch.zeros(())  # features of grey are 0
    wide = np.where(sets[0] > 127, 228, 28).astype(np.uint8)
    narrow = np.where(sets[0] > 127, 178, 78).astype(np.uint8)
    (far, angle), (near, same) = ruler.distances(wide), ruler.distances(narrow)
    assert near == pytest.approx(far / 2, rel=0.01) and same == pytest.approx(angle, abs=0.01)


def test_clusters_of_red_and_green_cells(planted):
    images, _, cells = planted
    red = images[:60] * 0
    red[..., 0] = 255
    green = np.roll(red, 1, axis=3)
    fitted = np.concatenate([red[:, :8, :8], green[:, :8, :8]])
    scores = kmeans_scores(fitted, images, (4, 4), 1, 2, seed=0)
    assert scores.shape == (COUNT, 2, 16)
    found = Occurrence(scores, one_hot(scores))
    assert (found.probabilities.sum(axis=1) == 1).all()
    strongest = found.strongest(20)
    of_red = 0 if scores[0, 0, cells[0, 0]] > scores[0, 1, cells[0, 0]] else 1
    assert all(cells[image, 0] == cell for image, cell in strongest[of_red])
    assert all(cells[image, 1] == cell for image, cell in strongest[1 - of_red])
    assert scores[np.arange(COUNT), of_red, cells[:, 0]] == pytest.approx(0, abs=1e-3)


@pytest.fixture
def measured(config, scenes, tmp_path):
    def by_paths(path, reference, name="metrics", **changes):
        out = tmp_path / f"{name}.json"
        files = {"checkpoint": path, "reference": reference}
        compute("real_parts", settings(config, **changes), scenes, out, "cpu", 1, **files)
        return read_metrics(out)

    return by_paths


@pytest.fixture
def here(pretrain_config, scenes):
    """A pretraining's configuration with the digest of the scenes, and what its checkpoint says it was trained on."""
    split = json.loads((scenes / "manifest.json").read_text())["splits"]["train"]
    return {key: {"train": split[name]} for key, name in DIGESTS.items()}


@pytest.fixture
def saved(pretrain_config, save_model, here):
    from patchvae.records import checkpoint

    def save(variant, model=None, **changes):
        path = save_model(pretrain_config(variant, **changes), model)
        content = checkpoint.load(path)
        del content["format"]
        checkpoint.save(path, content | here)
        return path

    return save


def test_the_metrics(saved, measured, pretrain_config, scenes, tmp_path):
    path, reference = saved("patchvae", untrained(pretrain_config(seed=5))), saved("beta-vae")
    record = measured(path, reference)
    assert (record["rule"], record["split"], record["count"], record["grid"]) == ("real_parts", "test", 60, [4, 4])
    for method in ("trained", "untrained", "kmeans", "shuffled"):
        assert len(record[method]["parts"]) == 4
        assert all("superclass" not in part for part in record[method]["parts"])
    assert record["reference"]["variant"] == "beta-vae" and record["pretraining"]["variant"] == "patchvae"
    # The maps are the same, but not of these images.
    for one, other in zip(record["trained"]["parts"], record["shuffled"]["parts"], strict=True):
        assert one["share"] == other["share"] and one["deviation"] == pytest.approx(other["deviation"])
    assert record["trained"] != record["shuffled"]
    # Other weights change what is trained and its shuffled maps, and nothing else.
    other = measured(saved("patchvae", untrained(pretrain_config(seed=6))), reference)
    assert other["trained"] != record["trained"] and other["shuffled"] != record["shuffled"]
    for key in ("untrained", "kmeans", "random_crops"):
        assert other[key] == record[key]
    # Another reference changes distances in its features alone.
    third = measured(path, saved("beta-vae", untrained(pretrain_config("beta-vae", seed=7))))
    assert third["random_crops"]["pretrained"] != record["random_crops"]["pretrained"]
    assert third["random_crops"]["random"] == record["random_crops"]["random"]
    assert len(load_split(scenes, "test").images) > max(record["trained"]["parts"][0]["strongest"]) // 16


def test_an_exported_encoder_is_measured_as_its_checkpoint(saved, measured, tmp_path):
    path, reference = saved("patchvae"), saved("beta-vae")
    record = measured(path, reference)
    for name in ("patchvae", "beta-vae"):
        export(tmp_path / f"{name}.pt", tmp_path / f"{name}.phi")
    again = measured(tmp_path / "patchvae.phi", tmp_path / "beta-vae.phi", "again")
    for key in ("trained", "untrained", "kmeans", "shuffled", "random_crops", "pretraining", "reference"):
        assert again[key] == record[key], key


def test_wrong_checkpoints(saved, measured, save_model, pretrain_config, tmp_path: Path):
    patchvae, reference = saved("patchvae"), saved("beta-vae")
    with pytest.raises(PatchVAEError, match="^beta-vae is a beta-vae, this needs a patchvae"):
        measured(reference, reference, variant="beta-vae")
    with pytest.raises(PatchVAEError, match=r"patchvae\.pt is of another model: its variant is 'patchvae'"):
        measured(patchvae, patchvae)
    save_model(pretrain_config("beta-vae"))  # of other images
    with pytest.raises(PatchVAEError, match=r"beta-vae\.pt was pretrained on other images"):
        measured(patchvae, reference)
    assert not (tmp_path / "metrics.json").exists()
