"""From a phi that is in git to a cell's number: the job's file, and the commands that pack the data and run it."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from patchvae.commands.explain import Cell, find, overlays, read
from patchvae.errors import PatchVAEError
from patchvae.files import write_text
from patchvae.models.weights import backbone_weights
from patchvae.params.checks import checked_params
from patchvae.params.jobs import check_config
from patchvae.plan.code import fingerprint, modules_of
from patchvae.plan.jobs import Job
from patchvae.plan.kinds import DATA, MANIFEST, Files
from patchvae.plan.settings import resolve
from patchvae.records import checkpoint
from patchvae.report.tables.metrics import Row

FOLDER = "again"  # where the command runs, so that no result of a run is overwritten


def from_phi(
    phi: Path, results: Path, run: str, cell: Cell, seed: int | None = None, params: Sequence[Path] = ()
) -> str:
    """Write the file of a job that gives the number of one cell for phi's own seed.

    Returns the shell commands up to that number, and a comment that says which it was.

    phi: a checkpoint of a pretraining or what `export` wrote of it; results, run, seed, params: as for `explain`.
    Raises PatchVAEError for a phi that is not the one behind the cell, a seed that is not phi's, a run without
    parameters, and what `explain` refuses.
    """
    own = checkpoint.load_pretrained(phi, {})["config"].get("seed")
    if seed not in (None, own):
        raise PatchVAEError(f"--seed {seed}: {phi} is of seed {own}")
    (path,) = find(results, run, cell, own).values()
    files, content = overlays(run, params), read(cell, path, own)
    config = recorded_config(path, cell, content, [[*params, Path("params.yaml")][0], *files])
    try:
        check_phi(phi, path, content, config)
    except KeyError as error:
        raise PatchVAEError(f"{path}: not the metrics of {cell}: {error}") from error
    job = again(content["rule"], config, phi)
    write_text(job.path, job.text)
    # The last digits depend on the kind of machine
    options = ["--device", "cpu"] if content["device"].endswith(" cores)") else []
    top1 = json.dumps(content["top1"])
    overlay = ["--configfile", *map(str, files), "--"] if files else []
    lines = [
        shlex.join(["snakemake", *overlay, MANIFEST.format(dataset=cell.dataset)]),
        shlex.join(["patchvae", "run", job.path, *options, "--threads", str(content["threads"])]),
        f"# {job.makes[0]} must have the top1 of {path}, but for images in another order (docs/data-sets.md): {top1}",
    ]
    return "\n".join(lines)


def again(rule: str, config: dict[str, Any], phi: Path) -> Job:
    """A job in FOLDER that measures phi with a configuration, by the code as it is here."""
    inputs: dict[str, Files] = {"data": [path.format(dataset=config["dataset"]) for path in DATA]}
    return Job(
        rule=rule,
        wildcards={},
        config=config,
        modules=[*modules_of(rule)],
        code=fingerprint(*modules_of(rule)),
        inputs=inputs | {"pretrained": str(phi)},
        outputs={"metrics": f"{FOLDER}/metrics.json"},
        after=[],
        path=f"{FOLDER}/job.json",
        record=f"{FOLDER}/metrics.record",
        log=f"{FOLDER}/metrics.log",
        benchmark="",
    )


def recorded_config(path: Path, cell: Cell, content: Row, params: Sequence[Path]) -> dict[str, Any]:
    """The configuration that a cell was measured with; keys that came later have the values of the run's parameters.

    A chosen rate is given as the number that was chosen, so that it need not be searched for again.
    """
    config: dict[str, Any] = content["config"]
    if config.get("lr") == "chosen":
        config = config | {"lr": content["lr"]}
    try:
        check_config(content["rule"], config)
    except PatchVAEError:
        wildcards = {"variant": cell.model, "dataset": cell.dataset, "seed": content["seed"]}
        wildcards |= {"regime": cell.regime, "head": cell.head} if cell.head else {}
        config = resolve(checked_params(params), content["rule"], wildcards) | config
        try:
            check_config(content["rule"], config)
        except PatchVAEError as error:
            raise PatchVAEError(f"{path}: this version has no such configuration: {error}") from error
    return config


def check_phi(phi: Path, path: Path, content: Row, config: Mapping[str, Any]) -> None:
    """Raise PatchVAEError where phi is not the one that a metrics file was measured on."""
    source = config["pretrained"]
    names = {"dataset": source["dataset"], "variant": source["variant"], "seed": content["seed"]}
    found = checkpoint.load_pretrained(phi, names)
    # A file that `export` wrote has the digest of the checkpoint that it is from.
    if content["pretraining"]["checkpoint_sha256"] not in (found["sha256"], found.get("checkpoint_sha256")):
        raise PatchVAEError(f"{phi}: not the phi behind {path}, but of another training with the same names")
    try:
        backbone_weights(found, source["snapshot"])
    except PatchVAEError as error:
        raise PatchVAEError(f"{phi}: {error}") from error
