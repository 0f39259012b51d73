"""Fetching all sources of a data set, the record of them, and what `prepare` makes of it."""

import hashlib
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from patchvae.data import sources
from patchvae.data.checksums import checksum
from patchvae.data.prepare import prepare
from patchvae.data.source_records import check_sources, fetch_again, read_source_record
from patchvae.data.sources import fetch_all
from patchvae.errors import PatchVAEError
from patchvae.files import write_json

BODY = bytes(range(256)) * 1000
OTHER = BODY[::-1]
MD5 = f"md5:{hashlib.md5(BODY).hexdigest()}"
SHA = f"sha256:{hashlib.sha256(BODY).hexdigest()}"


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PAUSE", 0.0)


class Machine:
    """A folder with raw files and the record of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.raw, self.record = folder, folder / "raw" / "set", folder / "sources" / "set.json"

    def fetch(self, **locations: tuple[object, str]) -> dict[str, Any]:
        """Fetch sources, name=(location, checksum); returns what the record says of them."""
        named = {name: {"location": str(place), "checksum": text} for name, (place, text) in locations.items()}
        fetch_all({"dataset": "set", "sources": named}, self.raw, self.record)
        return dict(read_source_record(self.record))

    def local(self, name: str, content: bytes = BODY) -> Path:
        path = self.folder / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def photos(self) -> Path:
        self.local("photos/b/two", b"22")
        return self.local("photos/one", b"1").parent


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "here")


def test_record_is_the_same_on_every_machine(server: Any, machine: Machine, tmp_path: Path) -> None:
    """In another folder, of files with other dates, named in another order, by a path or a URL."""
    server.body = BODY
    other = Machine(tmp_path / "there" / "far away")
    ours = {"a": (machine.local("a"), SHA), "b": (server.url, "unverified"), "c": (server.url, MD5)}
    machine.fetch(**ours, d=(machine.photos(), "unverified"))
    photos = other.photos()
    os.utime(photos / "one", ns=(0, 0))
    theirs = {"c": (other.local("c"), MD5), "b": (other.local("b").as_uri(), "unverified")}
    other.fetch(d=(f"{photos}/", "unverified"), **theirs, a=(server.url, SHA))
    assert machine.record.read_bytes() == other.record.read_bytes()
    assert json.loads(machine.record.read_text()) == {
        "dataset": "set",
        "sources": {
            "a": {"checksum": SHA, "size": len(BODY)},
            "b": {"checksum": SHA, "size": len(BODY)},
            "c": {"checksum": MD5, "size": len(BODY)},
            "d": {"checksum": checksum(photos), "size": 3},
        },
    }


def test_verified_folder(machine: Machine) -> None:
    expected = checksum(machine.photos(), "md5")
    assert machine.fetch(d=(machine.photos(), expected)) == {"d": {"checksum": expected, "size": 3}}


@pytest.mark.parametrize("expected", [MD5, SHA, "unverified"])
@pytest.mark.parametrize("recorded", [True, False])
def test_nothing_is_fetched_twice(server: Any, machine: Machine, expected: str, recorded: bool) -> None:
    server.body = BODY
    first = machine.fetch(a=(server.url, expected))
    if not recorded:
        machine.record.unlink()
    assert machine.fetch(a=(server.url, expected)) == first
    assert len(server.asked) == 1
    assert machine.fetch(a=(server.url, expected), b=(server.url, expected)).keys() == {"a", "b"}
    assert len(server.asked) == 2


def test_unverified_file_is_recorded_by_its_sha256_whatever_it_was_before(server: Any, machine: Machine) -> None:
    server.body = BODY
    machine.fetch(a=(server.url, MD5))
    assert machine.fetch(a=(server.url, "unverified"))["a"]["checksum"] == SHA
    assert len(server.asked) == 1


@pytest.mark.parametrize("why", ["wrong checksum", "another one recorded", "a listing recorded", "pointer", "absent"])
def test_another_file_in_its_place_is_fetched_again(server: Any, machine: Machine, why: str) -> None:
    server.body, expected = BODY, SHA if why == "wrong checksum" else "unverified"
    if why == "pointer":
        machine.fetch(a=(machine.local("a"), "unverified"))
    else:
        if why == "a listing recorded":
            machine.fetch(a=(machine.photos(), "unverified"))
            (machine.raw / "a").unlink()
        else:
            machine.fetch(a=(server.url, "unverified"))
        (machine.raw / "a").write_bytes(OTHER)
        if why == "absent":
            (machine.raw / "a").unlink()
    server.asked.clear()
    assert machine.fetch(a=(server.url, expected)) == {"a": {"checksum": SHA, "size": len(BODY)}}
    assert len(server.asked) == 1 and (machine.raw / "a").read_bytes() == BODY


def test_unverified_file_without_a_record_is_taken_as_it_is(server: Any, machine: Machine) -> None:
    machine.raw.mkdir(parents=True)
    (machine.raw / "a").write_bytes(OTHER)
    found = machine.fetch(a=(server.url, "unverified"))
    assert found["a"]["checksum"] == checksum(machine.raw / "a") and server.asked == []


@pytest.mark.parametrize("record", ["", "{", "[]", '{"sources": {"a": 1}}', '{"sources": {}}'])
def test_broken_record_is_written_anew(server: Any, machine: Machine, record: str) -> None:
    server.body = BODY
    machine.record.parent.mkdir(parents=True)
    machine.record.write_text(record)
    with pytest.raises(PatchVAEError, match=f"{machine.record}"):
        read_source_record(machine.record)
    assert machine.fetch(a=(server.url, SHA)) == {"a": {"checksum": SHA, "size": len(BODY)}}


def test_pointer_is_always_written_anew(machine: Machine) -> None:
    machine.fetch(a=(machine.local("a"), "unverified"))
    machine.local("a", b"changed")
    found = machine.fetch(a=(machine.local("a", b"changed"), "unverified"))
    assert found["a"] == {"checksum": f"sha256:{hashlib.sha256(b'changed').hexdigest()}", "size": 7}
    assert check_sources(machine.record, machine.raw)[0] == {"a": found["a"]["checksum"]}


@pytest.mark.parametrize(
    ("location", "expected", "message"),
    [
        ("URL", "sha256:" + "0" * 64, "^source b of set: b from .* has the checksum"),
        ("/nowhere/b", SHA, "^source b of set: cannot read /nowhere/b"),
        ("s3://bucket/b", SHA, "^source b of set: the location of b must be"),
        ("EMPTY", SHA, "^source b of set: the folder .* holds no file"),
    ],
)
def test_failure_names_the_source_and_leaves_no_record_but_what_is_complete(
    server: Any, machine: Machine, tmp_path: Path, location: str, expected: str, message: str
) -> None:
    server.body = BODY
    (tmp_path / "empty").mkdir()
    place = {"URL": server.url, "EMPTY": tmp_path / "empty"}.get(location, location)
    with pytest.raises(PatchVAEError, match=message):
        machine.fetch(a=(server.url, SHA), b=(place, expected), c=(server.url, SHA))
    assert not machine.record.exists() and [path.name for path in machine.raw.iterdir()] == ["a"]
    server.asked.clear()
    assert machine.fetch(a=(server.url, SHA), b=(server.url, SHA), c=(server.url, SHA)).keys() == {"a", "b", "c"}
    assert len(server.asked) == 2


def test_failure_leaves_an_earlier_record_as_it_was(server: Any, machine: Machine) -> None:
    server.body = BODY
    machine.fetch(a=(server.url, SHA))
    before = machine.record.read_bytes()
    with pytest.raises(PatchVAEError, match="source b of set"):
        machine.fetch(a=(server.url, SHA), b=("/nowhere", SHA))
    assert machine.record.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("absent", r"raw/set/a is not on this machine, RECORD only names it"),
        ("altered", r"raw/set/a has 3 bytes instead of the 256000 in RECORD: delete it and fetch it again with"),
        ("target gone", r"own/p, to which .*raw/set/p points, cannot be read: No such file or directory"),
        ("target altered", r"own/p has changed since .*raw/set/p was written"),
        ("target of another size", r"raw/set/p has 3 bytes instead of the 256000 in RECORD: fetch it again with"),
        ("another target", rf"raw/set/p has the checksum sha256:.* instead of {SHA} in RECORD"),
        ("no record", r"cannot read RECORD"),
        ("no such record", r"RECORD is not the record of a download"),
    ],
)
def test_raw_files_that_are_not_those_of_the_record(
    server: Any, machine: Machine, tmp_path: Path, change: str, message: str
) -> None:
    server.body = BODY
    machine.fetch(a=(server.url, SHA), p=(machine.local("p"), "unverified"))
    record = machine.record.read_bytes()
    if change == "absent":
        (machine.raw / "a").unlink()
    elif change == "altered":
        (machine.raw / "a").write_bytes(b"abc")
    elif change == "target gone":
        machine.local("p").unlink()
    elif change == "target altered":
        machine.local("p", b"abc")
    elif "target" in change:
        machine.fetch(p=(machine.local("p", b"abc" if change == "target of another size" else OTHER), "unverified"))
        machine.record.write_bytes(record)
    elif change == "no record":
        machine.record.unlink()
    else:
        machine.record.write_text('{"sources": {"a": {"checksum": "md5:0"}}}')
    config = {"dataset": "set", "format": "lists", "image_size": 32, "num_classes": 2}
    with pytest.raises(PatchVAEError, match=message.replace("RECORD", str(machine.record))) as caught:
        prepare(config, machine.record, machine.raw, tmp_path / "out")
    if change != "no record":
        assert str(caught.value).endswith(fetch_again(machine.record))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("right", [True, False])
def test_checksum_of_another_kind_than_the_pointers_is_computed(machine: Machine, right: bool) -> None:
    machine.fetch(a=(machine.local("a"), "unverified"))
    recorded = MD5 if right else "md5:" + "0" * 32
    machine.record.write_text(json.dumps({"sources": {"a": {"checksum": recorded, "size": len(BODY)}}}))
    if right:
        assert check_sources(machine.record, machine.raw)[0] == {"a": MD5}
    else:
        with pytest.raises(PatchVAEError, match=f"has the checksum {MD5} instead of {recorded}"):
            check_sources(machine.record, machine.raw)


@pytest.mark.parametrize("expected", [MD5, "unverified"])
def test_download_replaced_at_equal_size_is_noticed(server: Any, machine: Machine, expected: str) -> None:
    server.body = BODY
    recorded = machine.fetch(a=(server.url, expected))["a"]["checksum"]
    status = (machine.raw / "a").stat()
    (machine.raw / "a").write_bytes(OTHER)
    os.utime(machine.raw / "a", ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(
        PatchVAEError, match=f"raw/set/a has the checksum .* instead of {recorded} in .*: delete it and"
    ):
        check_sources(machine.record, machine.raw)
    follow(machine, server.url, expected)
    assert (machine.raw / "a").read_bytes() == BODY


def follow(machine: Machine, url: str, expected: str) -> None:
    """Do what the messages say, `snakemake --force` being a download; then `prepare` finds what is recorded."""
    machine.fetch(a=(url, expected))
    check_sources(machine.record, machine.raw)


@pytest.mark.parametrize("dated", [True, False])
def test_folder_whose_image_was_replaced_at_equal_size(machine: Machine, dated: bool) -> None:
    """Its date gives it away; and the remedy makes another record, so that the jobs behind it run again."""
    before = machine.fetch(a=(machine.photos(), "unverified"))
    place = machine.local("photos/one", b"9" if dated else b"1")
    os.utime(place, ns=(1, 1))
    with pytest.raises(
        PatchVAEError, match="photos has changed since .* was written .names, sizes or dates of its files"
    ):
        check_sources(machine.record, machine.raw)
    follow(machine, str(place.parent), "unverified")
    assert (dict(read_source_record(machine.record)) != before) == dated


def test_page_that_was_recorded_is_replaced_by_the_remedy(server: Any, machine: Machine, tmp_path: Path) -> None:
    """As older versions recorded it: nothing is deleted by hand."""
    server.body = tar = bytes(tarfile.TarInfo("x").tobuf()) + bytes(1024)
    machine.raw.mkdir(parents=True)
    (machine.raw / "a.tar").write_bytes(b"<!DOCTYPE html>")
    write_json(machine.record, {"sources": {"a.tar": {"checksum": checksum(machine.raw / "a.tar"), "size": 15}}})
    config = {"dataset": "set", "format": "folders", "image_size": 32, "num_classes": 2}
    with pytest.raises(
        PatchVAEError, match="a.tar is a web page and no archive: if it is a download, delete it and fetch"
    ) as e:
        prepare(config, machine.record, machine.raw, tmp_path / "out")
    assert str(e.value).endswith(fetch_again(machine.record))
    machine.fetch(**{"a.tar": (server.url, "unverified")})
    assert (machine.raw / "a.tar").read_bytes() == tar
    check_sources(machine.record, machine.raw)


def test_damaged_download_is_replaced_by_the_remedy(server: Any, machine: Machine, tmp_path: Path) -> None:
    """What the server sent is what is recorded, so the remedy says to delete it."""
    server.body = tarfile.TarInfo("x").tobuf()[:300] + bytes(300)
    machine.fetch(a=(server.url, "unverified"))
    config = {"dataset": "set", "format": "folders", "image_size": 32, "num_classes": 2}
    with pytest.raises(
        PatchVAEError, match="raw/set/a is truncated or damaged: .*: if it is a download, delete it and"
    ):
        prepare(config, machine.record, machine.raw, tmp_path / "out")
    server.body = BODY
    (machine.raw / "a").unlink()
    follow(machine, server.url, "unverified")
    assert (machine.raw / "a").read_bytes() == BODY


def test_record_of_an_older_version_that_only_listed_a_folder(machine: Machine) -> None:
    machine.fetch(a=(machine.photos(), "unverified"))
    machine.record.write_text(json.dumps({"sources": {"a": {"checksum": "listing:00", "size": 3}}}))
    with pytest.raises(PatchVAEError, match="is not the record of a download: fetch it again"):
        check_sources(machine.record, machine.raw)
    follow(machine, str(machine.photos()), "unverified")
