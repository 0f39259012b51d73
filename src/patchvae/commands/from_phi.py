"""From a phi that is in git to a cell's number: the job's file, and the commands that pack the data and run it."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from patchvae.commands.explain import Cell, find, overlays, snakemake
from patchvae.errors import PatchVAEError
from patchvae.files import write_text
from patchvae.models.weights import backbone_weights
from patchvae.params.checks import checked_params
from patchvae.params.configs import check_config
from patchvae.plan.jobs import Job, fingerprint
from patchvae.plan.kinds import DATA, KINDS, MANIFEST
from patchvae.plan.settings import resolve
from patchvae.records.checkpoint import load_pretrained
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
    checkpoint = load_pretrained(phi, {})
    own = checkpoint["config"].get("seed")
    if seed not in (None, own):
        raise PatchVAEError(f"--seed {seed}: {phi} is of seed {own}")
    ((path, content),) = find(results, run, cell, own).items()
    files = overlays(run, params)
    config = recorded_config(path, cell, content, [[*params, Path("params.yaml")][0], *files])
    # A file that `export` wrote has the digest of the checkpoint that it is from.
    digests = checkpoint["sha256"], checkpoint.get("checkpoint_sha256")
    if content.get("pretraining", {}).get("checkpoint_sha256") not in digests:
        variant, dataset = (checkpoint["config"].get(key) for key in ("variant", "dataset"))
        raise PatchVAEError(f"{phi}: not the phi behind {path}, but one of {variant} on {dataset}, seed {own}")
    try:
        backbone_weights(checkpoint, config["pretrained"]["snapshot"])
    except PatchVAEError as error:
        raise PatchVAEError(f"{phi}: {error}") from error
    module = KINDS[cell.rule].module
    job = Job(
        rule=cell.rule,
        wildcards={},
        config=config,
        modules=[module],
        code=fingerprint(module),
        inputs={"data": [file.format(dataset=config["dataset"]) for file in DATA], "pretrained": str(phi)},
        outputs={"metrics": f"{FOLDER}/metrics.json"},
        after=[],
        path=f"{FOLDER}/job.json",
        record=f"{FOLDER}/metrics.record",
        log=f"{FOLDER}/metrics.log",
        benchmark="",
    )
    write_text(job.path, job.text)
    # The last digits depend on the kind of machine
    options = ["--device", "cpu"] if content["device"].endswith(" cores)") else []
    lines = [
        snakemake(files, MANIFEST.format(dataset=config["dataset"])),
        shlex.join(["patchvae", "run", job.path, *options, "--threads", str(content["threads"])]),
        f"# {job.makes[0]} must have the top1 of {path}, but for images in another order (docs/data-sets.md):"
        f" {json.dumps(content['top1'])}",
    ]
    return "\n".join(lines)


def recorded_config(path: Path, cell: Cell, content: Row, params: Sequence[Path]) -> dict[str, Any]:
    """The configuration that a cell was measured with; keys that came later have the values of the run's parameters.

    A chosen rate is given as the number that was chosen, so that it need not be searched for again.
    """
    config: dict[str, Any] = content["config"]
    if config.get("lr") == "chosen":
        config = config | {"lr": content["lr"]}
    try:
        check_config(cell.rule, config)
    except PatchVAEError:
        config = resolve(checked_params(params), cell.rule, {**cell.names, "seed": content["seed"]}) | config
        try:
            check_config(cell.rule, config)
        except PatchVAEError as error:
            raise PatchVAEError(f"{path}: this version has no such configuration: {error}") from error
    return config
