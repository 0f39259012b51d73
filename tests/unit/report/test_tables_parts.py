"""The table of part discovery: trained, untrained, k-means and two trivial scores per data set."""

from pathlib import Path
from typing import Any

import pytest
from table_files import Content, lines, metrics, pretraining, rows, write

from patchvae.errors import PatchVAEError
from patchvae.report.tables.parts_table import report as report_parts_table


@pytest.fixture
def config() -> dict[str, Any]:
    return {
        "run": "quick_1",
        "seeds": [0, 1],
        "datasets": ["digits", "more"],
        "variant": "patchvae",
    }


def contents() -> list[Content]:
    """The second seed's scores of `trained` are 0.2 more."""
    files = []
    for dataset in ("digits", "more"):
        for seed in (0, 1):
            trained = {
                "ap_occupied": 0.5 + 0.2 * seed,
                "ap_repeated": 0.4 + 0.2 * seed,
                "nmi": 0.1 + 0.2 * seed,
            }
            others = {"ap_occupied": 0.3, "ap_repeated": 0.5, "nmi": 0.25}
            trivial = {"ap_occupied": 0.45, "ap_repeated": 0.35, "nmi": None}
            record = {"trained": trained, "untrained": others, "kmeans": {**others, "nmi": 0.0}}
            record |= {"deviation": trivial, "occupied": trivial}
            files.append(metrics("parts", "patchvae", dataset, seed, **record))
            if dataset == "digits":
                files[-1]["pretraining"]["epochs"] = 1
    return files


def test_numbers_by_hand(config: dict[str, Any], tmp_path: Path) -> None:
    text, markdown, tex = write(report_parts_table, tmp_path, contents(), config)
    assert text.startswith("model,method,dataset,metric,mean,std,n,")
    table = rows(text, "method", "dataset", "metric")
    row = table["trained", "digits", "ap_occupied"]
    assert (row["mean"], row["std"], row["n"], row["model"]) == ("0.600", "0.141", "2", "patchvae")
    row = table["kmeans", "more", "nmi"]
    assert (row["mean"], row["std"], row["n"]) == ("0.000", "0.000", "2")
    assert len(table) == 30
    assert (table["deviation", "digits", "nmi"]["mean"], table["deviation", "digits", "nmi"]["n"]) == ("", "0")
    assert table["occupied", "digits", "ap_occupied"]["mean"] == "0.450"
    assert lines(markdown)[0][:4] == [
        "Parts of",
        "digits (demo) AP (occupied)",
        "digits (demo) AP (repeated digit)",
        "digits (demo) NMI",
    ]
    assert lines(markdown)[1][:4] == ["PatchVAE", "**0.600 ± 0.141**", "**0.500 ± 0.141**", "0.200 ± 0.141"]
    assert lines(markdown)[1][4:] == ["**0.600 ± 0.141**", "**0.500 ± 0.141**", "0.200 ± 0.141"]
    # Equally good is bold as well, a control too.
    assert lines(markdown)[2][:3] == ["PatchVAE, untrained (control)", "0.300 ± 0.000", "**0.500 ± 0.000**"]
    assert lines(markdown)[2][3] == "**0.250 ± 0.000**"
    assert lines(markdown)[3][0] == "k-means on raw patches (control)"
    assert lines(markdown)[4][:4] == [
        "Standard deviation of a cell's values (trivial)",
        "0.450 ± 0.000",
        "0.350 ± 0.000",
        "—",
    ]
    assert lines(markdown)[5][0] == "Oracle: which cells are occupied (trivial)"
    assert "with BatchNorm statistics of the training images" in markdown
    assert "DEMO on stand-in data - not comparable with the paper (digits)" in markdown
    assert "digits (demo): 1 epoch of pretraining, 10,000 test images. more: 3 epochs" in markdown
    assert "6.0 minutes" in markdown
    assert "by chance AP is 0.375 and 0.250" in markdown
    assert r"\multicolumn{3}{c}{digits (demo)} & \multicolumn{3}{c}{more} \\" in tex


@pytest.mark.parametrize("method", ["deviation", "occupied"])
@pytest.mark.parametrize(("score", "trained"), [(0.9, "0.600 ± 0.141"), (0.6, "**0.600 ± 0.141**")])
def test_nothing_is_bold_that_a_trivial_score_beats(
    config: dict[str, Any], tmp_path: Path, method: str, score: float, trained: str
) -> None:
    files = contents()
    for content in files:
        if content["dataset"] == "digits":
            content[method] = {**content[method], "ap_occupied": score}
    printed = {row[0]: row[1:] for row in lines(write(report_parts_table, tmp_path, files, config)[1])[1:]}
    assert printed["PatchVAE"][0] == trained
    # It is not the best itself, and decides on its own column alone.
    assert [row[0] for row in printed.values() if "**" in row[0]] == ([trained] if "**" in trained else [])
    assert printed["PatchVAE"][1] == "**0.500 ± 0.141**" and printed["PatchVAE"][3] == "**0.600 ± 0.141**"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kmeans": {"ap_occupied": 0.1, "ap_repeated": 0.1}}, r"2\.json: kmeans\.nmi: missing"),
        ({"untrained": {"ap_occupied": 1.5, "ap_repeated": 0.1, "nmi": 0}}, r"2\.json: untrained\.ap_occupied: 1\.5"),
        ({"deviation": {"ap_occupied": 0.1, "nmi": None}}, r"2\.json: deviation\.ap_repeated: missing"),
        ({"occupied": {"ap_occupied": -1, "ap_repeated": 0.1, "nmi": None}}, r"2\.json: occupied\.ap_occupied: -1"),
        ({"rule": "fid"}, r"2\.json: not the metrics \(schema 1\) of part discovery"),
        ({"dataset": "digits"}, r"2\.json: the same cell and seed as .*0\.json"),
        (
            {"pretraining": pretraining("more", "patchvae") | {"epochs": 4}},
            r"3\.json: epochs .* on more: 3, but 4 in .*2",
        ),
        ({"seed": 3}, r"2\.json: seed 3 is not one of this table's seeds"),
    ],
)
def test_a_wrong_file_is_named(config: dict[str, Any], tmp_path: Path, change: Content, said: str) -> None:
    files = contents()
    files[2] |= change
    with pytest.raises(PatchVAEError, match=said):
        write(report_parts_table, tmp_path, files, config)
    assert not (tmp_path / "out").exists()


def test_files_that_do_not_tell_the_pretraining(config: dict[str, Any], tmp_path: Path) -> None:
    files = contents()
    for content in files:
        del content["pretraining"]
    markdown = write(report_parts_table, tmp_path, files, config)[1]
    assert "digits (demo): 10,000 test images. more: 10,000 test images." in markdown


def test_a_missing_file_is_named(config: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PatchVAEError, match="no metrics file for patchvae, more, seed 1"):
        write(report_parts_table, tmp_path, contents()[:-1], config)
