"""What is wrong with a data set is told, and no image is lost on the way: bad input to `fetch_all` and `prepare`."""

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from raw_files import fetch_and_prepare as pack
from raw_files import link, tar_bytes, write_tree

from patchvae.errors import PatchVAEError

SIZE = 8
Files = dict[str, bytes]


def image(value: int, width: int = SIZE, height: int = SIZE, format: str = "PNG", mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (value, 0, 255 - value)).convert(mode).save(stream, format)
    return stream.getvalue()


GOOD: Files = {
    f"{split}/{name}/{number}.png": image(10 * number + where)
    for where, split in enumerate(("train", "test"))
    for number, name in enumerate(("cat", "dog"))
}


def zip_bytes(files: Files, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def pack_folders(tmp_path: Path, source: Files | bytes, **changes: Any) -> dict[str, Any]:
    """`folders` from a folder of these files, or from an archive of these bytes."""
    place = tmp_path / "source"
    if isinstance(source, bytes):
        place.write_bytes(source)
    else:
        write_tree(place, source)
    return pack(tmp_path, "folders", {"a": place}, **changes)


# Everything that may be an image is one, whatever it is called.

IMAGES: dict[str, tuple[str, bytes]] = {
    "JFIF": ("train/cat/x.jfif", image(99, format="JPEG")),
    "upper case": ("train/cat/x.JPEG", image(99, format="JPEG")),
    "unknown ending": ("train/cat/x.jpg_large", image(99, format="JPEG")),
    "no ending": ("train/cat/IMG 0001", image(99)),
    "another ending than its kind's": ("train/cat/x.gif", image(99)),
    "a name that a text could have": ("train/cat/readme.png", image(99)),
    "a name with a text's ending in it": ("train/cat/x.txt.png", image(99)),
    "deep below its class": ("train/cat/a/b/c/x.png", image(99)),
    "umlauts": ("train/cat/Kätzchen ❤.png", image(99)),
    "decomposed umlauts": ("train/cat/Ka\u0308tzchen.png", image(99)),
    "a name that differs in case": ("train/cat/0.PNG", image(99)),
    "a name with a line's end": ("train/cat/x\ny.png", image(99)),
    "CMYK": ("train/cat/x.jpg", image(99, format="JPEG", mode="CMYK")),
    "palette": ("train/cat/x.gif", image(99, format="GIF", mode="P")),
    "one bit": ("train/cat/x.tif", image(99, format="TIFF", mode="1")),
    "16 bits": ("train/cat/x.png", b"16"),
    "animated": ("train/cat/x.gif", b"animation"),
    "a very wide one": ("train/cat/x.png", image(99, 3000, SIZE)),
}


def made(content: bytes) -> bytes:
    stream = io.BytesIO()
    if content == b"16":
        Image.fromarray(np.full((SIZE, SIZE), 5000, dtype=np.uint16)).save(stream, "PNG")
    elif content == b"animation":
        frames = [Image.new("P", (SIZE, SIZE), value) for value in (1, 2, 3)]
        frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    return stream.getvalue() or content


@pytest.mark.parametrize("kind", ["folder", "tar", "zip"])
@pytest.mark.parametrize("what", IMAGES)
def test_image_is_taken(tmp_path: Path, what: str, kind: str) -> None:
    name, content = IMAGES[what]
    files = GOOD | {name: made(content)}
    manifest = pack_folders(tmp_path, {"folder": dict, "tar": tar_bytes, "zip": zip_bytes}[kind](files))
    assert manifest["splits"]["train"]["count"] == 3 and manifest["ignored"] == {}


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_compressed_tar(tmp_path: Path, mode: str) -> None:
    assert pack_folders(tmp_path, tar_bytes(GOOD, mode))["splits"]["train"]["count"] == 2


def test_zip_whose_names_are_utf8_without_saying_so(tmp_path: Path) -> None:
    files = {name.replace("cat", "Kätzchen"): content for name, content in GOOD.items()}
    content = zip_bytes(files)
    for mark in (b"PK\3\4", b"PK\1\2"):  # the flag that says so
        place = 6 if mark == b"PK\3\4" else 8
        parts = content.split(mark)
        content = mark.join([parts[0]] + [part[: place - 4] + b"\0\0" + part[place - 2 :] for part in parts[1:]])
    assert pack_folders(tmp_path, content)["classes"] == ["Kätzchen", "dog"]


# What surely is none is counted.

LITTER = {
    "train/cat/Thumbs.db": "Thumbs.db",
    "train/cat/.DS_Store": ".DS_Store",
    "test/desktop.ini": "desktop.ini",
    "train/cat/._0.png": "._*",
    "__MACOSX/train/cat/0.png": "__MACOSX/",
    "train/dog/@eaDir/1.png/thumb.jpg": "@eaDir/",
    "train/dog/.ipynb_checkpoints/1-checkpoint.png": ".ipynb_checkpoints/",
    ".git/objects/aa/bb": ".git/",
    "train/cat/notes.TXT": "*.txt",
    "labels.csv": "*.csv",
    "train/cat/0.xml": "*.xml",
    "LICENSE": "LICENSE",
    "train/eel/.gitkeep": ".gitkeep",
}


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_what_is_no_image_is_counted(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    files = GOOD | dict.fromkeys(LITTER, b"no image") | {"more.csv": b""}
    manifest = pack_folders(tmp_path, files if kind == "folder" else tar_bytes(files))
    assert manifest["ignored"] == dict.fromkeys(LITTER.values(), 1) | {"*.csv": 2}
    assert manifest["splits"]["train"]["count"] == 2
    assert "set: left out are 2 *.csv, 1 *.txt, 1 *.xml, 1 .DS_Store, 1 ._*, 1 .git/" in caplog.text


def test_images_of_val_beside_test_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    manifest = pack_folders(tmp_path, GOOD | {"val/cat/7.png": image(70), "val/dog/8.png": image(80)})
    assert manifest["ignored"] == {"images of no split": 2} and manifest["splits"]["test"]["count"] == 2
    assert "has test/ and val/: the 2 images of val/ are left out" in caplog.text


# Anything else stops, in one sentence that names it.

REFUSED: dict[str, tuple[dict[str, bytes], str]] = {
    "HEIC": ({"train/cat/x.HEIC": b""}, r"train/cat/x\.HEIC is a HEIC file: convert it to JPEG or PNG"),
    "AVIF": ({"train/cat/x.avif": b""}, r"x\.avif is a AVIF file: convert it"),
    "raw": ({"train/cat/x.CR2": b""}, r"x\.CR2 is a CR2 file: convert it"),
    "HEIC called JPEG": (
        {"train/cat/x.jpg": b"\0\0\0\x18ftypheic" + bytes(99)},
        r"x\.jpg in .* cannot be decoded \(it is a HEIC or AVIF image, to be converted",
    ),
    "no image": ({"train/cat/model.bin": b"weights"}, r"train/cat/model\.bin in .*\(it is none of JPEG, PNG"),
    "text without an ending": ({"train/cat/notes": b"of a walk"}, r"train/cat/notes in .*cannot be decoded"),
    "empty": ({"train/cat/x.jpg": b""}, r"x\.jpg in .* cannot be decoded \(it is empty\)"),
    "truncated JPEG": ({"train/cat/x.jpg": image(9, 64, 64, "JPEG")[:-40]}, r"x\.jpg in .* cannot be decoded"),
    "truncated PNG": ({"train/cat/x.png": image(9, 64, 64)[:-40]}, r"x\.png in .* cannot be decoded"),
    "truncated GIF": ({"train/cat/x.gif": image(9, 64, 64, "GIF")[:-40]}, r"x\.gif in .* cannot be decoded"),
    "truncated BMP": ({"train/cat/x.bmp": image(9, 64, 64, "BMP")[:-40]}, r"x\.bmp in .* cannot be decoded"),
    "truncated WebP": ({"train/cat/x.webp": image(9, 64, 64, "WEBP")[:-10]}, r"x\.webp in .* cannot be decoded"),
    "truncated TIFF": ({"train/cat/x.tif": image(9, 64, 64, "TIFF")[:-40]}, r"x\.tif in .* cannot be decoded"),
    "one pixel": ({"train/cat/x.png": image(9, 1, 1)}, r"x\.png in .* has 1 x 1 pixels, less than image_size 8"),
    "SVG": ({"train/cat/x.svg": b"<svg/>"}, r"x\.svg is a SVG file: convert it"),
    "hidden image": ({"train/cat/.x.png": image(9)}, r"train/cat/\.x\.png is hidden: remove it"),
    "hidden folder": ({"train/.old/x.png": image(9)}, r"train/\.old/x\.png is hidden"),
    "rsync's half": ({"train/cat/.0.png.aB3xYz": image(9)}, "is hidden"),
    "archive in a class": ({"train/cat/more.tar": tar_bytes(GOOD)}, r"more\.tar is an archive within it"),
    "zip in a class": ({"train/cat/more.ZIP": zip_bytes(GOOD)}, r"more\.ZIP is an archive within it"),
    "compressed image": ({"train/cat/x.png.gz": b"\x1f\x8b"}, r"x\.png\.gz is an archive within it"),
    "archive beside the splits": ({"extra.tgz": b""}, r"extra\.tgz is an archive within it"),
    "valid/": ({"valid/cat/x.png": image(9)}, r"valid/cat/x\.png lies in none of train/, test/ and val/"),
    "training/": ({"training/cat/x.png": image(9)}, r"training/cat/x\.png lies in none of"),
    "beside, without an ending": ({"extra/cat/IMG_1": image(9)}, r"extra/cat/IMG_1 lies in none of"),
    "Test/": ({"Test/cat/x.png": image(9)}, r"Test/cat/x\.png lies in none of"),
    "at the top": ({"x.png": image(9)}, r"x\.png lies in none of"),
    "in no class": ({"train/x.png": image(9)}, r"train/x\.png is not in the folder of a class"),
    "a third class in training": ({"train/eel/x.png": image(9)}, "num_classes of set is 2, its files say 3"),
    "a class in another case": ({"train/Cat/x.png": image(9)}, "num_classes of set is 2, its files say 3"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_file_that_is_neither_is_refused(tmp_path: Path, what: str) -> None:
    files, message = REFUSED[what]
    with pytest.raises(PatchVAEError, match=message):
        pack_folders(tmp_path, GOOD | files)
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_names_that_refuse_do_so_whatever_may_be_undecodable(tmp_path: Path) -> None:
    for what in ("HEIC", "archive in a class", "hidden image", "valid/"):
        folder = tmp_path / what.replace("/", "")
        with pytest.raises(PatchVAEError, match=REFUSED[what][1]):
            pack_folders(folder, GOOD | REFUSED[what][0], max_undecodable=5)


def test_permitted_undecodable_images_are_told_the_same_way_each_time(tmp_path: Path) -> None:
    bad = {f"train/cat/{name}": REFUSED[what][0][f"train/cat/{name}"] for what, name in (
        ("no image", "model.bin"), ("truncated PNG", "x.png"), ("truncated JPEG", "x.jpg"), ("truncated TIFF", "x.tif")
    )}  # fmt: skip
    texts = []
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        pack_folders(tmp_path / run, tar_bytes(GOOD | bad), max_undecodable=4)
        texts.append((tmp_path / run / "out" / "manifest.json").read_text())
    assert texts[0] == texts[1] and " 0x" not in texts[0] and texts[0].count('"why"') == 4


# Archives

MORE = {"train/cat/5.png": image(50)}
ARCHIVES: dict[str, tuple[bytes, str]] = {
    "symbolic link": (tar_bytes(GOOD, "w", link("train/cat/5.png", "0.png")), "has the link train/cat/5.png"),
    "hard link": (
        tar_bytes(GOOD, "w", link("train/cat/5.png", "train/cat/0.png", tarfile.LNKTYPE)),
        "has the link train/cat/5.png, which is not followed: repack it",
    ),
    "link to nothing": (tar_bytes(GOOD, "w", link("train/cat/5.png", "6.png")), "has the link train/cat/5.png"),
    "link to itself": (tar_bytes(GOOD, "w", link("train/cat/5.png", "5.png")), "has the link train/cat/5.png"),
    "link to a class": (tar_bytes(GOOD, "w", link("train/eel", "cat")), "train/eel is not in the folder of a class"),
    "link outside": (tar_bytes(GOOD, "w", link("train/cat/5.png", "/etc/passwd")), "is refused: its entry"),
    "pipe": (tar_bytes(GOOD, "w", link("train/cat/5.png", "", tarfile.FIFOTYPE)), "is a device or a pipe"),
    "absolute path": (tar_bytes(GOOD | {"/train/cat/5.png": b""}), "its entry /train/cat/5.png escapes"),
    "upwards": (tar_bytes(GOOD | {"train/../../5.png": b""}), "escapes its folder"),
    "two tars": (tar_bytes(GOOD) + tar_bytes(MORE), "is two tars, one behind the other"),
    "two compressed tars": (tar_bytes(GOOD, "w:gz") + tar_bytes(MORE, "w:gz"), "is two tars, one behind the other"),
    "two bzip2 tars": (tar_bytes(GOOD, "w:bz2") + tar_bytes(MORE, "w:bz2"), "is two tars, one behind the other"),
    "cut bzip2": (tar_bytes(GOOD, "w:bz2")[:-20], "is truncated or damaged"),
    "cut xz": (tar_bytes(GOOD, "w:xz")[:-20], "is truncated or damaged"),
    "altered xz": (tar_bytes(GOOD, "w:xz")[:150] + b"x" + tar_bytes(GOOD, "w:xz")[151:], "is truncated or damaged"),
    "two zips": (zip_bytes(GOOD) + zip_bytes(MORE), "has something before its first file"),
    "cut zip": (zip_bytes(GOOD)[:-30], "is truncated or damaged"),
    "altered zip": (zip_bytes(GOOD, 0).replace(b"IDAT", b"IDAX"), "is truncated or damaged: Bad CRC-32"),
    "zip upwards": (zip_bytes(GOOD | {"../5.png": b""}), r"its entry \.\./5\.png escapes its folder"),
    "zip absolute": (zip_bytes(GOOD | {"/5.png": b""}), "its entry /5.png escapes its folder"),
    "zip from Windows": (
        zip_bytes(GOOD).replace(b"train/cat/", b"train\\cat\\").replace(b"train/dog/", b"train\\dog\\"),
        "no image in a folder train/",
    ),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(99), "is of kind 7z, which is not read: repack it as tar"),
    "RAR": (b"Rar!\x1a\x07" + bytes(99), "is of kind RAR"),
    "zstandard": (b"\x28\xb5\x2f\xfd" + bytes(99), "is of kind zstandard"),
    "web page": (b"\n<!DOCTYPE html><html>404</html>", "is a web page and no archive"),
    "an image": (image(5), "is truncated or damaged"),
    "empty file": (b"", "is truncated or damaged|no image in a folder"),
    "zeros": (bytes(10240), "no image in a folder train/|truncated"),
    "empty zip": (zip_bytes({}), "no image in a folder train/"),
    "tar in a tar": (tar_bytes({"set.tar": tar_bytes(GOOD)}), r"set\.tar is an archive within it"),
}


@pytest.mark.parametrize("what", ARCHIVES)
def test_archive_that_would_lose_something_is_refused(tmp_path: Path, what: str) -> None:
    content, message = ARCHIVES[what]
    with pytest.raises(PatchVAEError, match=message):
        pack_folders(tmp_path, content, max_undecodable=9)
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def zip_with(name: str, mode: int = 0, flag: int = 0) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for good, content in GOOD.items():
            archive.writestr(good, content)
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, image(50))
        info.flag_bits |= flag
    return stream.getvalue()


@pytest.mark.parametrize(
    ("mode", "flag", "message"),
    [
        (0o120777, 0, r"has the link train/cat/5\.png, which is not followed"),
        (0o010666, 0, r"its entry train/cat/5\.png is a device or a pipe"),
        (0, 1, "is encrypted: repack it without a password"),
    ],
)
def test_zip_with_a_link_a_pipe_or_a_password(tmp_path: Path, mode: int, flag: int, message: str) -> None:
    with pytest.raises(PatchVAEError, match=message):
        pack_folders(tmp_path, zip_with("train/cat/5.png", mode, flag))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_archive_that_holds_a_name_twice(tmp_path: Path, kind: str) -> None:
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as archive:
            for name in (*GOOD, "train/cat/0.png"):
                archive.writestr(name, GOOD[name])
    else:
        with tarfile.open(fileobj=stream, mode="w") as tar:
            for name in (*GOOD, "./train/cat/0.png"):
                info = tarfile.TarInfo(name)
                info.size = len(GOOD[name.removeprefix("./")])
                tar.addfile(info, io.BytesIO(GOOD[name.removeprefix("./")]))
    with pytest.raises(PatchVAEError, match=r"holds train/cat/0\.png twice"):
        pack_folders(tmp_path, stream.getvalue())


def test_links_that_are_no_images_do_no_harm(tmp_path: Path) -> None:
    links = link("train/cat/readme.txt", "../x"), link("__MACOSX/train/cat/0.png", "x")
    assert pack_folders(tmp_path, tar_bytes(GOOD, "w", *links))["ignored"] == {"*.txt": 1, "__MACOSX/": 1}


# Folders


def test_link_to_an_image_of_a_folder_is_followed(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "source", GOOD)
    write_tree(tmp_path, {"elsewhere.png": image(99)})
    (folder / "train/cat/9.png").symlink_to(tmp_path / "elsewhere.png")
    assert pack(tmp_path, "folders", {"a": folder})["splits"]["train"]["count"] == 3


@pytest.mark.parametrize("what", ["loop", "dangling", "folder", "pipe"])
def test_folder_with_what_is_no_file(tmp_path: Path, what: str) -> None:
    folder = write_tree(tmp_path / "source", GOOD)
    path = folder / "train/cat/9.png"
    if what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"loop": path, "dangling": "nowhere", "folder": folder / "train/dog"}[what])
    with pytest.raises(PatchVAEError, match=r"train/cat/9\.png"):
        pack(tmp_path, "folders", {"a": folder})


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_may_not_be_read(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may read everything."""
    folder = write_tree(tmp_path / "source", GOOD)

    def refuse(path: Any, *_: Any) -> Any:
        if Path(path).name == ("0.png" if kind == "file" else "cat"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    real: Callable[..., Any] = Path.read_bytes if kind == "file" else os.scandir
    monkeypatch.setattr(*((Path, "read_bytes") if kind == "file" else (os, "scandir")), refuse)
    with pytest.raises(PatchVAEError, match=r"cannot read .*cat.*: Permission denied"):
        pack(tmp_path, "folders", {"a": folder})


def test_pipe_in_place_of_a_source(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PatchVAEError, match="pipe is neither a file nor a folder"):
        pack(tmp_path, "folders", {"a": tmp_path / "pipe"})


# An empty folder of a class stops the packing.


def tree_of(tmp_path: Path, top: str, test: str) -> Path:
    """A folder of photographs of two classes below a folder `top`, the second split named `test`."""
    write_tree(tmp_path / "source" / top, {name.replace("test", test): content for name, content in GOOD.items()})
    return tmp_path / "source"


@pytest.mark.parametrize("top", ["", "photos"])
@pytest.mark.parametrize(("split", "test"), [("train", "test"), ("test", "test"), ("val", "val")])
@pytest.mark.parametrize("below", ["", "deeper"])
def test_an_empty_folder_of_a_class_is_refused(tmp_path: Path, top: str, split: str, test: str, below: str) -> None:
    place = tree_of(tmp_path, top, test)
    empty = place / top / split / "eel"
    (empty / below).mkdir(parents=True)
    with pytest.raises(PatchVAEError) as caught:
        pack(tmp_path, "folders", {"a": place})
    assert f"{empty} is the folder of a class without an image: fill it, or remove it" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_other_empty_folders_are_none_of_a_class(tmp_path: Path) -> None:
    place = tree_of(tmp_path, "", "test")
    for name in ("empty", "val/eel", "train/cat/empty", "train/.ipynb_checkpoints", "test/@eaDir", "train/.hidden"):
        (place / name).mkdir(parents=True)
    (place / "val/eel/4.png").write_bytes(image(4))  # beside test/, so left out
    (place / "val/ant").mkdir()
    assert pack(tmp_path, "folders", {"a": place})["classes"] == ["cat", "dog"]


def test_an_archive_is_known_by_its_files(tmp_path: Path) -> None:
    place = tree_of(tmp_path, "", "test")
    (place / "train/eel").mkdir()
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(place, ".")
    assert pack(tmp_path, "folders", {"a": tmp_path / "a.tar"})["classes"] == ["cat", "dog"]


# Formats with lists


def lists(tmp_path: Path, photos: Files, train: str, test: str) -> dict[str, Path]:
    write_tree(tmp_path / "photos", photos)
    write_tree(tmp_path, {"train": train.encode(), "test": test.encode()})
    return {"images": tmp_path / "photos", "train.txt": tmp_path / "train", "test.txt": tmp_path / "test"}


PHOTOS = {f"p/{number}.png": image(10 * number) for number in range(4)}
TRAIN, TEST = "p/0.png cat\np/1.png dog\n", "p/2.png cat\np/3.png dog\n"


def test_images_on_no_list_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    more = {"p/9.png": image(99), "p/.9.png": b"", "p/9.heic": b"", "p/9.txt": b""}
    manifest = pack(tmp_path, "lists", lists(tmp_path, PHOTOS | more, TRAIN, TEST))
    assert manifest["ignored"] == {"images of no split": 3, "*.txt": 1}
    assert "set: left out are 1 *.txt, 3 images of no split" in caplog.text


def test_listed_image_that_lies_in_two_folders(tmp_path: Path) -> None:
    photos = PHOTOS | {"q/0.png": image(99)}
    places = lists(tmp_path, photos, TRAIN.replace("p/0", "0"), TEST)
    with pytest.raises(PatchVAEError, match=r"lists 0\.png, which .*photos holds as p/0\.png and q/0\.png"):
        pack(tmp_path, "lists", places)


def indoor(tmp_path: Path, photos: Files) -> dict[str, Path]:
    places = lists(tmp_path, photos, "cat/0.jpg\ndog/1.jpg", "cat/2.jpg\ndog/3.jpg")
    return dict(zip(("indoorCVPR_09.tar", "TrainImages.txt", "TestImages.txt"), places.values(), strict=True))


INDOOR = {f"Images/{'dog' if number % 2 else 'cat'}/{number}.jpg": image(10 * number) for number in range(4)}


def test_indoor67_takes_every_image(tmp_path: Path) -> None:
    more = {"Images/cat/x.JFIF": image(98), "Images/cat/y": image(99), "Annotations/cat/x.xml": b""}
    manifest = pack(tmp_path, "indoor67", indoor(tmp_path, INDOOR | more))
    assert manifest["splits"]["train"]["count"] == 4 and manifest["ignored"] == {"*.xml": 1}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.jpg", r"x\.jpg is not in the folder of a class"),
        ("More/cat/0.jpg", r"Images/cat/0\.jpg and More/cat/0\.jpg have one name on the lists"),
        ("Images/cat/x.heic", r"x\.heic is a HEIC file"),
        ("Images/cat/x.bin", r"x\.bin in .* cannot be decoded"),
        ("Images/cat/deep/x.jpg", "num_classes of set is 2, its files say 3"),
    ],
)
def test_indoor67_that_would_lose_an_image(tmp_path: Path, name: str, message: str) -> None:
    files = INDOOR | {name: b"nothing" if name.endswith("bin") else image(99)}
    with pytest.raises(PatchVAEError, match=message):
        pack(tmp_path, "indoor67", indoor(tmp_path, files))


SYNSETS = {"n01": {"n01_1.JPEG": image(1)}, "n02": {"n02_1.JPEG": image(2)}}
VAL = {f"v{number}.JPEG": image(10 * number) for number in (1, 2)}
LABELS = "v1.JPEG n01\nv2.JPEG n02\n"


def imagenet(tmp_path: Path, train: bytes | None = None, val: Files = VAL, labels: str = LABELS) -> dict[str, Path]:
    inner = {f"{synset}.tar": tar_bytes(files) for synset, files in SYNSETS.items()}
    contents = {"train": train or tar_bytes(inner), "val": tar_bytes(val), "labels": labels.encode()}
    write_tree(tmp_path, contents)
    names = ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_val_labels.txt")
    return {name: tmp_path / part for name, part in zip(names, contents, strict=True)}


INNER = {f"{synset}.tar": tar_bytes(files) for synset, files in SYNSETS.items()}


def test_imagenet_counts_what_is_no_image(tmp_path: Path) -> None:
    train = tar_bytes(INNER | {"n02.tar": tar_bytes(SYNSETS["n02"] | {"._n02_1.JPEG": b"", "readme.txt": b""})})
    manifest = pack(tmp_path, "imagenet", imagenet(tmp_path, train, VAL | {".DS_Store": b""}))
    assert manifest["ignored"] == {"._*": 1, "*.txt": 1, ".DS_Store": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val": {"v1.JPEG": image(10)}}, r"v2\.JPEG has a label, and .*val lacks it \(1 in all\)"),
        ({"val": VAL | {"v3.JPEG": image(30)}}, r"no label for v3\.JPEG of .*val, which lacks 1 in all"),
        ({"labels": LABELS + "v1.JPEG n02\n"}, r"labels v1\.JPEG twice, n01 and n02"),
        ({"train": tar_bytes(INNER, "w", link("n03.tar", "n02.tar"))}, r"n03\.tar is an archive within it"),
        ({"train": tar_bytes(INNER | {"n03.tar": b""})}, "truncated or damaged"),
        ({"train": tar_bytes(INNER | {"n03.tar.gz": b""})}, r"n03\.tar\.gz is an archive within it"),
        ({"train": tar_bytes(INNER | {"x.JPEG": image(5)})}, "holds images outside the tars or folders"),
        (
            {"train": tar_bytes(INNER | {"n02.tar": tar_bytes(SYNSETS["n02"]) + tar_bytes({"x.JPEG": b""})})},
            "is two tars, one behind the other",
        ),
    ],
)
def test_imagenet_that_would_lose_an_image(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PatchVAEError, match=message):
        pack(tmp_path, "imagenet", imagenet(tmp_path, **changes))
