"""Jobs that train and measure: what the job of each rule reads, what computes its numbers, and what it writes."""

import functools
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from patchvae.data.inception import weights_or_reason
from patchvae.data.packed import SPLITS, load_manifest, load_split
from patchvae.data.tensors import open_array
from patchvae.errors import NotFinite, PatchVAEError
from patchvae.evaluation import few_labels, fid, probe, reconstruction
from patchvae.evaluation.frozen import phi_of
from patchvae.files import file_digest
from patchvae.jobs.run import Content, Run, recorded_bits
from patchvae.models.factory import network_of
from patchvae.models.weights import backbone_weights
from patchvae.params.classifying import Finetune, Rates
from patchvae.params.measuring import FewLabels, FewLabelsOfPixels, Measured, Probe, RealParts, Reconstruct
from patchvae.params.model_kinds import PatchVAENetwork, Pretrain, Trained
from patchvae.pretrained import load_model, restored_encoder
from patchvae.records import checkpoint as checkpoints
from patchvae.records.digests import check_masks
from patchvae.records.metrics_files import read_metrics
from patchvae.training import finetune, pretrain, rates
from patchvae.training.loop import Outcome

Found = tuple[Outcome, Content | None]  # with the content of the checkpoint that was measured, if there is one

log = logging.getLogger(__name__)


def compute(rule: str, config: Measured, data: Path, metrics: Path, *machine: Any, **files: Path) -> None:
    """Do the job of a rule and write its metrics; a second call resumes an interrupted training.

    data: a packed data set; machine: device, threads, scratch and watch, as for `Run`; files: what the rule reads and
    writes besides, by its names in `plan.kinds`.
    Raises PatchVAEError for broken inputs, a checkpoint of another model or of other data, a model that the measurement
    is not for, and numbers that are not finite.
    """
    run = Run(RULES.get(rule, rule), config, data, metrics, *machine)
    began = time.perf_counter()
    try:
        (found, images, taken), content = JOBS[rule](run, config, **files)
    except NotFinite as error:
        raise PatchVAEError(f"{files.get('pretrained') or files['checkpoint']}: {error}") from error
    seconds = time.perf_counter() - began if taken is None else taken
    run.finish(found if rule == "pretrain" else run.measured(content) | found, seconds, images)


# ---- trainings


def open_masks_or_labels(run: Run, config: Pretrain[Any], masks: Path | None, images: Tensor) -> Tensor | None:
    """Weight masks (n, h, w, C) for a variant with L_w, labels (n,) for one trained with labels, else None."""
    if config.model.name == "supervised":
        return run.open().labels["train"]
    if not getattr(config, "weighted_loss", False):  # which some kinds do not have
        return None
    assert masks is not None
    weights = open_array(masks, run.on.device)
    if weights.ndim != 4 or len(weights) != len(images) or images.shape[2] % weights.shape[2]:
        raise PatchVAEError(f"{masks}: masks of shape {tuple(weights.shape)} do not fit images {tuple(images.shape)}")
    return weights


def _pretrain(run: Run, config: Pretrain[Any], checkpoint: Path, masks: Path | None = None) -> Found:
    """The checkpoint holds what `fit` says, `config`, `game`, `code_sha256` and the digests of its data."""
    masks_sha256 = check_masks(masks, run.digests["data_sha256"]["train"]) if masks else ""
    images = open_array(run.data / "train_images.npy", run.on.device)
    masks_or_labels = open_masks_or_labels(run, config, masks, images)
    store = run.store(masks=masks_sha256) if isinstance(config, Trained) else None
    made, content = pretrain.fit(config, images, masks_or_labels, run.on, run.label, store, run.watch)
    content |= {"config": config.given, "game": made.record["game"], "code_sha256": run.code, **run.digests}
    checkpoints.save(checkpoint, content)
    made.record.update(masks_sha256=masks_sha256, checkpoint_sha256=file_digest(checkpoint))
    return made, None


def _finetune(run: Run, config: Finetune, pretrained: Path, rates: Path | None = None) -> Found:
    content, phi = run.phi(pretrained)
    chosen = {"lr": chosen_rate(rates, config)} if rates else {}
    store = run.store(pretrained=content["sha256"], **chosen)
    config = config.model_copy(update=chosen)
    made, right = finetune.fit(config, phi, run.open(), run.on, run.label, store, run.watch)
    made.record.update(recorded_bits(right, run.data) | chosen)
    return made, content


def chosen_rate(path: Path, config: Finetune) -> float:
    """The rate in the metrics file of a job `rates`; raises PatchVAEError unless it is of the classifier of `config`.

    Its seed may be another one, as a rate is chosen once for all seeds.
    """
    found = read_metrics(path, "rates")
    for key, value in config.given.items():
        its = found["config"].get(key)
        if key not in ("seed", "epochs") and its != value:
            raise PatchVAEError(f"{path}: rates of another classifier: its {key} is {its!r}, not {value!r}")
    return float(found["lr"])


