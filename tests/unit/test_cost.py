"""`patchvae cost`: kinds of jobs, what their times are scaled by, and a run told from made-up measurements."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from patchvae import cli
from patchvae.checks import checked_params
from patchvae.cost import kinds
from patchvae.cost.kinds import Images, Work, image_counts, images_per_epoch, kept, kind, work
from patchvae.cost.measurements import TABLE, UNTOLD, Measured, estimate, machine_of, measured, tabled
from patchvae.cost.report import checkpoint_bytes, data_bytes
from patchvae.errors import PatchVAEError
from patchvae.resolve import resolve

Params = dict[str, Any]
CIFAR = Images(50_000, 50_000, 10_000)
FINETUNE = {"dataset": "cifar100", "variant": "patchvae", "regime": "conv1-5", "head": "table12", "seed": 0}
XEON = "Xeon, 1 thread, fp32"


@pytest.fixture(scope="module")
def params(root: Path) -> Params:
    return checked_params([root / "params.yaml"])


def pretrain(params: Params, variant: str = "patchvae", dataset: str = "cifar100") -> Params:
    return resolve(params, "pretrain", {"dataset": dataset, "variant": variant, "seed": 0})


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_what_changes_the_time_of_a_step_makes_another_kind(params: Params) -> None:
    rows = ("beta-vae", "patchvae", "patchvae+lw", "patchvae-gan", "patchvae-gan+lw", "bigan", "random", "random+bn")
    names = [kind("pretrain", {}, pretrain(params, row), CIFAR) for row in rows]
    assert len({*names}) == len(rows) and "pretrain patchvae, resnet9, L_w, GAN, joint step" in names
    assert kind("pretrain", {}, pretrain(params, dataset="imagenet"), CIFAR) not in names  # resnet18
    # Epochs, images, pixels and swept sizes are no other kind
    assert kind("pretrain", {}, pretrain(params, "patchvae.num_parts=4", "indoor67"), CIFAR) in names


def test_work_counts_the_images_that_a_training_sees(params: Params) -> None:
    assert work("pretrain", pretrain(params), CIFAR) == Work(90 * 390 * 128, 32)
    assert work("pretrain", pretrain(params, "random"), CIFAR) == Work()
    assert work("pretrain", pretrain(params, "random+bn"), CIFAR) == Work(50_000, 32)
    tuned = resolve(params, "finetune", FINETUNE)
    assert images_per_epoch("finetune", tuned | {"labels_per_class": 10}, CIFAR) == 7 * 128
    assert images_per_epoch("finetune", tuned | {"epoch_images": 1280}, CIFAR) == 1280
    assert images_per_epoch("finetune", tuned, Images(14_280, 5_360, 1_340)) == 5_360 // 128 * 128
    assert images_per_epoch("finetune", tuned | {"last_batch": "keep"}, CIFAR) == 50_000
    searched = resolve(params, "rates", FINETUNE | {"head": "tuned"})
    assert work("rates", searched, CIFAR) == Work(5 * 30 * (45_000 // 128 * 128), 32)
    assert kind("rates", {}, searched, CIFAR) == kind("finetune", {}, tuned, CIFAR)
    assert work("fid", {"image_size": 224}, CIFAR) == Work(10_000, 1)
    assert work("masks", {"image_size": 64}, CIFAR) == Work(50_000, 64)
    assert work("pretrain", pretrain(params), None) is None and work("table1", {}, None) == Work()


def test_the_images_of_an_epoch_are_those_of_the_training(params: Params) -> None:
    """`training.batches.Order` decides; it cannot be asked without PyTorch."""
    import torch

    from patchvae.training.batches import Order

    for count, batch, given in [(100, 32, "dataset"), (100, 128, "dataset"), (100, 32, 70), (100, 32, 5)]:
        order = Order(torch.arange(count), batch, given, False, 0)
        config = {"batch_size": batch, "epoch_images": given}
        seen = images_per_epoch("pretrain", config, Images(count, count, 1))
        assert seen == order.steps_per_epoch * order.batch_size


def test_features_are_kept_where_the_fine_tuning_keeps_them(params: Params) -> None:
    from patchvae.training import finetune

    assert kinds.KEPT_BYTES == finetune.CACHE_BYTES
    config = resolve(params, "finetune", FINETUNE) | {"precision": "fp32"}
    fits = kinds.KEPT_BYTES // (128 * 4 * 4 * 4)
    assert kept(config, Images(fits - 5, 0, 5)) and not kept(config, Images(fits - 5, 0, 6))
    assert not kept(config | {"flip": True}, CIFAR) and not kept(config | {"regime": "none"}, CIFAR)
    assert not kept(config | {"frozen_batch_norm": "train"}, CIFAR)


@pytest.mark.parametrize("regime", ["conv1", "conv1-3", "conv1-5"])
def test_features_have_the_size_that_the_frozen_stages_give(params: Params, regime: str) -> None:
    import torch

    from patchvae.models.resnet import Backbone
    from patchvae.models.sizes import REGIMES

    with torch.device("meta"):
        stages = [*Backbone("resnet9").stages()][: REGIMES[regime]]
        features = torch.nn.Sequential(*stages)(torch.zeros(1, 3, 64, 64))
    config = resolve(params, "finetune", FINETUNE | {"regime": regime}) | {"precision": "fp32", "image_size": 64}
    fits = kinds.KEPT_BYTES // (4 * features.numel())
    assert kept(config, Images(fits, 0, 0)) and not kept(config, Images(fits + 1, 0, 0))


def one(images: float, seconds: float, side: int = 32, machine: str = XEON) -> Measured:
    return Measured(machine, f"{images} images", Work(images, side), seconds)


def test_the_nearest_measurement_is_scaled() -> None:
    known = [one(100, 1), one(1000, 5), one(1000, 15), one(1000, 7), one(100, 4, side=64), one(1000, 1, machine="H100")]
    same = estimate(known, XEON, Work(1000, 32))
    assert same is not None and (same.seconds, same.scale, len(same.sources)) == (pytest.approx(7), 1.0, 3)
    longer = estimate(known, XEON, Work(9000, 32))
    assert longer is not None and (longer.seconds, longer.scale) == (pytest.approx(63), pytest.approx(9))
    larger = estimate(known, XEON, Work(9000, 64))  # the same side first, however few its images
    assert larger is not None and (larger.seconds, larger.sources) == (pytest.approx(360), ("100 images",))
    other = estimate(known, XEON, Work(1000, 128))
    assert other is not None and (other.seconds, other.scale) == (pytest.approx(16 * 7), pytest.approx(16))


def test_nothing_is_made_up_where_nothing_was_measured() -> None:
    assert estimate([], XEON, Work()) is None
    assert estimate([one(1, 1, machine="H100")], XEON, Work()) is None
    assert estimate([one(1, 1)], XEON, None) is None
    untold = estimate([one(1, 3, 1, UNTOLD)], XEON, Work())  # Snakemake's benchmark files name no machine
    assert untold is not None and untold.seconds == 3


def metrics(root: Path, run: str, config: Params, seconds: float, benchmark: float | None = None, **more: Any) -> Path:
    """The files of a finished pretraining."""
    name = f"pretrain/{config['dataset']}/{config['variant']}/seed{config['seed']}"
    identity = {"rule": "pretrain", **{key: config[key] for key in ("dataset", "variant", "seed")}, "config": config}
    machine = {"device": "Xeon", "threads": 1, "precision": "fp32", "machines": [{"device": "Xeon"}]}
    content = {**identity, **machine, "seconds": seconds, "images_per_second": 0.0, **more}
    write(root / f"results/{run}/metrics/{name}.json", json.dumps(content))
    write(root / f"results/{run}/checkpoints/{name}.pt", "")
    if benchmark is not None:
        write(root / f"logs/{run}/benchmarks/{name}.tsv", f"s\th:m:s\tmax_rss\n{benchmark}\t0:00:01\t800.0\n")
    return root / f"results/{run}/metrics/{name}.json"


def test_a_training_that_went_on_took_more_than_its_last_start(params: Params, tmp_path: Path) -> None:
    counts = image_counts(tmp_path, Path(__file__).parents[2] / "benchmarks/images.csv", params)
    metrics(tmp_path, "a", pretrain(params), 1000.0, 100.0, images_per_second=50.0)  # resumed near its end
    metrics(tmp_path, "b", pretrain(params), 1000.0, 1010.0, images_per_second=50.0)
    two = [{"device": "Xeon"}, {"device": "H100"}]
    metrics(tmp_path, "c", pretrain(params), 1.0, images_per_second=50.0, machines=two)  # tells of neither
    write(tmp_path / "results/d/metrics/pretrain/old.json", '{"rule": "pretrain"}')
    found = measured(tmp_path, [], counts, tmp_path / "none.csv")
    assert [(each.seconds, each.work, each.machine) for each in found["pretrain patchvae, resnet9"]] == [
        (1000.0, Work(50_000, 32), XEON),
        (1010.0, Work(50_000, 32), XEON),
    ]


def test_images_are_those_of_the_packed_data(params: Params, tmp_path: Path, root: Path) -> None:
    counts = image_counts(tmp_path, root / "benchmarks/images.csv", params)
    assert counts("cifar100") == CIFAR and counts("digits") == Images(6000, 6000, 2000) and counts("mine") is None
    splits = {"train": {"count": 30, "labelled": 20}, "test": {"count": 10}}
    write(tmp_path / "data/packed/cifar100/manifest.json", json.dumps({"splits": splits}))
    assert counts("cifar100") == Images(30, 20, 10)
    write(tmp_path / "data/packed/cifar100/manifest.json", "[]")
    with pytest.raises(PatchVAEError, match="manifest.json: not the manifest"):
        counts("cifar100")


def test_disk_is_what_the_jobs_write(params: Params, tmp_path: Path) -> None:
    import torch

    from patchvae.models.factory import build_model, network_of

    config = pretrain(params, "patchvae") | {"snapshots": [3, 10]}
    model = build_model(network_of(config["model"]), 32)
    phi = model.encoder.backbone.state_dict()
    snapshots = {epoch: {key: value.clone() for key, value in phi.items()} for epoch in (3, 10)}
    torch.save({"model": model.state_dict(), "snapshots": snapshots}, tmp_path / "x.pt")
    assert checkpoint_bytes(config) == pytest.approx((tmp_path / "x.pt").stat().st_size, rel=0.02)
    assert data_bytes("prepare", {"image_size": 32}, CIFAR) == 60_000 * (3 * 32 * 32 + 8)
    masks = {"image_size": 32, "patch_size": 8, "per_channel": True}
    assert data_bytes("masks", masks, CIFAR) == 50_000 * 4 * 4 * 3 * 2
    assert data_bytes("prepare", {"image_size": 32}, None) is None and data_bytes("pretrain", {}, None) == 0


def test_the_table_in_benchmarks_is_read(root: Path, tmp_path: Path) -> None:
    rows = dict(tabled(root / "benchmarks/costs.csv"))
    assert "pretrain patchvae, resnet9" in rows and all(each.seconds > 0 for each in rows.values())
    assert machine_of("H100", 2, "bf16") == "H100, 2 threads, bf16"
    write(tmp_path / "costs.csv", ",".join(TABLE) + "\nXeon,one,fp32,probe,32,128,1.0\n")
    with pytest.raises(PatchVAEError, match="costs.csv: line 2 is no measurement"):
        list(tabled(tmp_path / "costs.csv"))


OVERLAY = """
run: small
data: {archives: [cifar100], shared: {datasets: []}, scenes: [], weighted: []}
table1:
  datasets: [cifar100]
  variants: [patchvae, random]
  regimes: [conv1-5]
  labelled: {variants: []}
  objectives: {plain: [patchvae], lw: [], gan: [], gan+lw: [], bigan: [], none: [random]}
