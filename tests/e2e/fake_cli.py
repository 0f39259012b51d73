"""Stands in for the command line in clones that are about the engines: no arithmetic, but the same files.

A job reads every input that its rule names and writes every output, with bytes that follow from its configuration and
its inputs, and the records that the workflow reads. With STOP_AT=LOG, the job with this log file stops before its last
output and waits to be killed.
"""

import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from patchvae.files import canonical, file_digest, read_json, write_json, write_text
from patchvae.provenance import PACKAGE, config_sha256
from patchvae.records import DIGESTS, RECORD, data_digests

sys.path.append(str(PACKAGE.parents[1] / "workflow"))

from layout import COMMANDS, KINDS, METRICS, OF_A_KIND, fingerprint

INPUTS = {"sources", "images", "data", "masks", "labels", "pretrained", "rates", "reference", "measured", "inception"}
OUTPUTS = {"out", "png", "pdf"}
# Outputs of the jobs that make them, inputs of those that read them
MAKERS = {
    "checkpoint": {"pretrain"},
    "metrics": {COMMANDS[rule].replace("_", "-") for rule in METRICS},
}
OTHERS = {"log", "config", "threads", "scratch", "live", "raw-dir", "out-dir", "wanted", "packed"}
SPLITS = ("train", "test")
WEIGHTS = 2**15  # checksums in a checkpoint: 2 MB, so that a disk can be full


def options(words: list[str]) -> dict[str, list[str]]:
    """Option, or a report's parameter -> its values; an unknown one ends the job."""
    found: dict[str, list[str]] = {}
    known, rest = INPUTS | OUTPUTS | {*MAKERS} | OTHERS, iter(words)
    for word in rest:
        if word in ("--file", "--files"):
            key = next(rest)
            known.add(key)
            values = found.setdefault(key, [])
        elif word.startswith("--"):
            values = found.setdefault(word[2:], [])
        elif found:
            values.append(word)
    unknown = set(found) - known
    if unknown:
        sys.exit(f"the stand-in does not know --{', --'.join(sorted(unknown))}")
    return found


def digest_of(paths: list[Path], *texts: str) -> str:
    """SHA-256 over files, those of folders included, and texts."""
    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    named = [f"{file} {file_digest(file)}" for file in files if not file.name.endswith(".partial")]
    return hashlib.sha256("\n".join([*named, *texts]).encode()).hexdigest()