def _rates(run: Run, config: Rates, pretrained: Path) -> Found:
    content, phi = run.phi(pretrained)
    stores = functools.partial(run.store, pretrained=content["sha256"])
    return rates.search(config, phi, run.open(), run.on, run.label, stores, run.watch), content


# ---- measurements of phi


def _probe(run: Run, config: Probe, pretrained: Path) -> Found:
    content, phi = run.phi(pretrained)
    record, right = probe.fit(config, phi, run.open(), run.on)
    return Outcome(record | recorded_bits(right, run.data), record["train_count"] + len(right)), content


def _few_labels(run: Run, config: FewLabels | FewLabelsOfPixels, pretrained: Path | None = None) -> Found:
    content, phi = run.phi(pretrained) if pretrained else (None, None)
    return Outcome(few_labels.fit(config, phi, run.open(), run.on), sum(run.counts.values())), content


# ---- measurements of whole models, whose kind counts in the code


def opened(run: Run, config: Measured, path: Path, *kinds: str) -> tuple[Any, Content]:
    """`load_model`, with the kind of the model noted."""
    model, content = load_model(path, config, kinds)
    run.kind = content["config"]["model"]["name"]
    return model, content


def _reconstruct(run: Run, config: Reconstruct, checkpoint: Path) -> Found:
    model, content = opened(run, config, checkpoint, *reconstruction.KINDS)
    record = reconstruction.measure(config, model, content["steps"], load_split(run.data, "test").images, run.on)
    return Outcome(record, run.counts["test"]), content


def _fid(run: Run, config: Reconstruct, checkpoint: Path, inception: Path) -> Found:
    """Without Inception weights `fid` is null, and `why` is the reason."""
    model, content = opened(run, config, checkpoint, *reconstruction.KINDS)
    weights = weights_or_reason(inception)
    if isinstance(weights, str):
        log.warning("%s: no FID: %s", run.label, weights)
        return Outcome({"fid": None, "why": weights}, 0), content
    try:
        network = fid.load_inception(run.on.device)
    except PatchVAEError as error:
        raise PatchVAEError(f"{weights}: {error}") from error
    record = fid.measure(config, model, content["steps"], load_split(run.data, "test").images, network, run.on)
    return Outcome(record, run.counts["test"]), content


def _parts(run: Run, config: Measured, checkpoint: Path) -> Found:
    from patchvae.evaluation import parts  # here alone, as scikit-learn takes long to import

    model, content = opened(run, config, checkpoint, "patchvae")
    scenes = {}
    for split in SPLITS:
        data, path = load_split(run.data, split), run.data / f"{split}_occurrence.npy"
        if data.occurrence is None:
            raise PatchVAEError(f"{run.data} has no {path.name}: only digit scenes have the truth about their parts")
        try:
            scenes[split] = parts.cells_of(data.images, data.labels, data.occurrence)
        except PatchVAEError as error:
            raise PatchVAEError(f"{path}: {error}") from error
    record = parts.measure(config, model, scenes, run.open().images["train"], run.on)
    return Outcome(record, sum(len(cells.images) for cells in scenes.values())), content


def _real_parts(run: Run, config: RealParts, checkpoint: Path, reference: Path) -> Found:
    """checkpoint, reference: also encoders as `export` writes them."""
    from patchvae.evaluation import real_parts  # as in `_parts`

    content = checkpoints.load_identified(checkpoint, config, run.digests)
    network = network_of(content["config"]["model"])
    if not isinstance(network, PatchVAENetwork):
        raise PatchVAEError(f"{config.variant} is a {network.name}, this needs a patchvae")
    expected = {key: getattr(config, key) for key in ("dataset", "seed", "image_size", "input_scaling")}
    other = checkpoints.load_pretrained(reference, expected | {"variant": config.reference}, run.digests)
    phi = phi_of(other["config"]["model"]["backbone"], backbone_weights(other), config.reference)
    encoder, manifest = restored_encoder(checkpoint, content), load_manifest(run.data)
    data = run.open(), manifest["format"], manifest["classes"]
    record = real_parts.measure(config, encoder, network, phi, *data, run.on)
    run.kind = network.name
    origins = {"pretraining": origin(content), "reference": origin(other)}
    return Outcome(origins | record, run.counts["test"]), content


def origin(content: Content) -> dict[str, Any]:
    """`pretraining_record`; of an encoder that was exported, with the digest of the checkpoint that it is from."""
    record = checkpoints.pretraining_record(content)
    return record | {"checkpoint_sha256": content.get("checkpoint_sha256", record["checkpoint_sha256"])}


RULES = {"few_labels_pixels": "few_labels"}  # in metrics, where that is another than the job's
JOBS: dict[str, Callable[..., Found]] = {
    "pretrain": _pretrain,
    "finetune": _finetune,
    "rates": _rates,
    "probe": _probe,
    "few_labels": _few_labels,
    "few_labels_pixels": _few_labels,
    "reconstruct": _reconstruct,
    "fid": _fid,
    "parts": _parts,
    "real_parts": _real_parts,
}
