"""What `dvc plots show` draws: every plot of a whole run, and without complaint what there is of a smaller one."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, environment
from job_files import jobs
from ruamel.yaml import YAML

from patchvae.params.reading import load_params
from patchvae.plan.layout import OUTPUTS

TABLES = {
    "pretrain": "dataset,model,seed,epoch,loss\nsmall,patchvae,0,1,3\nsmall,patchvae,0,2,2\n",
    "finetune": "table,dataset,regime,head,model,seed,epoch,loss,test_top1\n"
    "table1,small,conv1-5,table12,patchvae,0,1,2,30.5\n",
    "sweep_occurrence_prior": "value,dataset,paper,mean,std,n\n0.01,small,30,31,,1\n1/16,small,,,,0\n",
}
TITLES = {"pretrain": "Pretraining loss", "finetune": "Test accuracy", "sweep_occurrence_prior": "occurrence prior"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A repository of DVC with the plots, and one overlay's parameters."""
    params = load_params([ROOT / "params.yaml", ROOT / "tests/e2e/engines.yaml"])
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.dump(params, tmp_path / "params.yaml")
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    shutil.copytree(ROOT / ".dvc/plots", tmp_path / ".dvc/plots")
    shutil.copy(ROOT / ".dvc/config", tmp_path / ".dvc")
    with open(tmp_path / ".dvc/config", "a", encoding="utf-8") as stream:
        stream.write("    no_scm = true\n")
    return tmp_path


def show(place: Path, tables: dict[str, str]) -> tuple[str, str]:
    """The page of `dvc plots show` with only these tables, and what DVC says."""
    for name, text in tables.items():
        folder = place / "results/engines" / ("tables" if name.startswith("sweep") else "curves")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.csv").write_text(text)
    command = [sys.executable, "-m", "dvc", "plots", "show", "--out", "page"]
    done = subprocess.run(command, cwd=place, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return (place / "page/index.html").read_text(), done.stderr


def plots() -> list[tuple[str, dict[str, Any]]]:
    content = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())
    return [item for plot in content["plots"] for item in plot.items()]


def test_every_plot_is_of_a_file_that_a_whole_run_makes() -> None:
    params = load_params([ROOT / "params.yaml"])
    made = {path.format(**wildcards) for rule, wildcards in jobs(params) for path in OUTPUTS[rule]}
    drawn = {path.replace("${run}", params["run"]) for _, plot in plots() for path in plot["y"]}
    assert drawn <= made and len(drawn) == len(plots())
    assert {path for path in made if "/curves/" in path or path.rpartition("/")[2].startswith("sweep_")} >= drawn


@pytest.mark.parametrize("name", ["curves", "sweep"])
def test_templates_have_what_dvc_fills_in(name: str) -> None:
    text = (ROOT / f".dvc/plots/{name}.json").read_text()
    assert json.loads(text)["data"] == {"values": "<DVC_METRIC_DATA>"}
    for anchor in ("X", "Y", "X_LABEL", "Y_LABEL", "TITLE", "COLOR"):
        assert f"<DVC_METRIC_{anchor}>" in text


def test_the_plots_of_a_run(place: Path) -> None:
    page, _ = show(place, TABLES)
    for title in TITLES.values():
        assert title in page
    assert "DVC_METRIC" not in page


@pytest.mark.parametrize("missing", TABLES)
def test_what_a_run_lacks_is_left_out(place: Path, missing: str) -> None:
    page, _ = show(place, {name: text for name, text in TABLES.items() if name != missing})
    assert {name for name, title in TITLES.items() if title in page} == set(TABLES) - {missing}


def test_curves_without_any_training_are_left_out(place: Path) -> None:
    page, said = show(place, TABLES | {"pretrain": TABLES["pretrain"].splitlines()[0] + "\n"})
    assert TITLES["pretrain"] not in page and TITLES["finetune"] in page
    assert "Traceback" not in said