table2: {datasets: []}
ablation_base: {keys: [num_parts], datasets: [cifar100]}
ablations: {num_parts: [4], part_dim: [], occurrence_prior: [], beta_occ: []}
claims: []
parts: {datasets: [], variants: [], pretrained: []}
figures: {datasets: []}
"""


def test_a_run_before_and_after(
    root: Path, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every cell of the output, from an earlier run of half the length and a run of which one job is done."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "small.yaml", OVERLAY)
    write(tmp_path / "images.csv", "dataset,train,labelled,test\ncifar100,1280,1280,128\n")
    checkout = cli.checkout
    monkeypatch.setattr(cli, "checkout", lambda name: tmp_path if name == "benchmarks" else checkout(name))
    earlier = pretrain(params) | {"epochs": 45, "precision": "fp32"}
    metrics(tmp_path, "earlier", earlier, 1800.0, images_per_second=45 * 1280 / 1800)

    def cost() -> list[str]:
        assert cli.main(["cost", "-p", str(root / "params.yaml"), "small.yaml"]) == 0
        return capsys.readouterr().out.splitlines()

    def cells(lines: list[str], start: str) -> list[str]:
        return re.split(r"  +", next(line.strip() for line in lines if line.strip().startswith(start)))

    lines = cost()
    assert lines[0] == "run small: 13 jobs"
    # Table 1: two models, two classifiers, the table, the data and their download; two trainings are of known kinds
    assert cells(lines, "Table 1") == ["Table 1", "7", "> 1.0", "6", "0.0043", "9.2"]
    # The sweep has its own pretraining and classifier and Table 1's
    assert cells(lines, "Sweep of num_parts") == ["Sweep of num_parts", "7", "> 2.0", "5", "0.0043", "12.1"]
    # Each job once: the shared ones are in both rows
    assert cells(lines, "All, each job once")[:5] == ["All, each job once", "13", "> 2.0", "11", "0.0043"]
    assert f"A: {XEON}" in lines
    origin = "results/earlier/metrics/pretrain/cifar100/patchvae/seed0.json"
    assert cells(lines, "pretrain patchvae")[1:] == ["2", "2.0", "x 2.0", origin]
    assert any("not measured: download cifar100; prepare cifar100" in line for line in lines)

    metrics(tmp_path, "small", pretrain(params), 4000.0, 5400.0, images_per_second=90 * 1280 / 4000)
    lines = cost()
    assert cells(lines, "Table 1")[:5] == ["Table 1", "7", "1", "1.5", "> 1.5"]
    assert "  jobs timed: 1, in 1.5 hours; without this run's own files they are put at 1.0" in lines
