"""Table 7: the paper's PSNR beside ours of the same kind, and an FID that is not to be had."""

from pathlib import Path
from typing import Any

import pytest
from table_files import Content, images, lines, metrics, pretraining, rows, write

from patchvae.errors import PatchVAEError
from patchvae.report.tables.table7 import report as report_table7

VALUES = {"beta-vae": (18.0, 20.0, 4.5, 0.31), "patchvae": (17.0, 17.5, 4.0, 0.22)}
WHY = "the weights of\nInception are not here."


@pytest.fixture
def config() -> dict[str, Any]:
    return {
        "run": "quick_1",
        "seeds": [0, 1],
        "dataset": "imagenet",
        "variants": ["beta-vae", "patchvae"],
        "sample": True,
        "temperature": "last",
    }


def contents(dataset: str = "imagenet", missing: tuple[tuple[str, int], ...] = ()) -> list[Content]:
    """PSNR of the two seeds as in VALUES, the rest equal; FID 100 and 110, or null where `missing`."""
    files = []
    for variant, (*psnr, normalised, ssim) in VALUES.items():
        for seed in (0, 1):
            similar = {"psnr": psnr[seed], "psnr_normalised": normalised, "ssim": ssim}
            files.append(metrics("reconstruct", variant, dataset, seed, **similar))
            content = metrics("fid", variant, dataset, seed, fid=100.0 + 10 * seed)
            if (variant, seed) in missing:
                content |= {"fid": None, "why": WHY}
            files.append(content)
    return files


def test_numbers_by_hand(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    missing = (("patchvae", 0), ("patchvae", 1))
    text, markdown, tex = write(report_table7, tmp_path, contents(missing=missing), config, root / "paper/table7.csv")
    assert text.startswith("model,dataset,metric,paper,mean,std,n,")
    table = rows(text, "model", "metric")
    row = table["beta-vae", "psnr"]  # its number of the paper is of the other kind
    assert (row["paper"], row["mean"], row["std"], row["n"]) == ("", "19.000", "1.414", "2")
    assert (table["beta-vae", "psnr_normalised"]["paper"], table["beta-vae", "psnr_normalised"]["mean"]) == (
        "4.857",
        "4.500",
    )
    row = table["patchvae", "fid"]
    assert (row["paper"], row["mean"], row["std"], row["n"], row["test_images"]) == ("113.692", "", "", "0", "")
    assert table["beta-vae", "fid"]["test_images"] == "10000"
    normalised, image = "PSNR of normalised tensors (dB) ↑", "PSNR of [0, 1] images (dB) ↑"
    head, beta_vae, patchvae = lines(markdown)
    assert head[:5] == ["Model", f"{normalised} paper", f"{normalised} ours", "FID ↓ paper", "FID ↓ ours"]
    assert head[5:] == ["SSIM ↑ paper", "SSIM ↑ ours", f"{image} ours"]
    assert beta_vae[:5] == ["β-VAE", "4.857", "**4.500 ± 0.000**", "108.741", "**105.000 ± 7.071**"]
    assert beta_vae[5:] == ["0.289", "**0.310 ± 0.000**", "**19.000 ± 1.414**"]
    assert patchvae[:5] == ["PatchVAE", "4.342", "4.000 ± 0.000", "113.692", "—"]
    assert patchvae[5:] == ["0.235", "0.220 ± 0.000", "17.250 ± 0.354"]
    assert markdown.endswith("\n\nNo FID of PatchVAE: the weights of Inception are not here.\n")
    assert "No FID of PatchVAE: the weights of Inception are not here." in tex
    for part in ("10,000 test images of ImageNet after 3 epochs", "E60", "2 seeds", "12.0 minutes"):
        assert part in markdown


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "Latents are sampled, occurrences at the temperature of the last training step."),
        ({"temperature": 0.5}, "Latents are sampled, occurrences at temperature 0.5."),
        ({"sample": False}, "Latents are their means."),
        ({"sample": False, "temperature": 0.5}, "Latents are their means."),
    ],
)
def test_the_caption_says_what_psnr_is_a_mean_of_and_how_latents_were_drawn(
    config: dict[str, Any], root: Path, tmp_path: Path, settings: Content, said: str
) -> None:
    markdown = write(report_table7, tmp_path, contents(), config | settings, root / "paper/table7.csv")[1]
    assert "PSNR and SSIM are means over images of each image's own, not of the pooled error. " + said in markdown
    assert markdown.count("Latents are") == 1


