"""From a phi that is in git to a cell's number: the commands that pack the data and run the cell's job on that phi."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from patchvae import checkpoint
from patchvae.checks import checked_params
from patchvae.errors import PatchVAEError
from patchvae.explain import PROBE, Cell, find, overlays, read
from patchvae.job_configs import check_config
from patchvae.report.tables.metrics import Row
from patchvae.resolve import resolve

METRICS = "again.json"  # in the folder where the command runs, so that no result of a run is overwritten


def from_phi(
    phi: Path, results: Path, run: str, wanted: Mapping[str, str], seed: int | None = None, params: Sequence[Path] = ()
) -> str:
    """Shell commands that end in the number of one cell for phi's own seed, and a comment that says which it was.

    phi: a checkpoint of a pretraining or what `export` wrote of it; results, run, seed, params: as for `explain`;
    wanted: model, dataset, regime and head, see `find`. Raises PatchVAEError for a phi that is not the one behind the
    cell, a seed that is not phi's, a run without parameters, and what `explain` refuses.
    """
    own = checkpoint.load_pretrained(phi, {}, {})["config"].get("seed")
    if seed not in (None, own):
        raise PatchVAEError(f"--seed {seed}: {phi} is of seed {own}")
    ((cell, path),) = find(results, run, wanted, own).values()
    first = [*params, Path("params.yaml")][0]
    files = overlays(run, params or [first])
    if files is None:
        raise PatchVAEError(f"no file in configs/ has `run: {run}`: name params.yaml and the run's overlays behind -p")
    content = read(cell, path, own)
    try:
        config = recorded_config(path, cell, content, [first, *files])
        check_phi(phi, path, content, config)
        job = [content["rule"], *([] if cell.regime == PROBE else ["--scratch", "scratch"]), *machine(content)]
        top1 = json.dumps(content["top1"])
    except (KeyError, TypeError, AttributeError) as error:
        raise PatchVAEError(f"{path}: not the metrics of {cell}: {error}") from error
    packed = f"data/packed/{cell.dataset}"
    options = ["--configfile", *map(str, files), "--"] if files else []
    paths = ["--data", packed, "--pretrained", str(phi), "--metrics", METRICS]
    lines = [
        shlex.join(["snakemake", *options, f"{packed}/manifest.json"]),
        shlex.join(["patchvae", *job, *paths, "--config", json.dumps(config)]),
        f"# {METRICS} must have the top1 of {path}, but for images in another order (docs/data-sets.md): {top1}",
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
    found = checkpoint.load_pretrained(phi, names, {})
    # A file that `export` wrote has the digest of the checkpoint that it is from.
    if content["pretraining"]["checkpoint_sha256"] not in (found["sha256"], found.get("checkpoint_sha256")):
        raise PatchVAEError(f"{phi}: not the phi behind {path}, but of another training with the same names")
    try:
        checkpoint.backbone_weights(found, source["snapshot"])
    except PatchVAEError as error:
        raise PatchVAEError(f"{phi}: {error}") from error


def machine(content: Row) -> list[str]:
    """Options for the kind of machine that a file was measured on, since the last digits depend on it."""
    on_cpu = content["device"].endswith(" cores)")
    return [*(["--device", "cpu"] if on_cpu else []), "--threads", str(content["threads"])]
