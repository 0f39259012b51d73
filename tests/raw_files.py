"""Prepare a data set from raw files that a test wrote, as if a download had brought and recorded them."""

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from patchvae.data.checksums import checksum
from patchvae.data.packed import load_manifest
from patchvae.data.prepare import prepare
from patchvae.data.source_records import locate, size_of
from patchvae.data.sources import fetch_all
from patchvae.files import write_json


def record(raw: Path, names: Iterable[str], path: Path) -> Path:
    """Record files of `raw` at `path`; returns it. One that is not there has no bytes."""
    sources = {name: {"checksum": "sha256:0", "size": 0} for name in names}
    for name in sources:
        if (raw / name).exists():
            sources[name] = {"checksum": checksum(locate(raw / name)), "size": size_of(raw / name)}
    write_json(path, {"dataset": "set", "sources": sources})
    return path


def prepare_raw(config: Mapping[str, Any], raw: Path, out: Path, threads: int = 1) -> None:
    """`prepare` with a record of the sources in `config` (their names) as they lie in `raw`."""
    rest = {key: value for key, value in config.items() if key != "sources"}
    prepare(rest, record(raw, config["sources"], out.with_suffix(".json")), raw, out, threads)


def fetch_and_prepare(tmp_path: Path, format: str, places: Mapping[str, Path], **changes: Any) -> dict[str, Any]:
    """Fetch the sources of a data set `set` and pack them to tmp_path / "out"; returns the manifest."""
    sources = {name: {"location": str(place), "checksum": "unverified"} for name, place in places.items()}
    fetch_all({"dataset": "set", "sources": sources}, tmp_path / "raw", tmp_path / "set.json")
    config = {"dataset": "set", "format": format, "image_size": 8, "num_classes": 2} | changes
    prepare(config, tmp_path / "set.json", tmp_path / "raw", tmp_path / "out", 2)
    return load_manifest(tmp_path / "out")


def write_tree(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def tar_bytes(files: Mapping[str, bytes], mode: str = "w", *links: tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for entry in links:
            tar.addfile(entry)
    return stream.getvalue()
