"""What training and measuring jobs share: their machine, their data, and the metrics file that they write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from patchvae.data.packed import check_arrays, load_manifest
from patchvae.errors import PatchVAEError
from patchvae.files import write_json
from patchvae.hardware import describe, peak_memory, pick_device, pick_precision, set_arithmetic, set_threads
from patchvae.jobs.states import state_path
from patchvae.params.kinds import modules
from patchvae.params.measuring import Measured
from patchvae.records.digests import data_digests
from patchvae.records.provenance import code_sha256, commit, config_sha256, versions
from patchvae.records.result import FORMAT, Result, checked_result


@dataclass(frozen=True)
class Run:
    """One training or measuring job: its configuration, its machine and its data."""

    rule: str
    module: str
    config: Measured
    device: torch.device
    precision: str
    threads: int
    data: Path
    digests: dict[str, dict[str, str]]  # `records.data_digests` of the data
    counts: dict[str, int]
    code: str

    @property
    def label(self) -> str:
        """A short name for logs and progress bars."""
        given = self.config.given
        parts = [given.get(key) for key in ("variant", "regime", "head", "dataset")]
        return " ".join([*filter(None, parts), f"seed {self.config.seed}"])

    @property
    def machine(self) -> dict[str, Any]:
        """What is recorded of the machine: it decides bits, but is no part of a result's identity."""
        return {"device": describe(self.device), "threads": self.threads, "versions": versions()}

    def of_kind(self, kind: str) -> "Run":
        """The same job with the code of a model's kind counted in, which only the checkpoint tells."""
        return replace(self, code=code_sha256(self.module, *modules(kind)))

    def state_path(self, scratch: Path, metrics: Path, **inputs: str | float) -> Path:
        """Where an interrupted job finds its state, see `states`; its record lies beside its metrics.

        The key holds the precision, which never changes within a training. It holds no machine, threads or versions: a
        job may go on elsewhere.
        """
        key = {
            "rule": self.rule,
            "config": self.config.given,
            "code": self.code,
            # Of the files: another order of the images makes other batches, so a state of one is none of the other.
            "data": [self.digests["data_sha256"], self.digests["labels_sha256"]],
            "precision": self.precision,
            **inputs,
        }
        return state_path(scratch, key, self.label, metrics.with_suffix(".record"))

    def finish(
        self,
        kind: type[Result],
        metrics: Path,
        record: Mapping[str, Any],
        seconds: float,
        images: int,
        machines: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Write the metrics file; machines: those that a training ran on, by default this one.

        Raises PatchVAEError naming the file and the first key that is not as a result of this kind must be.
        """
        config, machines = self.config.given, [*machines] or [self.machine]
        identity: dict[str, Any] = {
            key: config[key] for key in ("dataset", "variant", "regime", "head", "seed") if key in config
        }
        result = checked_result(
            kind,
            metrics,
            {
                "schema": FORMAT,
                "rule": self.rule,
                **identity,
                "config": config,
                "config_sha256": config_sha256(config),
                "code_sha256": self.code,
                "commit": commit(),
                **self.digests,
                "versions": machines[-1]["versions"],
                "device": "; ".join(dict.fromkeys(machine["device"] for machine in machines)),
                "machines": machines,
                "precision": self.precision,
                "threads": machines[-1]["threads"],
                "peak_memory_mb": peak_memory(self.device),
                "seconds": round(seconds, 1),
                "images_per_second": round(images / seconds, 1) if images and seconds else 0.0,
                **record,
            },
        )
        write_json(metrics, result.given)


def start(
    rule: str,
    module: str,
    config: Measured,
    data: Path,
    device: str,
    threads: int | None,
    kind: str | None = None,
) -> Run:
    """Choose device, precision and threads of a job, and check the arrays of its data against their manifest.

    module: the job's; kind: of its model, where the code depends on it.
    Raises PatchVAEError for a device that is not there, and for data of other sizes than the job's or the manifest's.
    """
    chosen = pick_device(device)
    set_arithmetic(chosen, config.deterministic)
    manifest = load_manifest(data)
    if manifest["image_size"] != config.image_size:
        raise PatchVAEError(f"{data}: images of side {manifest['image_size']}, but image_size is {config.image_size}")
    for split in manifest["splits"]:
        check_arrays(data, split, manifest)
    splits = manifest["splits"]
    return Run(
        rule=rule,
        module=module,
        config=config,
        device=chosen,
        precision=pick_precision(config.precision, chosen, rule),
        threads=set_threads(threads),
        data=data,
        digests=data_digests(splits),
        counts={split: entry["count"] for split, entry in splits.items()},
        code=code_sha256(module, *(modules(kind) if kind else ())),
    )
