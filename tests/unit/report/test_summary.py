"""The one file of all numbers: what it holds of each table, and which tables it refuses."""

import json

import pytest
from table_files import finetuning, metrics, write

from patchvae.errors import PatchVAEError
from patchvae.report.tables.parts_table import report as report_parts_table
from patchvae.report.tables.summary import means
from patchvae.report.tables.summary import report as report_summary
from patchvae.report.tables.sweep import report as report_sweep
from patchvae.report.tables.table1 import report as report_table1


def table(tmp_path, name, text):
    path = tmp_path / f"{name}.csv"
    path.write_text(text)
    return path


def summary(*tables):
    return json.loads(report_summary({}, tables)["out"])


def test_our_means_of_real_tables(tmp_path, root):
    config = {"run": "demo", "seeds": [0, 1], "select": "last"}
    rows = {"datasets": ["cifar100"], "variants": ["patchvae", "random"], "regimes": ["conv1"], "heads": ["table12"]}
    cells = [("patchvae", 0, 40), ("patchvae", 1, 41), ("random", 0, 20), ("random", 1, 20)]
    files = [finetuning(model, "cifar100", "conv1", seed, top1) for model, seed, top1 in cells]
    (tmp_path / "a").mkdir()
    text, _, _ = write(report_table1, tmp_path / "a", files, config | rows, root / "paper/table1.csv")
    table1 = table(tmp_path, "table1", text)

    swept = {"key": "num_parts", "variant": "patchvae", "regime": "conv1", "head": "table12", "datasets": ["cifar100"]}
    swept |= {"variants": {"4": "patchvae.num_parts=4"}, "paper_column": "N"}
    files = [
        finetuning(model, "cifar100", "conv1", s, 30 + s)
        for model in ("patchvae", "patchvae.num_parts=4")
        for s in (0, 1)
    ]
    (tmp_path / "b").mkdir()
    text, _, _ = write(report_sweep, tmp_path / "b", files, config | swept)
    sweep = table(tmp_path, "sweep_num_parts", text)

    scores = {"ap_occupied": 0.5, "ap_repeated": 0.25, "nmi": 0.5}
    blocks = dict.fromkeys(("trained", "untrained", "kmeans", "deviation", "occupied"), scores)
    blocks |= dict.fromkeys(("deviation", "occupied"), scores | {"nmi": None})
    files = [metrics("parts", "patchvae", "digits", seed, **blocks) for seed in (0, 1)]
    (tmp_path / "c").mkdir()
    parts_config = {"run": "demo", "seeds": [0, 1], "datasets": ["digits"], "variant": "patchvae"}
    text, _, _ = write(report_parts_table, tmp_path / "c", files, parts_config)
    parts = table(tmp_path, "parts", text)

    found = {method: {key: value for key, value in block.items() if value} for method, block in blocks.items()}
    assert summary(table1, sweep, parts) == {
        "table1": {"cifar100": {"conv1": {"table12": {"patchvae": 40.5, "random": 20.0}}}},
        "sweep_num_parts": {"cifar100": {"4": 30.5, "base": 30.5}},
        "parts": {"digits": found},
    }


def test_tables_by_metric_and_keys_in_order(tmp_path):
    text = "model,metric,paper,mean\nvae,psnr,4,18.123456\nvae,fid,,\npatchvae,psnr,,19\n"
    table7 = table(tmp_path, "table7", text)
    table2 = table(tmp_path, "table2", text.replace("psnr", "top1"))
    content = summary(table7, table2)
    assert list(content) == ["table2", "table7"]
    assert content["table7"] == {"psnr": {"patchvae": 19.0, "vae": 18.1235}}


def test_a_table_without_numbers_is_left_out(tmp_path):
    assert summary(table(tmp_path, "table7", "model,metric,mean\nvae,fid,\n")) == {}


def test_a_new_table_is_nested_by_what_stands_before_its_numbers(tmp_path):
    new = table(tmp_path, "new", "model,stand_in,dataset,paper,mean\nvae,false,small,2,1.5\n")
    counts = table(tmp_path, "table8", "network,params\nvae,5\n")
    assert summary(new, counts, tmp_path / "new.md") == {"new": {"vae": {"small": 1.5}}}


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("table1", "model,dataset,mean\nvae,small,1\n", "no column regime"),
        ("table1", "model,dataset,regime,mean\nvae,small,conv1,1\n", "no column head"),
        ("table7", "model,metric\nvae,fid\n", "no column mean"),
        ("table7", "model,metric,mean\nvae,fid,much\n", "much"),
        ("table7", "model,metric,mean\nvae,fid,nan\n", "a mean is nan"),
    ],
)
def test_other_files_are_named(tmp_path, name, text, part):
    path = table(tmp_path, name, text)
    with pytest.raises(PatchVAEError, match=f"{name}.csv.*{part}"):
        summary(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PatchVAEError, match="table1.csv"):
        means(tmp_path / "table1.csv")
