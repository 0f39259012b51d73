"""What pretraining and fine-tuning share: where a job's state lies, and the metrics file it leaves."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from patchvae.data.packed import load_manifest
from patchvae.files import canonical, write_json
from patchvae.hardware import describe, pick_device, pick_precision, set_threads
from patchvae.provenance import code_sha256, config_sha256, versions

SCHEMA = 1


@dataclass(frozen=True)
class Run:
    """One training job: its configuration, its machine and its data."""

    rule: str
    config: dict[str, Any]
    device: torch.device
    precision: str
    threads: int
    data: Path
    data_sha256: dict[str, str]
    counts: dict[str, int]
    code: str

    @property
    def label(self) -> str:
        """A short name for logs and progress bars."""
        parts = [
            self.config["variant"],
            self.config.get("regime"),
            self.config["dataset"],
            f"seed {self.config['seed']}",
        ]
        return " ".join(part for part in parts if part)

    def state_path(self, scratch: Path, **inputs: str) -> Path:
        """Where an interrupted job finds its state: keyed by all that decides its bits, so no stale state is taken."""
        versions_of_state = {key: value for key, value in versions().items() if key != "python"}
        key = {
            "rule": self.rule,
            "config": self.config,
            "code": self.code,
            "data": self.data_sha256,
            "machine": [describe(self.device), self.precision, self.threads],
            "versions": versions_of_state,
            **inputs,
        }
        name = hashlib.sha256(canonical(key).encode()).hexdigest()[:20]
        return scratch / name / "state.pt"

    def finish(
        self, metrics: Path, record: dict[str, Any], seconds: float, images: int, state_path: Path | None = None
    ) -> None:
        """Write the metrics file, then drop the state, where there was one, which is no longer needed."""
        config = self.config
        identity = {key: config[key] for key in ("dataset", "variant", "regime", "seed") if key in config}
        write_json(
            metrics,
            {
                "schema": SCHEMA,
                "rule": self.rule,
                **identity,
                "config": config,
                "config_sha256": config_sha256(config),
                "code_sha256": self.code,
                "data_sha256": self.data_sha256,
                "versions": versions(),
                "device": describe(self.device),
                "precision": self.precision,
                "threads": self.threads,
                "seconds": round(seconds, 1),
                "images_per_second": round(images / seconds, 1) if images else 0.0,
                **record,
            },
        )
        if state_path is not None:
            shutil.rmtree(state_path.parent, ignore_errors=True)


def start(rule: str, module: str, config: dict[str, Any], data: Path, device: str, threads: int | None) -> Run:
    """Settle the machine side of a job and read its data's manifest. Raises PatchVAEError for either."""
    chosen = pick_device(device)
    splits = load_manifest(data)["splits"]
    return Run(
        rule=rule,
        config=config,
        device=chosen,
        precision=pick_precision(config["precision"], chosen),
        threads=set_threads(threads),
        data=data,
        data_sha256={split: entry["sha256"] for split, entry in splits.items()},
        counts={split: entry["count"] for split, entry in splits.items()},
        code=code_sha256(module),
    )
