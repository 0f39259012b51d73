"""Tables 8-12: our counts, the paper's, and the difference."""

from pathlib import Path

import pytest
from table_files import check_html, check_latex, lines, rows

from patchvae.errors import PatchVAEError
from patchvae.jobs.work import write_files
from patchvae.report.tables.parameter_tables import network_name, signed
from patchvae.report.tables.parameter_tables import report as report_parameter_tables

NUMBERS = range(8, 13)


def write(paper: Path, folder: Path) -> dict[str, str]:
    """Texts by file name."""
    made = report_parameter_tables({}, paper)
    paths = {kind: [folder / f"table{number}.{kind}" for number in NUMBERS] for kind in made}
    write_files(made, paths)
    return {path.name: path.read_text(encoding="utf-8") for kind in paths.values() for path in kind}


def test_all_counts_of_the_paper(root: Path, tmp_path: Path) -> None:
    texts = write(root / "paper/parameter_counts.csv", tmp_path)
    assert len(texts) == 20
    assert texts["table8.csv"] == (
        "network,dataset,paper,params,difference\n"
        "beta-vae-encoder,cifar100,888192,888192,0\n"
        "bigan-encoder,cifar100,789792,789792,0\n"
        "patchvae-encoder,cifar100,922896,922896,0\n"
    )
    counts = [row for number in NUMBERS for row in rows(texts[f"table{number}.csv"], "network", "dataset").values()]
    assert len(counts) == 21
    assert {row["difference"] for row in counts} == {"0"}
    assert lines(texts["table12.md"])[0][:4] == ["Network", "CIFAR-100 paper", "CIFAR-100 ours", "CIFAR-100 difference"]
    assert lines(texts["table12.md"])[1][:4] == ["Classifier", "1,783,460", "1,783,460", "0"]
    assert "images of 32×32 and 64×64 pixels" in texts["table12.md"]
    assert "6 of 6 counts agree" in texts["table9.md"]
    for number in NUMBERS:
        check_latex(texts[f"table{number}.tex"])
        check_html(texts[f"table{number}.html"], texts[f"table{number}.md"])
    assert r"\multicolumn{3}{c}{Indoor67} & \multicolumn{3}{c}{Places205} \\" in texts["table11.tex"]


def test_a_difference_is_ours_minus_the_papers(root: Path, tmp_path: Path) -> None:
    paper = tmp_path / "paper.csv"
    text = (root / "paper/parameter_counts.csv").read_text()
    paper.write_text(text.replace(",888192", ",887000").replace(",789792", ",790000"))
    texts = write(paper, tmp_path / "out")
    assert rows(texts["table8.csv"], "network")["beta-vae-encoder"]["difference"] == "1192"
    assert lines(texts["table8.md"])[1:3] == [
        ["β-VAE encoder", "887,000", "888,192", "+1,192"],
        ["BiGAN encoder", "790,000", "789,792", "−208"],
    ]
    assert "1 of 3 counts agree" in texts["table8.md"]
    assert "BiGAN encoder & 790,000 & 789,792 & $-$208" in texts["table8.tex"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("12,classifier", "11,classifier", "Table 12 is missing"),
        ("bigan-encoder", "gan-encoder", "no network 'gan-encoder' for 'cifar100'"),
        ("888192", "many", "cannot read"),
        ("888192", "", "cannot read"),
        ("network", "net", "cannot read"),
        ("9,patchvae-encoder,indoor67", "8,patchvae-encoder,cifar100", "twice"),
    ],
)
def test_a_broken_file_is_named(root: Path, tmp_path: Path, old: str, new: str, said: str) -> None:
    paper = tmp_path / "paper.csv"
    paper.write_text((root / "paper/parameter_counts.csv").read_text().replace(old, new))
    with pytest.raises(PatchVAEError, match=said) as error:
        write(paper, tmp_path / "out")
    assert "paper.csv" in str(error.value)
    assert not (tmp_path / "out").exists()


def test_names_and_signs() -> None:
    assert [network_name(name) for name in ("bigan-decoder", "classifier")] == ["BiGAN decoder", "Classifier"]
    assert list(map(signed, (0, 1234567, -12))) == ["0", "+1,234,567", "−12"]
