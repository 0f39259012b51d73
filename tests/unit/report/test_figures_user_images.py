"""`patchvae parts`: image files of anyone beside their occurrence maps."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from patchvae import cli
from patchvae.data.photos import decode
from patchvae.errors import PatchVAEError
from patchvae.features import load
from patchvae.models.factory import build_model, network_of
from patchvae.records import checkpoint
from patchvae.records.digests import DIGESTS
from patchvae.report.figures.user_images import draw, draw_maps, file_heading

MODEL = {
    "name": "patchvae",
    "backbone": "resnet9",
    "init": "kaiming",
    "num_parts": 10,
    "part_dim": 2,
    "occurrence_prior": "1/N",
    "occurrence_kl": "sum",
    "hard_occurrence": False,
    "detach_occurrence": True,
    "beta_app": 1.0,
    "beta_occ": 1.0,
    "temperature": {"start": 1.0, "rate": 0.0, "floor": 0.1, "schedule": "exponential", "interval": 1},
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(tmp_path, MODEL)


def saved(folder: Path, block: dict[str, Any]) -> Path:
    torch.manual_seed(0)
    config = {"variant": block["name"], "image_size": 32, "input_scaling": "symmetric", "model": block}
    content = {"model": build_model(network_of(block), 32).state_dict(), "config": config, "snapshots": {}, "steps": 1}
    checkpoint.save(folder / "model.pt", content | {"code_sha256": "", **{key: {} for key in DIGESTS}})
    return folder / "model.pt"


def picture(path: Path, width: int, height: int) -> Path:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    path.write_bytes(stream.getvalue())
    return path


@pytest.mark.parametrize(("out", "begin"), [("new/parts.png", b"\x89PNG"), ("new/parts.PDF", b"%PDF")])
def test_every_image_beside_all_its_maps(
    model: Path, shown: list[Any], tmp_path: Path, out: str, begin: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [picture(tmp_path / "wide.png", 90, 40), picture(tmp_path / "tiny.jpg", 20, 16)]
    words = ["parts", str(model), *map(str, paths), "--out", str(tmp_path / out)]
    assert cli.main(words) == 0, capsys.readouterr().err
    first = (tmp_path / out).read_bytes()
    assert first.startswith(begin)
    # The picture may be named first.
    assert cli.main([words[0], words[1], *words[-2:], *words[2:-2]]) == 0
    assert (tmp_path / out).read_bytes() == first
    pictures, texts = shown[0]
    parts = [f"part {number}" for number in range(10)]
    assert texts == ["wide.png", *parts, "tiny.jpg", *parts]
    assert len(pictures) == 2 * 11
    phi = load(model)
    for number, path in enumerate(paths):
        pixels = decode(path.read_bytes(), 32, enlarge=True)
        image, *maps = pictures[11 * number : 11 * number + 11]
        assert np.array_equal(image, pixels)
        wanted = phi.occurrence(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None])[0]
        assert np.allclose(np.stack(maps), wanted.numpy(), atol=1e-6)


def test_what_cannot_be_drawn_is_one_sentence(model: Path, tmp_path: Path) -> None:
    image, out = picture(tmp_path / "a.png", 40, 40), tmp_path / "out.png"
    (tmp_path / "text.jpg").write_text("no image")

    def refused(said: str, path: Path = model, images: tuple[Path, ...] = (image,), out: Path = out) -> None:
        before = image.read_bytes()
        with pytest.raises(PatchVAEError, match=said) as caught:
            draw(path, images, out)
        assert "\n" not in str(caught.value)
        assert image.read_bytes() == before and not (tmp_path / "out.png").exists()

    refused("gone.pt does not exist", tmp_path / "gone.pt")
    refused("a.png cannot be read: it is truncated or no checkpoint", image)
    refused(r"cannot read .*gone\.png: No such file", images=(image, tmp_path / "gone.png"))
    refused(r"cannot read .*: Is a directory", images=(tmp_path,))
    refused(r"the image .*text\.jpg cannot be decoded: it is none of JPEG", images=(image, tmp_path / "text.jpg"))
    refused(r"out\.jpg is neither \.png nor \.pdf", out=tmp_path / "out.jpg")
    refused(r"a\.png is one of the images", out=tmp_path / "new" / ".." / "a.png")
    refused(r"cannot write .*a\.png/out\.png", out=image / "out.png")
    other = {"name": "beta-vae", "backbone": "resnet9", "init": "kaiming", "latent_dim": 8, "beta": 1.0}
    (tmp_path / "other").mkdir()
    refused("beta-vae has no occurrence maps", saved(tmp_path / "other", other))


def test_a_page_has_an_end(tmp_path: Path) -> None:
    images, maps = np.zeros((500, 8, 8, 3), np.uint8), np.zeros((500, 16, 1, 1), np.float32)
    with pytest.raises(PatchVAEError, match="500 images do not fit into one picture, at most 160 do"):
        draw_maps(["a"] * 500, images, maps, tmp_path / "out.png")


@pytest.mark.filterwarnings("error")
def test_names_of_any_kind(shown: list[Any], tmp_path: Path) -> None:
    names = ["$a$_b.png", "日本.png", "a\nb.png", "\udcff.png", "IMG_20240101_0001.jpg"]
    assert [file_heading(name) for name in names] == [
        r"\$a\$_b.png",
        "日本.png",
        "a b.png",
        "?.png",
        "…0240101_0001.jpg",
    ]
    images, maps = np.zeros((5, 8, 8, 3), np.uint8), np.zeros((5, 3, 1, 1), np.float32)
    draw_maps(names, images, maps, tmp_path / "out.png")
    assert len(shown[0][0]) == 5 * 4