class Job:
    """One call of the command line."""

    def __init__(self, words: list[str]) -> None:
        self.command, self.given = words[0], options(words)
        self.name = words[1] if self.command in ("figure-parts", "report") else self.command.replace("-", "_")
        self.config: dict[str, Any] = json.loads(self.given["config"][0]) if "config" in self.given else {}
        self.log = self.given["log"][0]
        self.outputs = OUTPUTS | {option for option, makers in MAKERS.items() if self.command in makers}
        if self.command == "report":
            self.outputs = set(KINDS[self.name].outputs)
        self.digest = ""

    def paths(self, option: str) -> list[Path]:
        return [Path(value) for value in self.given.get(option, [])]

    def run(self) -> None:
        """Read, then write; the last output last."""
        write_text(self.log, f"{time.time_ns()} {self.command}\n")
        read = [path for option in self.given if option not in self.outputs | OTHERS for path in self.paths(option)]
        self.digest = digest_of(read, self.name, canonical(self.config))
        *first, last = self.contents().items()
        for path, content in first:
            self.write(path, content)
        if os.environ.get("STOP_AT") == self.log:
            time.sleep(600)
        self.write(*last)

    def write(self, path: Path, content: Any) -> None:
        if content is None:  # a file without a record
            content = hashlib.sha256(f"{self.digest} {path}".encode()).hexdigest()
        if path.suffix in (".json", ".pt"):
            write_json(path, content)
        else:
            write_text(path, f"{content}\n")

    def contents(self) -> dict[Path, Any]:
        """Output -> what to write there."""
        if self.command == "prepare":
            return self.packed(Path(self.given["out-dir"][0]))
        found: dict[Path, Any] = {
            path: None for option in self.given if option in self.outputs for path in self.paths(option)
        }
        if self.command == "masks":
            (masks,) = found
            found = {masks: self.digest, masks.with_name(RECORD): self.mask_record()}
        if self.command == "download":
            (record,) = found
            found = {record: {"dataset": self.config["dataset"], "sources": self.sources()}}
        for path in found:
            if path.suffix == ".pt":
                found[path] = self.record() | self.data_sha256() | {"weights": self.digest * WEIGHTS}
            elif path.suffix == ".json" and self.command in MAKERS["metrics"]:
                found[path] = self.metrics()
        return found

    # ---- the records, as the workflow reads them

    def record(self) -> dict[str, str | dict[str, Any]]:
        """What every record says of the job."""
        kind = None
        if self.name in OF_A_KIND:
            block = self.config if self.command == "pretrain" else self.checkpoint()["config"]
            kind = block["model"]["name"]
        return {
            "config": self.config,
            "config_sha256": config_sha256(self.config),
            "code_sha256": fingerprint(self.name, kind),
            "digest": self.digest,
        }

    def checkpoint(self) -> dict[str, Any]:
        """The pretrained model among the inputs."""
        content: dict[str, Any] = read_json((self.paths("pretrained") or self.paths("checkpoint"))[0])
        return content

    def data_sha256(self) -> dict[str, dict[str, str]]:
        """Digests of the data among the inputs, by split."""
        splits = read_json(Path(self.given["data"][0]) / "manifest.json")["splits"]
        return data_digests(splits)

    def packed(self, folder: Path) -> dict[Path, Any]:
        """Arrays of both splits, and the manifest that says so."""
        kinds = ["images", "labels", *(["occurrence"] if self.config["format"] == "digit-scenes" else [])]
        arrays = {(split, kind): f"{self.digest} {split} {kind}" for split in SPLITS for kind in kinds}
        splits = {
            split: {
                "count": self.config.get(f"{split}_images", 1),
                "sha256": hashlib.sha256(f"{arrays[split, 'images']}\n".encode()).hexdigest(),
                "labels_sha256": hashlib.sha256(f"{arrays[split, 'labels']}\n".encode()).hexdigest(),
                "set_sha256": hashlib.sha256(f"{arrays[split, 'images']} in any order\n".encode()).hexdigest(),
                "order_sha256": hashlib.sha256(f"{arrays[split, 'images']} in this order\n".encode()).hexdigest(),
            }
            for split in SPLITS
        }
        manifest = {"dataset": self.config["dataset"], "splits": splits}
        files: dict[Path, Any] = {folder / f"{split}_{kind}.npy": text for (split, kind), text in arrays.items()}
        return files | {folder / RECORD: self.record(), folder / "manifest.json": manifest}

    def sources(self) -> dict[str, dict[str, Any]]:
        """The sources as downloaded, with the wanted checksums."""
        wanted = self.config["sources"]
        return {name: {"checksum": source["checksum"].lower(), "size": 1} for name, source in wanted.items()}

    def mask_record(self) -> dict[str, Any]:
        sha256 = hashlib.sha256(f"{self.digest}\n".encode()).hexdigest()
        return self.record() | {"images_sha256": file_digest(self.given["images"][0]), "sha256": sha256}

    def metrics(self) -> dict[str, Any]:
        config = self.config
        identity = {key: config[key] for key in ("dataset", "variant", "regime", "head", "seed") if key in config}
        found = self.record() | {
            "schema": 1,
            "rule": next(rule for rule in METRICS if COMMANDS[rule] == self.name),
            **identity,
            **self.data_sha256(),
        }
        if config.get("lr") == "chosen":
            found["lr"] = 0.01
        if self.command != "pretrain":
            made = self.checkpoint()
            found["pretraining"] = {key: made[key] for key in ("config_sha256", "code_sha256", *DIGESTS)}
            found["pretraining"]["dataset"] = made["config"]["dataset"]
        elif self.paths("masks"):
            found["masks_sha256"] = read_json(self.paths("masks")[0].with_name(RECORD))["sha256"]
        return found


if __name__ == "__main__":
    Job(sys.argv[1:]).run()
