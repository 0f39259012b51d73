"""The layouts of the photo data sets, through `prepare`; an image is recognised by its own flat colour."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_files import fetch_and_prepare, tar_bytes, write_tree
from scipy.io import savemat

from patchvae.data.packed import load_manifest, load_split
from patchvae.data.prepare import prepare
from patchvae.errors import PatchVAEError

Tar = Callable[..., Path]
SIZE = 32


def flat(value: int, side: int = SIZE) -> bytes:
    """A PNG of one grey value, whatever its name will say."""
    stream = io.BytesIO()
    Image.new("L", (side, side), value).save(stream, "PNG")
    return stream.getvalue()


def values(out: Path, split: str) -> list[int]:
    """What `flat` was given, per row."""
    images = load_split(out, split).images
    assert (images == images[:, :1, :1, :1]).all()
    return images[:, 0, 0, 0].tolist()


def run(tmp_path: Path, format: str, classes: int, locations: Mapping[str, Path]) -> Path:
    """Fetch the sources and prepare them; returns the folder of the packed data set."""
    fetch_and_prepare(tmp_path, format, locations, image_size=SIZE, num_classes=classes)
    return tmp_path / "out"


# Indoor67

INDOOR = {
    "Images/bar/a.jpg": flat(10),
    "Images/bar/b.jpg": flat(11),
    "Images/bar/c.jpg": flat(12),
    "Images/attic/x.jpg": flat(20),
    "Images/attic/y.jpg": flat(21),
    "Images/attic/z.jpg": flat(22),
    "Images/attic/._z.jpg": b"not an image",
    "Annotations/attic/z.xml": b"<xml/>",
}
TRAIN, TEST = b"bar/a.jpg\r\nattic/z.jpg\r\n", b"attic/x.jpg\nbar/c.jpg"


def indoor(tmp_path: Path, make_tar: Tar, train: bytes = TRAIN, test: bytes = TEST) -> dict[str, Path]:
    write_tree(tmp_path / "lists", {"train": train, "test": test})
    archive = make_tar("indoorCVPR_09.tar", *INDOOR.items())
    lists = {"TrainImages.txt": tmp_path / "lists" / "train", "TestImages.txt": tmp_path / "lists" / "test"}
    return {"indoorCVPR_09.tar": archive, **lists}


def test_indoor67(tmp_path: Path, make_tar: Tar) -> None:
    out = run(tmp_path, "indoor67", 2, indoor(tmp_path, make_tar))
    assert load_manifest(out)["classes"] == ["attic", "bar"]
    assert values(out, "train") == [21, 22, 10, 11]
    assert load_split(out, "train").labels.tolist() == [-1, 0, 1, -1]
    assert values(out, "test") == [20, 12] and load_split(out, "test").labels.tolist() == [0, 1]
    assert load_manifest(out)["splits"]["train"]["labelled"] == 2
    assert load_manifest(out)["source"]["indoorCVPR_09.tar"].startswith("sha256:")


@pytest.mark.parametrize("below", ["", "Images"])
def test_indoor67_extracted(tmp_path: Path, make_tar: Tar, below: str) -> None:
    sources = indoor(tmp_path, make_tar)
    out = run(tmp_path, "indoor67", 2, sources | {"indoorCVPR_09.tar": write_tree(tmp_path / "x", INDOOR) / below})
    assert values(out, "train") == [21, 22, 10, 11] and values(out, "test") == [20, 12]


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (TRAIN + b"bar/nowhere.jpg", TEST, r"train lists bar/nowhere\.jpg, which .*indoorCVPR_09.tar does not hold"),
        (TRAIN, TEST + b"\nattic/nowhere.jpg", r"test lists attic/nowhere\.jpg, which"),
        (TRAIN, TEST + b"\nbar/a.jpg", r"bar/a\.jpg is on both lists"),
        (b"bar/a.jpg", TEST, r"set \(train\): the class attic has no image"),
        (TRAIN, b"bar/c.jpg", r"set \(test\): the class attic has no image"),
    ],
)
def test_indoor67_bad_lists(tmp_path: Path, make_tar: Tar, train: bytes, test: bytes, message: str) -> None:
    with pytest.raises(PatchVAEError, match=message):
        run(tmp_path, "indoor67", 2, indoor(tmp_path, make_tar, train, test))
    assert not (tmp_path / "out").exists()


def test_same_photograph_in_published_splits_is_only_told(
    tmp_path: Path, make_tar: Tar, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(INDOOR, "Images/bar/a.jpg", flat(20))
    out = run(tmp_path, "indoor67", 2, indoor(tmp_path, make_tar))
    assert values(out, "train") == [21, 22, 20, 11]
    assert "Images/bar/a.jpg in train and Images/attic/x.jpg in test are the same image" in caplog.text


# Places205

FOLDER = "data/vision/torralba/deeplearning/images256/"
PLACES = {"b/bar/2.jpg": flat(2), "a/attic/in/1.jpg": flat(1), "a/attic/in/3.jpg": flat(3), "b/bar/4.jpg": flat(4)}
ROWS = {"train": b"b/bar/4.jpg 7\na/attic/in/1.jpg 9\n", "val": b"a/attic/in/3.jpg 9\nb/bar/2.jpg 7\n"}


def places(make_tar: Tar, **rows: bytes) -> dict[str, Path]:
    lists = {f"trainvalsplit_places205/{part}_places205.csv": text for part, text in (ROWS | rows).items()}
    images = {FOLDER + name: content for name, content in PLACES.items()}
    return {
        "imagesPlaces205_resize.tar.gz": make_tar("images.tar.gz", *images.items()),
        "trainvalsplit_places205.tar.gz": make_tar("lists.tar.gz", *lists.items()),
    }


def test_places205(tmp_path: Path, make_tar: Tar) -> None:
    out = run(tmp_path, "places205", 2, places(make_tar))
    assert load_manifest(out)["classes"] == ["attic/in", "bar"]
    assert values(out, "train") == [4, 1] and load_split(out, "train").labels.tolist() == [1, 0]
    assert values(out, "test") == [3, 2] and load_split(out, "test").labels.tolist() == [0, 1]


@pytest.mark.parametrize("below", ["", "data", FOLDER])
def test_places205_extracted(tmp_path: Path, make_tar: Tar, below: str) -> None:
    folder = write_tree(tmp_path / "x", {FOLDER + name: content for name, content in PLACES.items()})
    sources = places(make_tar) | {"imagesPlaces205_resize.tar.gz": folder / below}
    out = run(tmp_path, "places205", 2, sources)
    assert values(out, "train") == [4, 1] and values(out, "test") == [3, 2]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"val": b"a/attic/in/nowhere.jpg 9\nb/bar/2.jpg 7\n"}, r"images\.tar\.gz has no image .*nowhere\.jpg"),
        ({"val": b"a/attic/in/3.jpg 7\n"}, r"val_places205\.csv in .*the number 7 of a/attic/in/3\.jpg contradicts"),
        ({"val": b"3.jpg 7\n"}, r"has the path 3\.jpg instead of LETTER/CLASS/FILE"),
        ({"train": b"b/bar/4.jpg\n"}, r"train_places205\.csv in .* has the line 'b/bar/4\.jpg'"),
        ({"val": b"b/bar/2.jpg 7\n"}, r"\(test\): the class attic/in has no image"),
        ({"val": b"b/bar/4.jpg 7\na/attic/in/3.jpg 9"}, r"4\.jpg is in both splits"),
    ],
)
def test_places205_bad_lists(tmp_path: Path, make_tar: Tar, rows: dict[str, bytes], message: str) -> None:
    with pytest.raises(PatchVAEError, match=message):
        run(tmp_path, "places205", 2, places(make_tar, **rows))
    assert not list((tmp_path / "out").iterdir()) if (tmp_path / "out").exists() else True


# ImageNet

SYNSETS = {
    "n02": {"n02_1.JPEG": flat(21), "n02_0.JPEG": flat(20, 8)},  # one is smaller than the crop
    "n01": {"n01_5.JPEG": flat(15)},
}
VAL = {f"ILSVRC2012_val_{i:08d}.JPEG": flat(100 + i) for i in (2, 1, 3)}
VAL_SYNSETS = {1: "n02", 2: "n01", 3: "n02"}


def imagenet(tmp_path: Path, make_tar: Tar) -> dict[str, Path]:
    inner = [(f"{synset}.tar", tar_bytes(files)) for synset, files in SYNSETS.items()]
    return {
        "ILSVRC2012_img_train.tar": make_tar("train.tar", *inner),
        "ILSVRC2012_img_val.tar": make_tar("val.tar", *VAL.items()),
    }


def labels_file(tmp_path: Path) -> dict[str, Path]:
    text = "".join(f"ILSVRC2012_val_{i:08d}.JPEG {synset}\n" for i, synset in VAL_SYNSETS.items())
    return {"ILSVRC2012_val_labels.txt": write_tree(tmp_path / "labels", {"l.txt": text.encode()}) / "l.txt"}


def devkit(make_tar: Tar, truth: bytes = b"17\n4\n17\n") -> dict[str, Path]:
    kinds = [("ILSVRC2012_ID", int), ("WNID", object), ("words", object), ("num_children", int)]
    synsets = np.array([(4, "n01", "cat", 0), (17, "n02", "dog", 0), (18, "n03", "animal", 2)], dtype=kinds)
    stream = io.BytesIO()
    savemat(stream, {"synsets": synsets[:, None]})
    folder = "ILSVRC2012_devkit_t12/data/"
    members = {"meta.mat": stream.getvalue(), "ILSVRC2012_validation_ground_truth.txt": truth}
    archive = make_tar("devkit.tar.gz", *((folder + name, content) for name, content in members.items()))
    return {"ILSVRC2012_devkit_t12.tar.gz": archive}


def check_imagenet(out: Path) -> None:
    assert load_manifest(out)["classes"] == ["n01", "n02"]
    assert values(out, "train") == [15, 20, 21] and load_split(out, "train").labels.tolist() == [0, 1, 1]
    assert values(out, "test") == [101, 102, 103] and load_split(out, "test").labels.tolist() == [1, 0, 1]


def test_imagenet_with_a_list_of_labels(tmp_path: Path, make_tar: Tar) -> None:
    check_imagenet(run(tmp_path, "imagenet", 2, imagenet(tmp_path, make_tar) | labels_file(tmp_path)))


def test_imagenet_with_the_devkit(tmp_path: Path, make_tar: Tar) -> None:
    check_imagenet(run(tmp_path, "imagenet", 2, imagenet(tmp_path, make_tar) | devkit(make_tar)))


def test_imagenet_from_folders_of_classes_needs_no_labels(tmp_path: Path) -> None:
    train = {f"train/{synset}/{name}": content for synset, files in SYNSETS.items() for name, content in files.items()}
    val = {f"val/{VAL_SYNSETS[int(name[-13:-5])]}/{name}": content for name, content in VAL.items()}
    folder = write_tree(tmp_path / "imagenet", train | val)
    sources = {"ILSVRC2012_img_train.tar": folder / "train", "ILSVRC2012_img_val.tar": folder / "val"}
    out = run(tmp_path, "imagenet", 2, sources)
    assert values(out, "train") == [15, 20, 21] and load_split(out, "train").labels.tolist() == [0, 1, 1]
    assert values(out, "test") == [102, 101, 103] and load_split(out, "test").labels.tolist() == [0, 1, 1]


def test_imagenet_from_a_folder_of_tars(tmp_path: Path, make_tar: Tar) -> None:
    folder = write_tree(tmp_path / "x", {f"{synset}.tar": tar_bytes(files) for synset, files in SYNSETS.items()})
    sources = imagenet(tmp_path, make_tar) | labels_file(tmp_path) | {"ILSVRC2012_img_train.tar": folder}
    check_imagenet(run(tmp_path, "imagenet", 2, sources))


def test_imagenet_without_labels_says_what_to_put_where(tmp_path: Path, make_tar: Tar) -> None:
    with pytest.raises(PatchVAEError) as caught:
        run(tmp_path, "imagenet", 2, imagenet(tmp_path, make_tar))
    names = ("ILSVRC2012_devkit_t12.tar.gz", "ILSVRC2012_val_labels.txt", "ILSVRC2012_img_val.tar")
    assert all(f"datasets.set.sources.{name}.location" in str(caught.value) for name in names)


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        (b"17\n4\n", r"no label for ILSVRC2012_val_00000003\.JPEG of .*val\.tar"),
        (b"17\n18\n17\n", r"has the class '18', which meta\.mat does not know"),
    ],
)
def test_imagenet_bad_devkit(tmp_path: Path, make_tar: Tar, truth: bytes, message: str) -> None:
    with pytest.raises(PatchVAEError, match=message):
        run(tmp_path, "imagenet", 2, imagenet(tmp_path, make_tar) | devkit(make_tar, truth))


def test_imagenet_truncated_inner_archive(tmp_path: Path, make_tar: Tar) -> None:
    inner = tar_bytes(SYNSETS["n02"])
    train = make_tar("cut.tar", ("n01.tar", tar_bytes(SYNSETS["n01"])), ("n02.tar", inner[:1000]))
    sources = imagenet(tmp_path, make_tar) | labels_file(tmp_path) | {"ILSVRC2012_img_train.tar": train}
    with pytest.raises(PatchVAEError, match=r"cut\.tar is truncated or damaged"):
        run(tmp_path, "imagenet", 2, sources)


# The user's own

OWN = {
    "train/dog/1.jpg": flat(1),
    "train/cat/old/2.png": flat(2),
    "val/dog/3.jpg": flat(3),
    "val/cat/4.jpg": flat(4),
    "readme.txt": b"",
}


@pytest.mark.parametrize("top", ["", "animals/", "train/"])
@pytest.mark.parametrize("test", ["val/", "test/"])
@pytest.mark.parametrize("kind", ["a.tar", "a.tar.gz", "folder"])
def test_folders(tmp_path: Path, make_tar: Tar, top: str, test: str, kind: str) -> None:
    files = {top + name.replace("val/", test): content for name, content in OWN.items()}
    place = write_tree(tmp_path / "x", files) if kind == "folder" else make_tar(kind, *files.items())
    out = run(tmp_path, "folders", 2, {"animals": place})
    assert load_manifest(out)["classes"] == ["cat", "dog"]
    assert values(out, "train") == [2, 1] and load_split(out, "train").labels.tolist() == [0, 1]
    assert values(out, "test") == [4, 3] and load_split(out, "test").labels.tolist() == [0, 1]


def test_folders_prefer_test_to_val(tmp_path: Path) -> None:
    more = {"test/dog/5.jpg": flat(5), "test/cat/6.jpg": flat(6)}
    out = run(tmp_path, "folders", 2, {"animals": write_tree(tmp_path / "x", OWN | more)})
    assert values(out, "test") == [6, 5]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train/3.jpg": flat(9)}, r"train/3\.jpg is not in the folder of a class"),
        ({"val/dog/3.jpg": None, "val/cat/4.jpg": None}, r"has no image in a folder test/ or val/"),
        (
            {"train/dog/1.jpg": None, "train/cat/old/2.png": None, "x/1.jpg": flat(1)},
            r"has no image in a folder train/",
        ),
        ({"train/dog/1.jpg": None, "val/dog/3.jpg": None}, r"set has one class, cat, and a classifier needs two"),
        ({"val/dog/3.jpg": None}, r"set \(test\): the class dog has no image"),
        ({"val/dog/3.jpg": flat(1)}, r"train/dog/1\.jpg in train and val/dog/3\.jpg in test are the same image"),
    ],
)
def test_folders_bad_input(tmp_path: Path, changes: dict[str, bytes | None], message: str) -> None:
    files = {name: content for name, content in (OWN | changes).items() if content is not None}
    with pytest.raises(PatchVAEError, match=message):
        run(tmp_path, "folders", 2, {"animals": write_tree(tmp_path / "x", files)})


@pytest.mark.parametrize("top", ["", "animals/"])
def test_lists_with_blanks_in_paths(tmp_path: Path, make_tar: Tar, top: str) -> None:
    photos = {"my dog.jpg": flat(1), "my cat.jpg": flat(2), "a/dog.jpg": flat(3), "a/cat.jpg": flat(4)}
    lists = {"train": b"my dog.jpg dog\nmy cat.jpg\tcat\n", "test": b"a/cat.jpg cat\n\na/dog.jpg dog\n"}
    write_tree(tmp_path / "lists", lists)
    sources: dict[str, Path] = {f"{split}.txt": tmp_path / "lists" / split for split in lists}
    archive = make_tar("a.tar", *((top + name, content) for name, content in photos.items()))
    out = run(tmp_path, "lists", 2, sources | {"images": archive})
    assert load_manifest(out)["classes"] == ["cat", "dog"]
    assert values(out, "train") == [1, 2] and load_split(out, "train").labels.tolist() == [1, 0]
    assert values(out, "test") == [4, 3]


# Keys


def test_source_that_changed_after_its_download(tmp_path: Path, make_tar: Tar) -> None:
    sources = places(make_tar)
    run(tmp_path, "places205", 2, sources)
    archive = sources["imagesPlaces205_resize.tar.gz"]
    archive.write_bytes(archive.read_bytes() + b"\0")
    config = {"dataset": "set", "format": "places205", "image_size": SIZE, "num_classes": 2}
    record = tmp_path / "set.json"
    with pytest.raises(PatchVAEError, match=rf"{archive} has changed since.*`snakemake --force {record}`"):
        prepare(config, record, tmp_path / "raw", tmp_path / "out")


def test_wrong_number_of_classes(tmp_path: Path, make_tar: Tar) -> None:
    with pytest.raises(PatchVAEError, match="num_classes of set is 205, its files say 2"):
        run(tmp_path, "places205", 205, places(make_tar))
