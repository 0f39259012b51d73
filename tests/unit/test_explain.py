"""One cell explained: the whole text from made-up metrics files, what seeds share, and a sentence for each mistake."""

import json
from pathlib import Path
from typing import Any

import pytest
from table_files import Content, finetuning, metrics

from patchvae import cli
from patchvae.errors import PatchVAEError
from patchvae.explain import explain
from patchvae.files import file_digest

MACHINE = {"device": "AMD EPYC (2 cores)", "threads": 1}
VERSIONS = {"python": "3.11.7", "torch": "2.9.0", "patchvae": "0.1.0"}
FINETUNE = "finetune/table1/{regime}/{head}/{variant}/cifar100/seed{seed}.json"


def record(content: Content, **more: Any) -> Content:
    """A metrics file with all that the explanation reads."""
    machine = {**MACHINE, "versions": VERSIONS}
    origin = {"code_sha256": "c" * 64, "commit": "0123456789ab", "versions": VERSIONS, "machines": [machine]}
    digests = {"labels_sha256": "12", "order_sha256": "34", "set_sha256": "56"}
    data = {key: {"train": train * 64, "test": test * 64} for key, (train, test) in digests.items()}
    return {**content, **origin, **data, **more}


def tuned(variant: str, seed: int, top1: float, head: str = "table12", epochs: int = 2, **more: Any) -> Content:
    """A fine-tuning at Conv[1-5] behind three epochs of pretraining."""
    content = finetuning(variant, "cifar100", "conv1-5", seed, top1)
    history = [
        {"epoch": epoch, "loss": 4 / epoch, "train_top1": 2 * epoch + seed, "test_top1": top1 - epochs + epoch}
        for epoch in range(1, epochs + 1)
    ]
    config = {**content["config"], "seed": seed, "lr": 0.01, "pretrained": {"snapshot": None, "variant": variant}}
    origin = {"head": head, "history": history, "epochs": epochs, "config": config, "peak_memory_mb": 800.4 + seed}
    return record(content, **origin, **more)


def pretrained(variant: str, seed: int, **more: Any) -> Content:
    history = [
        {"epoch": epoch, "loss": 300 / epoch, "loss_max": 400 / epoch + seed, "kl_occ": 0.001 * epoch + seed}
        for epoch in (1, 2, 3)
    ]
    content = metrics("pretrain", variant, "cifar100", seed, history=history, epochs=3)
    return record(content, config_sha256="e" * 64, **more)


def probed(variant: str, seed: int) -> Content:
    found = {"top1": 33.3, "top5": 60.0, "train_top1": 40.0, "lambda": 1e-4, "at_edge": True, "held_out": 5000}
    return record(metrics("probe", variant, "cifar100", seed, **found, features=2048, constant_features=3))


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with parameters, an overlay and the run `small`: two seeds of a row, its probe, and a control."""
    monkeypatch.chdir(tmp_path)
    Path("configs").mkdir()
    Path("params.yaml").write_text("run: paper\n")
    Path("configs/broken.yaml").write_text("run: [\n")
    Path("configs/small.yaml").write_text("run: small\n")
    for seed, top1 in enumerate((30.0, 31.0)):
        save(FINETUNE, tuned("patchvae+lw", seed, top1))
        save("pretrain/cifar100/patchvae+lw/seed{seed}.json", pretrained("patchvae+lw", seed))
    save(FINETUNE, tuned("random", 0, 12.0, head="authors"))
    save("probe/cifar100/patchvae+lw/seed{seed}.json", probed("patchvae+lw", 0))
    return tmp_path


def save(name: str, content: Content, run: str = "small") -> Path:
    path = Path("results", run, "metrics", name.format(**content))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def told(variant: str = "patchvae+lw", regime: str = "conv1-5", run: str = "small", **more: Any) -> list[str]:
    return explain(Path("results"), run, variant, "cifar100", regime, **more).splitlines()


def section(lines: list[str], title: str) -> list[str]:
    """The lines below a title, without their indent."""
    (start,) = (number for number, line in enumerate(lines) if line.startswith(title))
    ends = [number for number, line in enumerate(lines) if number > start and line and not line.startswith("  ")]
    return [line[2:] for line in lines[start + 1 : (ends or [len(lines) + 1])[0] - 1]]


def test_one_seed_in_full() -> None:
    path = Path("results/small/metrics/finetune/table1/conv1-5/table12/patchvae+lw/cifar100/seed0.json")
    own = Path("results/small/metrics/pretrain/cifar100/patchvae+lw/seed0.json")
    expected = f"""\
