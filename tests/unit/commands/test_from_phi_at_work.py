"""From phi to a cell's number, for real."""

from pathlib import Path

from helpers import finetune

from patchvae.cli import main
from patchvae.jobs.execute import execute
from patchvae.plan.jobs import State, read_job, states
from patchvae.records.metrics_files import read_metrics


def test_the_job_that_is_written_makes_the_cell_again(packed, weights, job_file, finetune_config, capsys) -> None:
    path = Path("results/small/metrics/finetune/table1/conv1-5/table12/patchvae/squares/seed0.json")
    finetune(finetune_config(), packed[0], weights, path, Path("scratch"), "cpu", 1)
    Path("params.yaml").write_text("run: small\n")
    assert main(["export", str(weights), "--out", "phi.pt"]) == 0
    assert main(["explain", "patchvae", "squares", "conv1-5", "--run", "small", "--from", "phi.pt"]) == 0
    assert "\npatchvae run again/job.json --device cpu --threads 1\n# again/metrics" in capsys.readouterr().out
    execute(Path("again/job.json"), "cpu", 1)
    found, wanted = read_metrics(Path("again/metrics.json")), read_metrics(path)
    assert found["top1"] == wanted["top1"] and found["history"] == wanted["history"]
    assert states([read_job("again/job.json")]) == {"again/job.json": State("right")}
    assert main(["clean"]) == 0 and capsys.readouterr().out.startswith("deleted 1 states")
