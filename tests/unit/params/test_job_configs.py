"""What a job's configuration may hold: all that `resolve` returns, and nothing that the parameters' model refuses."""

import copy
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers import OVERLAYS, ROOT
from job_files import jobs

from patchvae.errors import PatchVAEError
from patchvae.files import canonical
from patchvae.params.configs import check_config
from patchvae.params.reading import get, load_params
from patchvae.plan.settings import resolve

Params = dict[str, Any]


@pytest.mark.parametrize("overlay", [None, *(path.stem for path in OVERLAYS)])
def test_every_job_of_every_run_passes_unchanged(root: Path, overlay: str | None) -> None:
    overlays = [root / f"configs/{overlay}.yaml"] if overlay else []
    seen = set()
    params = load_params([root / "params.yaml", *overlays])
    for rule, wildcards in jobs(params):
        config = resolve(params, rule, wildcards)
        assert canonical(check_config(rule, config).given) == canonical(config)
        seen.add(rule)
    assert {"pretrain", "finetune", "table1"} <= seen
    if overlay in ("cifar100", "test"):
        measured = {"figure_parts", "probe", "claims", "probe_table", "lengths", "sensitivity", "rates", "scale_free"}
        assert measured | {"few_labels", "few_labels_table"} <= seen


PRETRAIN = ("pretrain", {"dataset": "cifar100", "variant": "patchvae-gan", "seed": 0})
FINETUNE = ("finetune", {"dataset": "cifar100", "variant": "patchvae", "regime": "conv1", "head": "table12", "seed": 0})


@pytest.mark.parametrize("job", [PRETRAIN, FINETUNE])
def test_only_a_gpu_without_determinism_makes_another_configuration(job: tuple[str, Params], params: Params) -> None:
    """So that results from before there was the key, and of CPUs, keep theirs."""
    usual, free = (resolve(params | {"deterministic": value}, *job) for value in (True, False))
    assert "deterministic" not in usual and free == usual | {"deterministic": False}
    assert check_config(job[0], usual).deterministic is True
    assert check_config(job[0], free).deterministic is False


