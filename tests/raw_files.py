"""Prepare a data set from raw files that a test wrote, as if a download had brought and recorded them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patchvae.data.prepare import prepare
from patchvae.data.records import Entry, size_of, write_record


def record(raw: Path, checksums: Mapping[str, str], path: Path) -> Path:
    """Record files of `raw` at `path`; returns it. One that is not there has no bytes."""
    sizes = {name: size_of(raw / name) if (raw / name).exists() else 0 for name in checksums}
    sources = {name: Entry(checksum=checksum, size=sizes[name]) for name, checksum in checksums.items()}
    write_record(path, "set", sources)
    return path


def prepare_raw(config: Mapping[str, Any], raw: Path, out: Path, threads: int | None = None) -> None:
    """`prepare` with a record of the sources in `config` (name -> checksum) as they lie in `raw`."""
    rest = {key: value for key, value in config.items() if key != "sources"}
    prepare(rest, record(raw, config["sources"], out.with_suffix(".json")), raw, out, threads)
