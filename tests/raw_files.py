"""Prepare a data set from raw files that a test wrote, as if a download had brought and recorded them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from patchvae.data.checksums import checksum
from patchvae.data.pointers import locate
from patchvae.data.prepare import prepare
from patchvae.data.source_records import Entry, size_of, write_source_record


def record(raw: Path, names: Iterable[str], path: Path) -> Path:
    """Record files of `raw` at `path`; returns it. One that is not there has no bytes."""
    sources = {name: Entry(checksum="sha256:0", size=0) for name in names}
    for name in sources:
        if (raw / name).exists():
            sources[name] = Entry(checksum=checksum(locate(raw / name)), size=size_of(raw / name))
    write_source_record(path, "set", sources)
    return path


def prepare_raw(config: Mapping[str, Any], raw: Path, out: Path, threads: int | None = None) -> None:
    """`prepare` with a record of the sources in `config` (their names) as they lie in `raw`."""
    rest = {key: value for key, value in config.items() if key != "sources"}
    prepare(rest, record(raw, config["sources"], out.with_suffix(".json")), raw, out, threads)
