import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from raw_files import link

from patchvae.data.archives import file_names, read_files, read_members
from patchvae.data.source_records import locate, write_pointer
from patchvae.errors import PatchVAEError

Maker = Callable[..., Path]
NOISE = np.random.default_rng(0).bytes(20000)  # does not compress


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_reads_only_what_is_asked_for(make_tar: Maker, name: str) -> None:
    path = make_tar(name, ("d/one", NOISE), ("./d/two", b""), ("d/three", b"3"))
    assert read_members(path, ["d/two", "d/one"]) == {"d/one": NOISE, "d/two": b""}


@pytest.mark.parametrize("below", ["", "d"])
def test_extracted_folder_behind_a_pointer(tmp_path: Path, below: str) -> None:
    (tmp_path / "x" / "d").mkdir(parents=True)
    (tmp_path / "x" / "d" / "one").write_bytes(NOISE)
    write_pointer("a.tar", tmp_path / "x" / below, "unverified", tmp_path / "a.tar")
    folder = locate(tmp_path / "a.tar")
    assert read_members(folder, ["d/one"]) == {"d/one": NOISE}
    with pytest.raises(PatchVAEError, match="the folder .* has no file d/two"):
        read_members(folder, ["d/two"])


def test_tars_within_a_tar(make_tar: Maker) -> None:
    inner = make_tar("n1.tar", ("./one", b"1"), ("two", b"2")).read_bytes()
    path = make_tar("a.tar.gz", ("n1.tar", inner), ("three", b"3"), ("n2.tar", inner))
    wanted = ["n2/two", "three", "n1/one"]
    found = [(name, load()) for name, load in list(read_files(path, wanted, nested=True)) if load]
    assert found == [("n1/one", b"1"), ("three", b"3"), ("n2/two", b"2")]
    assert list(file_names(path)) == ["n1.tar", "three", "n2.tar"]


@pytest.mark.parametrize("cut", [300, 600, 1024, 1700, 2048])
def test_truncated_tar_within_a_whole_tar(make_tar: Maker, cut: int) -> None:
    inner = make_tar("n1.tar", ("one", b"1"), ("two", b"2")).read_bytes()
    path = make_tar("a.tar", ("n1.tar", inner[:cut]), ("n2.tar", inner))
    with pytest.raises(PatchVAEError, match="a.tar is truncated or damaged"):
        list(file_names(path, nested=True))


def test_escaping_entry_of_a_tar_within(make_tar: Maker) -> None:
    inner = make_tar("n1.tar", ("one", b"1"), ("../two", b"2")).read_bytes()
    with pytest.raises(PatchVAEError, match="a.tar is refused: its entry ../two escapes"):
        list(file_names(make_tar("a.tar", ("n1.tar", inner)), nested=True))


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_memory_does_not_grow_with_the_entries(make_tar: Maker, name: str) -> None:
    path = make_tar(name, *((f"d/{i}", b"content") for i in range(3000)))
    tracemalloc.start()
    count = sum(1 for _, load in read_files(path, {"d/1", "d/2999"}) if load)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 2 and peak < 2 << 20  # tarfile's own list alone takes more


def test_compression_is_recognised_by_content(make_tar: Maker) -> None:
    path = make_tar("a.tar", ("d/one", NOISE))
    assert read_members(path.rename(path.with_name("a.tar.gz")), ["d/one"]) == {"d/one": NOISE}


def test_links_that_stay_inside_are_harmless(make_tar: Maker) -> None:
    path = make_tar("a.tar", ("d/one", NOISE), ("", link("d/e/x", "../one")), ("", link("y", "d/one", tarfile.LNKTYPE)))
    assert read_members(path, ["d/one"]) == {"d/one": NOISE}


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("d/two", r"a\.tar has no file d/two"),
        ("d/link", r"a\.tar has the link d/link, which is not followed"),
        ("d", r"a\.tar has no file d"),
    ],
)
def test_missing_member_or_one_that_is_no_file(make_tar: Maker, missing: str, message: str) -> None:
    folder = tarfile.TarInfo("d")
    folder.type = tarfile.DIRTYPE
    path = make_tar("a.tar", ("", folder), ("d/one", NOISE), ("", link("d/link", "one")))
    with pytest.raises(PatchVAEError, match=message):
        read_members(path, ["d/one", missing])


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        (("/etc/passwd", b"x"), "/etc/passwd"),
        (("../up", b"x"), "../up"),
        (("d/../../up", b"x"), "d/../../up"),
        (("d/../up", b"x"), "d/../up"),
        (("", link("d/x", "/etc/passwd")), "d/x -> /etc/passwd"),
        (("", link("d/x", "../../up")), r"d/x -> \.\./up"),
        (("", link("d/x", "../up", tarfile.LNKTYPE)), "d/x"),
        (("", link("d/pipe", "", tarfile.FIFOTYPE)), "d/pipe"),
    ],
)
@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_escaping_entry_refuses_the_whole_archive(
    make_tar: Maker, name: str, entry: tuple[str, bytes | tarfile.TarInfo], named: str
) -> None:
    path = make_tar(name, ("d/one", NOISE), entry)
    with pytest.raises(PatchVAEError, match=f"{name} is refused: its entry {named}"):
        read_members(path, ["d/one"])


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
@pytest.mark.parametrize("keep", [0, 1, 300, 512, 5000, 20992, 21504, -1])
def test_truncated_archive(make_tar: Maker, name: str, keep: int) -> None:
    path = make_tar(name, ("d/one", NOISE), ("d/two", NOISE[::-1]))
    if name == "a.tar" and keep == -1:
        keep = 2 * (512 + 20480)  # both files are whole, the end mark is missing
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(PatchVAEError, match=f"{name} is truncated or damaged"):
        read_members(path, ["d/one"])


@pytest.mark.parametrize("place", [0, 3, 200, 10000, 25000, 39000, -6])
def test_altered_compressed_archive(make_tar: Maker, place: int) -> None:
    path = make_tar("a.tar.gz", ("d/one", NOISE), ("d/two", NOISE[::-1]))
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(PatchVAEError, match="a.tar.gz is truncated or damaged"):
        read_members(path, ["d/one"])


@pytest.mark.parametrize("place", [10, 512 + 20480 + 10])
def test_altered_header_of_a_plain_archive(make_tar: Maker, place: int) -> None:
    path = make_tar("a.tar", ("d/one", NOISE), ("d/two", NOISE[::-1]))
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(PatchVAEError, match="a.tar is truncated or damaged"):
        read_members(path, ["d/one"])
