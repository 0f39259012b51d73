"""What a result was made from, compared with what is wanted, so that no number passes for another.

Metrics files and checkpoints hold their configuration. Packed data and masks have it beside them, in `record.json`. No
job depends on that file, so the same pixels made in another way cause no new training. `wanted` are digests of the
configurations that the inputs must have been made with; the caller, who knows the parameters, passes them along.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from patchvae.errors import PatchVAEError
from patchvae.files import read_json, write_json
from patchvae.provenance import config_sha256

RECORD = "record.json"
AGAIN = "`snakemake` (with the --configfile of the run, if it has one) or `dvc repro` makes it again"


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
    if made_of != images_sha256:
        raise PatchVAEError(f"{masks} are masks of other images than the data set's: {AGAIN}")
    refuse_other_config(masks, record.get("config"), wanted.get("masks"))
    return sha256


def recorded(metrics: Mapping[str, Any]) -> str:
    """The digest of a metrics file's configuration, and of the pretraining's if there is one."""
    digests = [digest(metrics["config"])]
    if metrics.get("pretraining") is not None:
        digests.append(str(metrics["pretraining"]["config_sha256"])[:16])
    return "/".join(digests)


def other_data(metrics: Mapping[str, Any], packed: Path) -> str | None:
    """The data set below `packed` whose images or labels are not those that a metrics file measured, or None.

    Data sets that are not there and digests that the metrics file lacks are not compared.
    """
    blocks = [(metrics["dataset"], metrics)]
    if metrics.get("pretraining") is not None:
        blocks.append((metrics["pretraining"]["dataset"], metrics["pretraining"]))
    for dataset, block in blocks:
        path = packed / dataset / "manifest.json"
        if not path.is_file():
            continue
        splits = read_json(path)["splits"]
        for key, name in (("data_sha256", "sha256"), ("labels_sha256", "labels_sha256")):
            for split, value in block.get(key, {}).items():
                if value != splits[split].get(name):
                    return str(dataset)
    return None


def check_metrics(files: Sequence[Path], wanted: Sequence[str], packed: Path | None) -> None:
    """Raise PatchVAEError naming a metrics file of other parameters, or of other data than those in `packed`.

    wanted: what `recorded` must return for each file; an empty list accepts any.
    """
    if wanted and len(wanted) != len(files):
        raise PatchVAEError(f"--wanted: {len(wanted)} digests for {len(files)} metrics files")
    for number, path in enumerate(files):
        try:
            metrics = read_json(path)
            if wanted and recorded(metrics) != wanted[number]:
                raise PatchVAEError(f"{path} was measured with other parameters than those asked for: {AGAIN}")
            dataset = None if packed is None else other_data(metrics, packed)
        except (KeyError, TypeError, AttributeError) as error:
            raise PatchVAEError(f"{path}: not a metrics file: {error}") from error
        if dataset is not None:
            raise PatchVAEError(f"{path} was measured on other data than {packed}/{dataset} holds: {AGAIN}")