def test_fewer_is_better_for_the_fid_alone(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    files = contents()
    for content in files:
        if content["rule"] == "fid" and content["variant"] == "patchvae":
            content |= {"fid": 90.0, "count": 5000}
    markdown = write(report_table7, tmp_path, files, config, root / "paper/table7.csv")[1]
    assert lines(markdown)[2][4] == "**90.000 ± 0.000**"
    assert lines(markdown)[1][4] == "105.000 ± 7.071"
    assert "No FID" not in markdown


def test_an_fid_of_some_seeds(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    files = contents(missing=(("beta-vae", 1), ("patchvae", 0), ("patchvae", 1)))
    text, markdown, _ = write(report_table7, tmp_path, files, config, root / "paper/table7.csv")
    row = rows(text, "model", "metric")["beta-vae", "fid"]
    assert (row["mean"], row["std"], row["n"]) == ("100.000", "", "1")
    assert "No FID of β-VAE (seed 1) and PatchVAE: the weights" in markdown
    markdown = write(
        report_table7,
        tmp_path,
        contents(missing=tuple((v, s) for v in VALUES for s in (0, 1))),
        config,
        root / "paper/table7.csv",
    )[1]
    assert [row[4] for row in lines(markdown)[1:]] == ["—", "—"]


def test_another_data_set_has_no_number_of_the_paper(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    config |= {"dataset": "digits"}
    text, markdown, _ = write(report_table7, tmp_path, contents("digits"), config, root / "paper/table7.csv")
    assert {row["paper"] for row in rows(text, "model", "metric").values()} == {""}
    assert not [name for name in lines(markdown)[0] if "paper" in name]
    assert markdown.startswith("> **DEMO on stand-in data")
    assert "E60" not in markdown


@pytest.mark.parametrize(
    ("index", "change", "said"),
    [
        (0, {"rule": "finetune"}, r"0\.json: not the metrics \(schema 1\) of reconstructions or an FID"),
        (0, {"ssim": 1.5}, r"0\.json: ssim: 1\.5"),
        (0, {"psnr": float("inf")}, r"0\.json: psnr: inf"),
        (0, {"psnr": None}, r"0\.json: psnr: None"),
        (1, {"fid": -1}, r"1\.json: fid: -1"),
        (1, {"fid": None}, r"1\.json: .*'why' is missing"),
        (1, {"variant": "bigan"}, r"1\.json: model 'bigan'"),
        (3, {"set_sha256": images("d" * 64)}, r"3\.json: tested on other images of imagenet"),
        (2, {"pretraining": pretraining("imagenet", "beta-vae") | {"epochs": 4}}, r"2\.json: epochs .*: 4, but 3 in "),
        (3, {"seed": 0}, r"3\.json: the same cell and seed as .*1\.json"),
    ],
)
def test_a_wrong_file_is_named(
    config: dict[str, Any], root: Path, tmp_path: Path, index: int, change: Content, said: str
) -> None:
    files = contents()
    files[index] |= change
    with pytest.raises(PatchVAEError, match=said):
        write(report_table7, tmp_path, files, config, root / "paper/table7.csv")
    assert not (tmp_path / "out").exists()


def test_files_that_do_not_tell_the_pretraining(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    files = contents()
    for content in files:
        del content["pretraining"]
    markdown = write(report_table7, tmp_path, files, config, root / "paper/table7.csv")[1]
    assert "reconstructions of 10,000 test images of ImageNet, 2 seeds" in markdown


def test_a_missing_file_is_named(config: dict[str, Any], root: Path, tmp_path: Path) -> None:
    with pytest.raises(PatchVAEError, match="no metrics file for fid, patchvae, imagenet, seed 1"):
        write(report_table7, tmp_path, contents()[:-1], config, root / "paper/table7.csv")
