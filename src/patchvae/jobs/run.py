"""What training and measuring jobs share: their machine, their data, their states, and the metrics that they write."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from patchvae.data.packed import SPLITS, check_arrays, image_digests, load_manifest
from patchvae.data.tensors import open_array
from patchvae.errors import PatchVAEError
from patchvae.evaluation.bits import BY_DIGEST, by_digest, packed_bits
from patchvae.files import write_json
from patchvae.hardware import Place, describe, peak_memory, pick_device, pick_precision, set_arithmetic
from patchvae.jobs import states
from patchvae.models.weights import backbone_weights
from patchvae.params.measuring import Measured, OnPhi
from patchvae.params.messages import checked
from patchvae.params.model_kinds import Pretrain, modules
from patchvae.plan.kinds import KINDS
from patchvae.records import checkpoint, metrics_files
from patchvae.records.digests import data_digests
from patchvae.records.provenance import code_sha256, commit, config_sha256, versions
from patchvae.records.results import FORMAT
from patchvae.training.labelled import Labelled
from patchvae.training.loop import Store, Watch

Content = dict[str, Any]  # of a checkpoint

log = logging.getLogger(__name__)


class Run:
    """One training or measuring job at work.

    kind: of its model, where the code depends on that; digests: `data_digests` of its data; counts: its images by
    split; stores: those of its trainings.
    """

    def __init__(
        self,
        rule: str,
        config: Measured,
        data: Path,
        metrics: Path,
        device: str = "auto",
        threads: int | None = None,
        scratch: Path = Path("scratch"),
        watch: Watch | None = None,
    ) -> None:
        """Choose device, precision and threads, and check the arrays of the data against their manifest.

        rule: that of the metrics; data: a packed data set; scratch: the folder of all states of trainings; watch:
        follows a training.
        Raises PatchVAEError for a device that is not there, and for data of other sizes than the job's or the
        manifest's.
        """
        self.rule, self.config, self.data, self.metrics = rule, config, data, metrics
        self.scratch, self.watch, self.stores = scratch, watch or Watch(), list[StateFile]()
        self.kind = config.model.name if isinstance(config, Pretrain) else None
        chosen = pick_device(device)
        set_arithmetic(chosen, config.deterministic)
        manifest = load_manifest(data)
        size, splits = manifest["image_size"], manifest["splits"]
        if size != config.image_size:
            raise PatchVAEError(f"{data}: images of side {size}, but image_size is {config.image_size}")
        for split in splits:
            check_arrays(data, split, manifest)
        if threads:
            torch.set_num_threads(threads)
        self.on, self.threads = Place(chosen, pick_precision(config.precision, chosen, rule)), torch.get_num_threads()
        self.digests = data_digests(splits)
        self.counts: dict[str, int] = {split: entry["count"] for split, entry in splits.items()}

    @property
    def label(self) -> str:
        """A short name for logs and progress bars."""
        given = self.config.given
        parts = [given.get(key) for key in ("variant", "regime", "head", "dataset")]
        return " ".join([*filter(None, parts), f"seed {self.config.seed}"])

    @property
    def machine(self) -> dict[str, Any]:
        """What is recorded of the machine: it decides bits, but is no part of a result's identity."""
        return {"device": describe(self.on.device), "threads": self.threads, "versions": versions()}

    @property
    def code(self) -> str:
        """The fingerprint of the code that it runs."""
        return code_sha256(KINDS[self.rule].module, *(modules(self.kind) if self.kind else ()))

    def open(self) -> Labelled:
        """Its data, see `open_array`."""

        def arrays(what: str) -> dict[str, Tensor]:
            return {split: open_array(self.data / f"{split}_{what}.npy", self.on.device) for split in SPLITS}

        return Labelled(arrays("images"), arrays("labels"))

    def phi(self, path: Path) -> tuple[Content, dict[str, Tensor]]:
        """The content of the checkpoint that phi comes from, of a job on phi alone, and phi's weights."""
        assert isinstance(self.config, OnPhi)
        content = checkpoint.load_phi(path, self.config, self.digests)
        return content, backbone_weights(content, self.config.pretrained.snapshot)

    def store(self, **inputs: str | float) -> "StateFile":
        """What keeps the state of a training.

        inputs: digests of what it reads beside its data, and settings that it has beside the configuration.
        """
        self.stores.append(StateFile(self, inputs))
        return self.stores[-1]

    def measured(self, content: Content | None) -> dict[str, Any]:
        """The metrics of the measured images, and of the model whose checkpoint's content is given, if there is one."""
        images = {"split": "test", "count": self.counts["test"]}
        if content is None:
            return images
        snapshot = self.config.pretrained.snapshot if isinstance(self.config, OnPhi) else None
        return images | {"pretraining": checkpoint.pretraining_record(content, snapshot)}

    def finish(self, record: Mapping[str, Any], seconds: float, images: int) -> None:
        """Write the metrics file. Raises PatchVAEError naming it and the first key that is not as it must be."""
        machines = list[Mapping[str, Any]]()
        for store in self.stores:
            machines += [machine for machine in store.machines if machine not in machines]
        machines = machines or [self.machine]
        config, identity = self.config.given, ("dataset", "variant", "regime", "head", "seed")
        content = {
            "schema": FORMAT,
            "rule": self.rule,
            **{key: config[key] for key in identity if key in config},
            "config": config,
            "config_sha256": config_sha256(config),
            "code_sha256": self.code,
            "commit": commit(),
            **self.digests,
            "versions": machines[-1]["versions"],
            "device": "; ".join(dict.fromkeys(machine["device"] for machine in machines)),
            "machines": machines,
            "precision": self.on.precision,
            "threads": machines[-1]["threads"],
            "peak_memory_mb": peak_memory(self.on.device),
            "seconds": round(seconds, 1),
            "images_per_second": round(images / seconds, 1) if images and seconds else 0.0,
            **record,
        }
        result = checked(metrics_files.KINDS[self.rule].result, content, f"{self.metrics}: ")
        write_json(self.metrics, result.given)


