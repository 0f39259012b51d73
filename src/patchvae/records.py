"""What a result was made from, compared with what is wanted, so that no number passes for another.

Metrics files and checkpoints hold their configuration. Packed data and masks have it beside them, in `record.json`. No
job depends on that file, so the same pixels made in another way cause no new training. `wanted` are digests of the
configurations that the inputs must have been made with; the caller, who knows the parameters, passes them along.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from patchvae.errors import PatchVAEError
from patchvae.files import read_json, write_json
from patchvae.provenance import config_sha256

RECORD = "record.json"
AGAIN = "`snakemake` (with the --configfile of the run, if it has one) or `dvc repro` makes it again"
# Key of metrics files and checkpoints -> key of a split in the manifest of packed data
DIGESTS = {
    "data_sha256": "sha256",
    "labels_sha256": "labels_sha256",
    "set_sha256": "set_sha256",
    "order_sha256": "order_sha256",
}
OTHER, REORDERED = "other images or labels", "the same images in another order"
WITHIN = "numbers then agree within the tolerance that docs/data-sets.md states"

log = logging.getLogger(__name__)


def digest(config: Mapping[str, Any]) -> str:
    """A configuration in 16 hex digits."""
    return config_sha256(config)[:16]


def write_record(folder: Path, config: Mapping[str, Any], code_sha256: str, **more: Any) -> None:
    """Write what the data in a folder were made from."""
    write_json(folder / RECORD, {"config": config, "code_sha256": code_sha256, **more})


def parse_wanted(pairs: Sequence[str]) -> dict[str, str]:
    """`--wanted` of a job, KEY=DIGEST each; raises PatchVAEError for anything else."""
    wanted = dict(pair.partition("=")[::2] for pair in pairs)
    for key, value in wanted.items():
        if key not in ("data", "masks", "pretrained", "reference") or not value:
            known = "data=, masks=, pretrained= and reference="
            raise PatchVAEError(f"--wanted: {key}={value} is none of {known} with a digest")
    return wanted


def refuse_other_config(where: Path | str, config: Any, wanted: str | None) -> None:
    """Raise PatchVAEError where a result was not made with the wanted configuration; None accepts any."""
    if wanted is not None and (not isinstance(config, dict) or digest(config) != wanted):
        raise PatchVAEError(f"{where} was made with other parameters than those asked for: {AGAIN}")


def check_data(data: Path, wanted: Mapping[str, str]) -> None:
    """Raise PatchVAEError where packed data were not made with `wanted["data"]`, if that is given."""
    if "data" in wanted:
        refuse_other_config(data, read_json(data / RECORD).get("config"), wanted["data"])


def check_masks(masks: Path, images_sha256: str, wanted: Mapping[str, str]) -> str:
    """Check that weight masks are of these training images and made as `wanted["masks"]` says; return their digest.

    Raises PatchVAEError otherwise, and for masks without a record.
    """
    record = read_json(masks.parent / RECORD)
    try:
        made_of, sha256 = record["images_sha256"], str(record["sha256"])
    except (KeyError, TypeError) as error:
        raise PatchVAEError(f"{masks.parent / RECORD}: not the record of weight masks") from error
    # A mask belongs to the image of its row, so the same images in another order are others here.
    if made_of != images_sha256:
        raise PatchVAEError(f"{masks} are masks of other images than the data set's, or in another order: {AGAIN}")
    refuse_other_config(masks, record.get("config"), wanted.get("masks"))
    return sha256


def recorded(metrics: Mapping[str, Any]) -> str:
    """The digest of a metrics file's configuration, and of the pretraining's if there is one."""
    digests = [digest(metrics["config"])]
    if metrics.get("pretraining") is not None:
        digests.append(str(metrics["pretraining"]["config_sha256"])[:16])
    return "/".join(digests)


def data_digests(splits: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The DIGESTS of packed data by key and split; splits: of their manifest."""
    return {key: {split: entry.get(name, "") for split, entry in splits.items()} for key, name in DIGESTS.items()}


def difference(made_of: Mapping[str, Any], here: Mapping[str, Mapping[str, str]]) -> str | None:
    """How data that a result was made of differ from those here: OTHER, REORDERED, or None.

    made_of: the result's DIGESTS by key and split, maybe of fewer splits; here: `data_digests`. Early results have no
    `set_sha256`: they are compared file by file, so that another order counts as other images.
    """

    def differs(key: str) -> bool:
        return any(value != here[key].get(split) for split, value in made_of.get(key, {}).items())

    if "set_sha256" not in made_of:
        return OTHER if differs("data_sha256") or differs("labels_sha256") else None
    if differs("set_sha256"):
        return OTHER
    return REORDERED if differs("order_sha256") else None


def differing_data(metrics: Mapping[str, Any], packed: Path) -> dict[str, str]:
    """The `difference` of each data set below `packed` that is not as a metrics file measured it.

    Data sets that are not there are not compared.
    """
    blocks = [(metrics["dataset"], metrics)]
    if metrics.get("pretraining") is not None:
        blocks.append((metrics["pretraining"]["dataset"], metrics["pretraining"]))
    found: dict[str, str] = {}
    for dataset, block in blocks:
        path = packed / dataset / "manifest.json"
        how = difference(block, data_digests(read_json(path)["splits"])) if path.is_file() else None
        if how is not None and found.get(dataset) != OTHER:
            found[dataset] = how
    return found


def check_metrics(files: Sequence[Path], wanted: Sequence[str], packed: Path | None) -> None:
    """Raise PatchVAEError naming a metrics file of other parameters, or of other data than those in `packed`.

    wanted: what `recorded` must return for each file; an empty list accepts any. The same images in another order are
    accepted, with one note in the log.
    """
    reordered: list[str] = []
    if wanted and len(wanted) != len(files):
        raise PatchVAEError(f"--wanted: {len(wanted)} digests for {len(files)} metrics files")
    for number, path in enumerate(files):
        try:
            metrics = read_json(path)
            if wanted and recorded(metrics) != wanted[number]:
                raise PatchVAEError(f"{path} was measured with other parameters than those asked for: {AGAIN}")
            differing = {} if packed is None else differing_data(metrics, packed)
        except (KeyError, TypeError, AttributeError) as error:
            raise PatchVAEError(f"{path}: not a metrics file: {error}") from error
        for dataset, how in differing.items():
            if how == OTHER:
                raise PatchVAEError(f"{path} was measured on other data than {packed}/{dataset} holds: {AGAIN}")
            reordered.append(f"{path} was measured on the images of {packed}/{dataset} in another order")
    if reordered:
        others = f", and so were {len(reordered) - 1} other files" if len(reordered) > 1 else ""
        log.warning("%s%s; %s", reordered[0], others, WITHIN)