patchvae+lw on cifar100, conv1-5, classifier table12: run small, table1, 1 seed

Top-1 accuracy (%): 10,000 test images, chance 1.00 %
          last epoch   best  at epoch  top-5  best top-5  train  seconds  peak MB
  seed 0       30.00  30.50         1  99.00       99.50   4.00     90.0      800

Learning curve (top-1 in %)
  epoch    loss  train   test
  1      4.0000   2.00  29.00
  2      2.0000   4.00  30.00

Configuration
  dataset:              cifar100
  lr:                   0.01
  num_classes:          100
  pretrained.snapshot:  null
  pretrained.variant:   patchvae+lw
  seed:                 0
  stand_in:             false
  variant:              patchvae+lw

Pretraining
  code_sha256:    {"f" * 64}
  config_sha256:  {"e" * 64}
  dataset:        cifar100
  epochs:         3
  model.name:     patchvae+lw
  stand_in:       false
  variant:        patchvae+lw

  {own}
  sha256 {file_digest(own)}
  3 epochs, 90.0 seconds on AMD EPYC (2 cores)

  term    first epoch  last epoch  largest step
  loss            300         100           400
  kl_occ        0.001       0.003             -

Code and machine
  code:       {"c" * 64}
  commit:     0123456789ab
  machine:    AMD EPYC (2 cores), 1 thread
  precision:  bf16
  versions:   patchvae 0.1.0, python 3.11.7, torch 2.9.0

Data (SHA-256)
  images.test:   {"b" * 64}
  images.train:  {"a" * 64}
  labels.test:   {"2" * 64}
  labels.train:  {"1" * 64}
  order.test:    {"4" * 64}
  order.train:   {"3" * 64}
  set.test:      {"6" * 64}
  set.train:     {"5" * 64}

Metrics files
  {path}
  sha256 {file_digest(path)}

