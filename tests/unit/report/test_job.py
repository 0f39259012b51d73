"""`patchvae report`: one table as one job."""

import json

import pytest
import table_files

from patchvae.errors import PatchVAEError
from patchvae.report.job import write_report


def outputs(folder):
    return [["pretrain_csv", str(folder / "p.csv")], ["finetune_csv", str(folder / "f.csv")]]


def test_a_report_gets_its_files_by_name(tmp_path):
    metrics = tmp_path / "seed0.json"
    content = table_files.metrics("pretrain", "v", "d", 0, history=[{"epoch": 1, "loss": 0.5}])
    metrics.write_text(json.dumps(content))
    files = [["pretrain_files", str(metrics)], ["finetune_files"]]
    write_report("curves", {}, outputs(tmp_path), files, [], None)
    assert (tmp_path / "p.csv").read_text() == "dataset,model,seed,epoch,loss\nd,v,0,1,0.5\n"
    (tmp_path / "p.csv").unlink()
    with pytest.raises(PatchVAEError, match="measured with other parameters"):
        write_report("curves", {}, outputs(tmp_path), files, ["0" * 16], None)
    assert not (tmp_path / "p.csv").exists()


@pytest.mark.parametrize("name", ["table9", "words", "../curves", "curves.write", ""])
def test_an_unknown_report_is_named(tmp_path, name):
    with pytest.raises(PatchVAEError, match=f"unknown report '{name}'"):
        write_report(name, {}, [], [], [], None)


@pytest.mark.parametrize(
    ("file", "files", "message"),
    [
        ([], [["pretrain_files"]], "missing a required argument: 'finetune_files'"),
        ([["odd", "x"]], [["pretrain_files"], ["finetune_files"]], "unexpected keyword argument 'odd'"),
        ([], [["pretrain_files"], ["pretrain_files"]], "'pretrain_files' is given twice"),
        ([["config", "x"]], [["pretrain_files"], ["finetune_files"]], "multiple values for argument 'config'"),
    ],
)
def test_a_wrong_parameter_is_named(tmp_path, file, files, message):
    with pytest.raises(PatchVAEError, match=f"^curves: .*{message}"):
        write_report("curves", {}, [*outputs(tmp_path), *file], files, [], None)
    assert list(tmp_path.iterdir()) == []
