"""Which results were made with other parameters, code or data than the wanted ones, by their own records.

Both engines know what they ran. Neither knows what was put here since, nor anything where its records are lost or were
told something else; each result does.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from engines import as_recorded
from layout import DATA_RECORD, MANIFEST, MASKS_RECORD, METRICS, OUTPUTS, ROOT, code_of, rates_behind

from patchvae.errors import PatchVAEError
from patchvae.files import read_json
from patchvae.records import OTHER, differing_data, digest, recorded
from patchvae.resolve import resolve
from patchvae.variants import pretrained, sources

Params = dict[str, Any]
Job = tuple[str, Params]  # rule, wildcards
KEYS = {"prepare": "data", "digit_scenes": "data", "masks": "masks", "pretrain": "pretrained"}
MEASURED = [rule for rule in METRICS if rule not in ("pretrain", "few_labels_pixels")]  # on a pretraining


def phi_of(params: Params, rule: str, job: Params) -> Params:
    """The wildcards of the pretraining behind a job on a pretrained model."""
    source = {"dataset": job["dataset"], "variant": job["variant"]}
    if rule in ("finetune", "rates", "probe", "few_labels"):
        source = pretrained(params, job["dataset"], job["variant"])
    return source | {"run": job["run"], "seed": job["seed"]}


def wanted(params: Params, rule: str, job: Params) -> str:
    """What `records.recorded` is to be of a job's metrics file, and the digest of any other job's configuration."""
    own = digest(resolve(params, rule, job))
    if rule not in MEASURED:
        return own
    return f"{own}/{digest(resolve(params, 'pretrain', phi_of(params, rule, job)))}"


def wanted_inputs(params: Params, made_by: Mapping[str, Job], inputs: Iterable[str]) -> list[str]:
    """`--wanted` of a job with these inputs: KEY=DIGEST for its data, masks, checkpoint and reference."""
    jobs: dict[str, Job] = {}
    for path in inputs:
        if path in made_by and made_by[path][0] in KEYS:
            key, job = KEYS[made_by[path][0]], made_by[path]
            second = key == "pretrained" and jobs.get(key, job) != job
            jobs["reference" if second else key] = job
    return [f"{key}={wanted(params, rule, job)}" for key, (rule, job) in jobs.items()]


def wanted_metrics(params: Params, made_by: Mapping[str, Job], inputs: Iterable[str]) -> list[str]:
    """`--wanted` of a report: a digest for each metrics file among its inputs."""
    return [wanted(params, *made_by[path]) for path in inputs if "/metrics/" in path]


def stale(params: Params, jobs: Iterable[Job]) -> dict[str, str]:
    """First output -> why it has to be made again, of the jobs whose outputs are here and not the wanted ones.

    Tables and figures, which hold no record and take seconds, are made again unless they are as Snakemake made them.
    """
    found = {}
    for rule, job in jobs:
        paths = [path.format(**job) for path in OUTPUTS[rule]]
        if not all((ROOT / path).is_file() for path in paths):
            continue
        try:
            why = differs(params, rule, job, paths)
        except (PatchVAEError, KeyError, TypeError, AttributeError):
            why = "its record cannot be read"
        if why:
            found[paths[0]] = why
    return found


def differs(params: Params, rule: str, job: Params, paths: list[str]) -> str | None:
    """In what a job's outputs differ from the wanted ones, or None."""
    match rule:
        case "download":
            return other_sources(params, job["dataset"], paths[0])
        case "inception":
            return None  # has no parameters but the file that it looks for, and says whether it is there
        case "prepare" | "digit_scenes":
            record = read_json(ROOT / DATA_RECORD.format(**job))
        case "masks":
            record = read_json(ROOT / MASKS_RECORD.format(**job))
            manifest = ROOT / MANIFEST.format(**job)
            if manifest.is_file() and record["images_sha256"] != read_json(manifest)["splits"]["train"]["sha256"]:
                return "data"
        case _ if rule in METRICS:
            record = read_json(ROOT / paths[-1])
            if recorded(record) != wanted(params, rule, job):
                return "parameters"
            if OTHER in differing_data(record, ROOT / "data/packed").values():
                return "data"
            if rule in MEASURED and other_checkpoint(params, rule, job, record):
                return "checkpoint"
            for path in rates_behind(rule, params, job):
                if (ROOT / path).is_file() and read_json(ROOT / path)["lr"] != record["lr"]:
                    return "chosen rate"
            masks = ROOT / MASKS_RECORD.format(**job)
            if record.get("masks_sha256") and masks.is_file() and read_json(masks)["sha256"] != record["masks_sha256"]:
                return "weight masks"
        case _:
            return None if all(as_recorded(path) for path in paths) else "nobody knows what"
    if digest(record["config"]) != digest(resolve(params, rule, job)):
        return "parameters"
    return "code" if record["code_sha256"] != code_of(params, rule, job) else None


def other_checkpoint(params: Params, rule: str, job: Params, record: Params) -> bool:
    """Whether the pretraining that lies here wrote another checkpoint than the one that was measured.

    Its own metrics tell, so that no checkpoint is read. Code, masks and inputs of the pretraining count by this.
    """
    path = ROOT / METRICS["pretrain"].format(**phi_of(params, rule, job))
    if not path.is_file():
        return False
    here, measured = read_json(path).get("checkpoint_sha256"), record["pretraining"].get("checkpoint_sha256")
    return None not in (here, measured) and here != measured


def other_sources(params: Params, dataset: str, path: str) -> str | None:
    """Whether a record of sources names other files than the wanted ones, or another checksum."""
    known = read_json(ROOT / path)["sources"]
    files = sources(params, dataset)
    checksums = {name: source["checksum"].lower() for name, source in files.items()}
    same = all(checksums[name] in ("unverified", known.get(name, {}).get("checksum")) for name in checksums)
    return None if same and set(known) == set(checksums) else "sources"