class StateFile(Store):
    """The state of a training in a file, see `states`, with the machines on which the training ran."""

    def __init__(self, run: Run, inputs: Mapping[str, str | float]) -> None:
        """inputs: as for `Run.store`.

        The key of a state holds the precision, which never changes within a training. It holds no machine, threads or
        versions: a job may go on elsewhere.
        """
        key = {
            "rule": run.rule,
            "config": run.config.given,
            "code": run.code,
            # Of the files: another order of the images makes other batches, so a state of one is none of the other.
            "data": [run.digests["data_sha256"], run.digests["labels_sha256"]],
            "precision": run.on.precision,
            **inputs,
        }
        self.label, self.machine, self.machines = run.label, run.machine, list[Mapping[str, Any]]()
        self.path = states.state_path(run.scratch, key, run.label, run.metrics.with_suffix(".record"))
        self.training = self.path.parent.name.partition("-")[0]

    def __str__(self) -> str:
        return str(self.path)

    def load(self) -> dict[str, Any] | None:
        """As `Store` says; raises PatchVAEError for the state of another training."""
        if not self.path.exists():
            return None
        try:
            content = checkpoint.load(self.path)
        except PatchVAEError as error:
            log.warning("%s: the training starts again from its first step, and its next state replaces it", error)
            return None
        if content["training"] != self.training:
            raise PatchVAEError(f"{self.label}: {self} is the state of another training: delete it and run again")
        self.machines = content["machines"]
        return content

    def save(self, state: dict[str, Any]) -> None:
        if self.machine not in self.machines:
            self.machines = [*self.machines, self.machine]
        checkpoint.save(self.path, {**state, "training": self.training, "machines": self.machines})

    def finish(self) -> None:
        self.path.with_name(states.FINISHED).touch()


def recorded_bits(right: Tensor, data: Path) -> dict[str, str]:
    """What metrics files say of which test images were right: (n,) bool in the order of a packed data set.

    They are stored in an order that the images define, so that pairs of images stay pairs where the data were packed
    in another one.
    """
    _, digests = image_digests(data, "test")
    return {"right": packed_bits(by_digest(right.cpu().numpy(), digests)), "right_order": BY_DIGEST}