@pytest.mark.parametrize(
    ("job", "key", "value", "said"),
    [
        (
            PRETRAIN,
            "precision",
            "fp16",
            "precision: 'fp16' is not 'auto', 'fp32' or 'bf16'; did you mean",
        ),
        (PRETRAIN, "epochs", 90.0, "epochs: 90.0 is not a whole number; write 90"),
        (PRETRAIN, "epochs", True, "epochs: True is not a whole number"),
        (PRETRAIN, "epochs", "90", "epochs: '90' is not a whole number"),
        (PRETRAIN, "lr", True, "lr: True is not a number"),
        (PRETRAIN, "lr", math.nan, "lr: nan is not"),
        (PRETRAIN, "lr", 10**400, "lr: 0x"),
        (PRETRAIN, "flip", 0, "flip: 0 is not true or false"),
        (PRETRAIN, "epoch_images", 2e4, "epoch_images: 20000.0 is not 'dataset' or a whole number; write 20000"),
        (PRETRAIN, "seed", 2**32, "seed: 4294967296 is not at most 4294967295"),
        (PRETRAIN, "image_size", 36, "image_size: 36 is not a multiple of 8"),
        (PRETRAIN, "dataset", "../up", "dataset: '../up' is not a name of at most 64"),
        (PRETRAIN, "dataset", "cifar100\n", "dataset: 'cifar100\\n' is not a name"),
        (PRETRAIN, "epohcs", 3, "epohcs: unknown key; did you mean epochs?"),
        (PRETRAIN, "epochs", KeyError, "epochs: missing"),
        (PRETRAIN, "gan", [], "gan: [] is not a mapping of keys to values"),
        (PRETRAIN, "gan.weight", -1, "gan.weight: -1 is not at least 0"),
        (PRETRAIN, "model", KeyError, "model.name: None is not one of"),
        (PRETRAIN, "model", "patchvae", "model.name: None is not one of"),
        (PRETRAIN, "model.name", "patchvea", "model.name: 'patchvea' is not one of"),
        (PRETRAIN, "model.name", ["patchvae"], "model.name: ['patchvae'] is not one of"),
        (PRETRAIN, "model.name", "beta-vae", "unknown key"),
        (PRETRAIN, "model.num_parts", 1, "model.num_parts: 1 is not at least 2"),
        (PRETRAIN, "model.beta_occ", KeyError, "model.beta_occ: missing"),
        (PRETRAIN, "model.latent_dim", 96, "model.latent_dim: unknown key"),
        (PRETRAIN, "model.occurrence_prior", "1/n", "model.occurrence_prior: '1/n' is not '1/N'"),
        (PRETRAIN, "model.temperature.strat", 1.0, "model.temperature.strat: unknown key; did you mean start?"),
        (PRETRAIN, "model.temperature.floor", 2.0, "floor: 2.0 is above start = 1.0"),
        (PRETRAIN, "snapshots", [3, 90], "snapshots: 90 is not before the last of 90 epochs"),
        (PRETRAIN, "adam_betas", [0.9], "adam_betas: [0.9] is not of length 2 or more"),
        (PRETRAIN, "adam_betas", [0.9, 1.0], "adam_betas.1: 1.0 is not less than 1"),
        (FINETUNE, "regime", "conv2", "regime: 'conv2' is not"),
        (FINETUNE, "head", "a/b", "head: 'a/b' is not a name"),
        (FINETUNE, "head_relu", KeyError, "head_relu: missing"),
        (FINETUNE, "pretrained.snapshot", 0, "pretrained.snapshot: 0 is not at least 1"),
        (FINETUNE, "pretrained.snapshot", KeyError, "pretrained.snapshot: missing"),
        (FINETUNE, "backbone", "resnet18", ""),
        (FINETUNE, "image_size", 40, ""),
        (FINETUNE, "pretrained.variant", "a/b", "pretrained.variant: 'a/b' is not a row's name"),
        (("masks", {"dataset": "cifar100"}), "patch_size", 7, "image_size: 32 is not a multiple of patch_size = 7"),
        (("download", {"dataset": "cifar100"}), "sources", {}, "sources: {} is not of length 1 or more"),
        (("download", {"dataset": "cifar100"}), "sources", {"../x": {}}, "sources"),
        (("prepare", {"dataset": "cifar100"}), "format", "cifar10", "did you mean cifar100?"),
        (("digit_scenes", {"dataset": "digits"}), "num_classes", 9, "num_classes: 9 is not 10"),
        (("table1", {}), "seeds", [0, 0], "seeds: [0, 0] is not a list that holds nothing twice"),
        (("table1", {}), "run", "../up", "run: '../up' is not a name"),
    ],
)
def test_a_configuration_by_hand_is_held_to_its_model(
    params: Params, job: tuple[str, Params], key: str, value: Any, said: str
) -> None:
    config = copy.deepcopy(resolve(params, *job))
    *parents, last = key.split(".")
    block = get(config, parents)
    if value is KeyError:
        del block[last]
    else:
        block[last] = value
    if not said:  # fine by itself: resnet18's stride divides 32, and 40 is one of resnet9's
        check_config(job[0], config)
        if "backbone" in config and key == "image_size":
            with pytest.raises(PatchVAEError, match="image_size: 40 is not a multiple of resnet18's stride 32"):
                check_config(job[0], config | {"backbone": "resnet18"})
        return
    with pytest.raises(PatchVAEError) as caught:
        check_config(job[0], config)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rule", ["mask", "few-labels", "", "table9", "report"])
def test_an_unknown_rule_is_named(rule: str) -> None:
    with pytest.raises(PatchVAEError, match=f"'{rule}'"):
        check_config(rule, {})


def test_a_whole_number_stays_as_it_is_written(params: Params) -> None:
    """1.0 for 1 would be another configuration of a job that was run."""
    config = resolve(params, *PRETRAIN) | {"lr": 1}
    assert canonical(check_config("pretrain", config).given) == canonical(config)


def test_only_a_command_with_a_configuration_waits_for_pydantic() -> None:
    script = "import sys; from patchvae import cli; cli.parser(); sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": "src"}, cwd=ROOT).returncode == 0


@pytest.mark.parametrize("job", [PRETRAIN, FINETUNE, ("probe", FINETUNE[1]), ("masks", FINETUNE[1])])
def test_a_configuration_is_checked_without_torch(params: Params, job: tuple[str, Params]) -> None:
    config = canonical(resolve(params, *job))
    script = "import sys, json; from patchvae.params.configs import check_config;"
    script += f"check_config({job[0]!r}, json.loads(sys.argv[1])); sys.exit('torch' in sys.modules)"
    command = [sys.executable, "-c", script, config]
    assert subprocess.run(command, env={"PYTHONPATH": "src"}, cwd=ROOT).returncode == 0