To make it again, with the parameters as they are now
  snakemake --configfile configs/small.yaml -- \\
    {path}"""
    assert told(seed=0) == expected.splitlines()


def test_several_seeds_share_what_they_share() -> None:
    other = {**MACHINE, "device": "Arm (4 cores)", "threads": 4, "versions": VERSIONS}
    moved = [{**MACHINE, "versions": VERSIONS}, other]
    save(FINETUNE, tuned("patchvae+lw", 10, 35.0, code_sha256="d" * 64, commit="0123456789ab+", machines=moved))
    lines = told()
    assert lines[0].endswith("run small, table1, 3 seeds")
    assert section(lines, "Top-1 accuracy") == [
        "         last epoch   best  at epoch  top-5  best top-5  train  seconds  peak MB",
        "seed 0        30.00  30.50         1  99.00       99.50   4.00     90.0      800",
        "seed 1        31.00  31.50         1  99.00       99.50   5.00     90.0      801",
        "seed 10       35.00  35.50         1  99.00       99.50  14.00     90.0      810",
        "mean          32.00  32.50         1  99.00       99.50   7.67     90.0      804",
        "sd             2.65   2.65         0   0.00        0.00   5.51      0.0        6",
    ]
    assert section(lines, "Learning curve (top-1 in %), means over 3 seeds")[1] == "1      4.0000   5.67  31.00"
    assert "  seed:                 0; 1; 10" in lines
    assert section(lines, "Code and machine") == [
        f"code:       {'c' * 64} (seed 0, 1);",
        f"            {'d' * 64} (seed 10)",
        "commit:     0123456789ab (seed 0, 1); 0123456789ab (edited) (seed 10)",
        "machine:    AMD EPYC (2 cores), 1 thread (seed 0, 1); AMD EPYC (2 cores), 1 thread, then Arm (4",
        "            cores), 4 threads (seed 10)",
        "precision:  bf16",
        "versions:   patchvae 0.1.0, python 3.11.7, torch 2.9.0",
    ]
    # The pretraining of seed 10 has left no file.
    assert section(lines, "Pretraining")[-6:] == [
        "not there: results/small/metrics/pretrain/cifar100/patchvae+lw/seed10.json",
        "",
        "means over 2 seeds, the largest step of all:",
        "term    first epoch  last epoch  largest step",
        "loss            300         100           401",
        "kl_occ        0.501       0.503             -",
    ]
    folder = "results/small/metrics/finetune/table1/conv1-5/table12/patchvae+lw/cifar100"
    assert lines[-4:] == [
        "  snakemake --configfile configs/small.yaml -- \\",
        f"    {folder}/seed0.json \\",
        f"    {folder}/seed1.json \\",
        f"    {folder}/seed10.json",
    ]
    assert max(map(len, lines)) <= 100


def test_a_probe() -> None:
    lines = told(regime="probe")
    assert lines[0] == "patchvae+lw on cifar100, linear probe: run small, 1 seed"
    assert section(lines, "Top-1 accuracy") == [
        "        top-1  top-5  train  seconds  peak MB",
        "seed 0  33.30  60.00  40.00     90.0        -",
    ]
    assert section(lines, "Ridge regression") == [
        "at_edge:            true",
        "constant_features:  3",
        "features:           2048",
        "held_out:           5000",
        "lambda:             0.0001",
    ]
    assert not any(line.startswith("Learning curve") for line in lines)
    assert lines[-1] == "    results/small/metrics/probe/cifar100/patchvae+lw/seed0.json"


@pytest.mark.parametrize(
    ("epochs", "shown"),
    [(1, [1]), (3, [1, 2, 3]), (6, [1, 2, 3, 4, 5, 6]), (90, [1, 11, 22, 34, 45, 56, 68, 79, 90])],
)
def test_about_eight_epochs_of_a_curve(epochs: int, shown: list[int]) -> None:
    save(FINETUNE, tuned("patchvae", 0, 40.0, epochs=epochs))
    rows = section(told("patchvae"), "Learning curve")[1:]
    assert [int(row.split()[0]) for row in rows] == shown


def test_what_is_not_of_this_pretraining_is_not_told() -> None:
    save("pretrain/cifar100/patchvae+lw/seed{seed}.json", pretrained("patchvae+lw", 0) | {"config_sha256": "0" * 64})
    lines = section(told(seed=0), "Pretraining")
    assert lines[-1] == (
        "of another pretraining, with other parameters: results/small/metrics/pretrain/cifar100/patchvae+lw/seed0.json"
    )
    # Of phi after the second epoch, the third is no history.
    content = tuned("patchvae.epochs=2", 1, 30.0)
    content["pretraining"] |= {"variant": "patchvae+lw", "epochs": 2}
    save(FINETUNE, content)
    assert section(told("patchvae.epochs=2"), "Pretraining")[-1] == "kl_occ        1.001       1.002             -"
    # A control is not trained.
    save("pretrain/cifar100/random/seed{seed}.json", pretrained("random", 0, history=[], epochs=0))
    lines = section(told("random", head="authors"), "Pretraining")
    assert lines[-1] == "0 epochs, 90.0 seconds on AMD EPYC (2 cores)"


def first(rule: str, **more: Any) -> Content:
    """A metrics file as the first version wrote it."""
    identity = {"dataset": "cifar100", "variant": "patchvae+lw", "seed": 0}
    digests = {"config_sha256": "a" * 64, "code_sha256": "c" * 64, "data_sha256": {"train": "d" * 64, "test": "e" * 64}}
    machine = {"device": MACHINE["device"], "precision": "bf16", "threads": 1, "versions": VERSIONS}
    return {"schema": 1, "rule": rule, **identity, **digests, **machine, "images_per_second": 400.0, **more}


def test_the_first_files_tell_less() -> None:
    history = [{"epoch": 1, "loss": 4.0, "train_top1": 9.6, "test_top1": 15.84}]
    history.append({"epoch": 2, "loss": 3.0, "train_top1": 24.43, "test_top1": 22.68})
    tested = {"split": "test", "count": 10000, "top1": {"last": 22.68, "best": 22.68, "best_epoch": 2}}
    config = {"dataset": "cifar100", "variant": "patchvae+lw", "seed": 0, "num_classes": 100}
    content = first("finetune", config=config, regime="conv1-5", **tested, history=history, epochs=2, seconds=18.4)
    save("finetune/table1/conv1-5/patchvae+lw/cifar100/seed0.json", content, "quick")
    history = [
        {"epoch": 1, "loss": 458.0, "reconstruction": 385.92},
        {"epoch": 2, "loss": 291.8, "reconstruction": 243.5},
    ]
    content = first("pretrain", config=config, loss=history[-1], history=history, epochs=2, seconds=328.2)
    save("pretrain/cifar100/patchvae+lw/seed0.json", content, "quick")
    lines = told(run="quick")
    assert lines[0] == "patchvae+lw on cifar100, conv1-5, classifier table12: run quick, table1, 1 seed"
    assert section(lines, "Top-1 accuracy")[1] == (
        "seed 0       22.68  22.68         2      -           -  24.43     18.4        -"
    )
    assert section(lines, "Pretraining")[0] == "not recorded by these files; the run's own of this row:"
    assert section(lines, "Pretraining")[-1] == "reconstruction       385.92       243.5             -"
    assert "  labels:        not recorded" in lines and "  commit:     not recorded" in lines
    assert lines[-1] == "  no file in configs/ has `run: quick`: name params.yaml and the run's overlays behind -p"


def test_stand_ins_are_marked() -> None:
    content = tuned("patchvae", 0, 40.0)
    save(FINETUNE, content | {"config": content["config"] | {"stand_in": True}})
    warning = "DEMO on stand-in data - not comparable with the paper (cifar100)."
    assert section(told("patchvae"), "Top-1 accuracy")[-1] == warning


def test_the_command_has_the_runs_overlays(project: Path) -> None:
    for run, params, command in (
        ("paper", (), "snakemake"),
        ("small", (), "snakemake --configfile configs/small.yaml --"),
        ("small", ("params.yaml",), "snakemake --configfile configs/small.yaml --"),
        ("own", ("params.yaml", "a b.yaml", "own.yaml"), "snakemake --configfile 'a b.yaml' own.yaml --"),
    ):
        (project / "a b.yaml").write_text("seeds: [3]\n")
        (project / "own.yaml").write_text("run: own\n")
        save(FINETUNE, tuned("patchvae+lw", 0, 30.0), run)
        lines = told(run=run, seed=0, params=[Path(name) for name in params])
        assert lines[-2] == f"  {command} \\"
        assert lines[-1].startswith(f"    results/{run}/metrics/finetune/")
    with pytest.raises(PatchVAEError, match=r"own\.yaml: the parameters are those of run own, not of 'small'"):
        told(params=[Path("params.yaml"), Path("own.yaml")])
    with pytest.raises(PatchVAEError, match=r"gone\.yaml"):
        told(params=[Path("params.yaml"), Path("gone.yaml")])


HERE = "results/small/metrics"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run": "smal"}, "results: no run 'smal' there; did you mean small?"),
        ({"run": "cifar100"}, "results: no run 'cifar100' there, there are small"),
        ({"run": "tables"}, "results/tables/metrics: not here; `dvc pull` fetches the metrics files of a tracked run"),
        ({"model": "patchvae+lx"}, f"{HERE}: no model 'patchvae+lx' was run; did you mean patchvae+lw?"),
        ({"model": "bigan"}, f"{HERE}: no model 'bigan' was run, there are patchvae+lw, random"),
        ({"dataset": "cifar10"}, f"{HERE}: no data set 'cifar10' was run; did you mean cifar100?"),
        ({"regime": "conv1-4"}, f"{HERE}: no regime 'conv1-4' was run; did you mean conv1-5?"),
        ({"head": "author"}, f"{HERE}: no head 'author' was run; did you mean authors?"),
        ({"head": "linear"}, f"{HERE}: no head 'linear' was run, there are authors, table12"),
        (
            {"head": "authors"},
            "patchvae+lw on cifar100, conv1-5, classifier authors: not run, there is no such file in",
        ),
        ({"model": "random", "regime": "probe"}, "random on cifar100, linear probe: not run, there is no such file in"),
        ({"regime": "probe", "head": "table12"}, "--head table12: a linear probe has no head"),
        ({"seed": 7}, "patchvae+lw on cifar100, conv1-5, classifier table12: seed 7 was not run, only 0, 1"),
    ],
)
def test_names_that_are_not_there(changes: dict[str, Any], message: str) -> None:
    Path("results/tables/tables").mkdir(parents=True)
    cell = {"run": "small", "model": "patchvae+lw", "dataset": "cifar100", "regime": "conv1-5"} | changes
    with pytest.raises(PatchVAEError) as caught:
        explain(Path("results"), **cell)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (FINETUNE, {"schema": 2}, "seed0.json: not the metrics of patchvae.* on .*: its schema is 2, not 1"),
        (FINETUNE, {"head": "authors"}, "its head is 'authors', not 'table12'"),
        (FINETUNE, {"top1": {"last": 1.0}}, "seed0.json: not the metrics of patchvae.*: 'best'"),
        (FINETUNE, {"history": []}, "seed0.json: not the metrics of"),
        (FINETUNE, {"top1": {"last": "1", "best": "2", "best_epoch": 1}}, "seed0.json: not the metrics of"),
        ("pretrain/cifar100/patchvae+lw/seed0.json", {"rule": "probe"}, "seed0.json: not the metrics of a pretraining"),
        (
            "finetune/other/conv1-5/table12/patchvae+lw/cifar100/seed0.json",
            {},
            "the same cell and seed as .*seed0.json",
        ),
    ],
)
def test_wrong_files_are_named(name: str, content: Content, message: str) -> None:
    save(
        name.format(regime="conv1-5", head="table12", variant="patchvae+lw", seed=0),
        tuned("patchvae+lw", 0, 1) | content,
    )
    with pytest.raises(PatchVAEError, match=message):
        told()


def test_a_file_that_is_no_json_is_named() -> None:
    save(FINETUNE, tuned("patchvae+lw", 0, 1)).write_text("[1]")
    with pytest.raises(PatchVAEError, match="seed0.json: not a metrics file"):
        told()


def test_the_command_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "start_logging", lambda log: None)
    monkeypatch.setattr(cli.signal, "signal", lambda number, handler: None)
    arguments = ["explain", "patchvae+lw", "cifar100", "conv1-5", "--run", "small"]
    assert cli.main([*arguments, "--seed", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == told(seed=1)
    options = ["--head", "table12", "--results", "results", "-p", "params.yaml", "configs/small.yaml"]
    assert cli.main([*arguments, *options]) == 0
    assert capsys.readouterr().out.splitlines() == told()
    assert cli.main([*arguments, "--seed", "5"]) == 1
