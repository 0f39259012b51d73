"""What `--config` may hold: all that resolve() returns, and nothing that the parameters' schema would refuse."""

import copy
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT

from patchvae.config import get, load_params, put
from patchvae.errors import PatchVAEError
from patchvae.files import canonical
from patchvae.job_configs import check_config
from patchvae.plan import jobs
from patchvae.provenance import PACKAGE, source_files
from patchvae.resolve import resolve
from patchvae.schema import refuse_by_schema

Params = dict[str, Any]


def command(rule: str) -> str:
    return {"digit_scenes": "prepare", "parts": "score-parts"}.get(rule, rule.replace("_", "-"))


def configs(params: Params) -> Iterator[tuple[str, Params]]:
    """Every job's command and configuration; jobs of files alone have none."""
    for rule, wildcards in jobs(params):
        config = resolve(params, rule, wildcards)
        if config:
            yield command(rule), config


@pytest.mark.parametrize(
    "overlay", [None, "archives-smoke", "authors-code", "cifar100", "cifar100-quick", "demo", "miniature", "test"]
)
def test_every_job_of_every_run_passes_unchanged(root: Path, overlay: str | None) -> None:
    assert {path.stem for path in (root / "configs").glob("*.yaml")} == {
        "archives-smoke",
        "authors-code",
        "cifar100",
        "cifar100-quick",
        "demo",
        "miniature",
        "test",
    }
    overlays = [root / f"configs/{overlay}.yaml"] if overlay else []
    seen = set()
    for name, config in configs(load_params([root / "params.yaml", *overlays])):
        assert canonical(check_config(name, config).model_dump(mode="json", exclude_unset=True)) == canonical(config)
        seen.add(name)
    assert {"pretrain", "finetune", "table1", "figure-parts"} <= seen
    if overlay in ("cifar100", "test"):
        assert {"probe", "claims", "probe-table", "lengths", "sensitivity"} <= seen


def numbers(block: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in block.items():
        if isinstance(value, dict):
            yield from numbers(value, (*path, key))
        elif isinstance(value, int | float | str):
            yield (*path, key)


def accepted(check: Callable[..., Any], *arguments: Any) -> bool:
    try:
        check(*arguments)
    except PatchVAEError:
        return False
    return True


def readable(params: Params, rule: str, wildcards: Params) -> Params | None:
    try:
        return resolve(params, rule, wildcards)
    except (PatchVAEError, TypeError, AttributeError):  # the value is of a kind that cannot be read at all
        return None


def test_the_limits_are_those_of_the_schema(params: Params) -> None:
    """Whatever the schema refuses, and a job would read, is refused in the job's configuration too."""
    todo = {}
    for rule, wildcards in jobs(params):
        config = resolve(params, rule, wildcards)
        todo.setdefault((rule, config.get("model", {}).get("name")), (rule, wildcards))
    before = {key: resolve(params, *job) for key, job in todo.items()}
    compared = 0
    for path in numbers(params):
        for value in (True, "odd", -1, 2.0, 2**40):
            if path[-1] in ("format", "model", "regime") or value == get(params, path):
                continue  # decides on what other keys there are, or the schema has no list of its names
            if path[-2:] == ("temperature", "floor") and value == 2.0:
                continue  # above `start`, which no schema can say
            new = put(params, path, value)
            edited = {
                key: config for key, job in todo.items() if (config := readable(new, *job)) not in (None, before[key])
            }
            allowed = bool(edited) and accepted(refuse_by_schema, new, "")
            for (rule, _), config in edited.items():
                compared += 1
                assert accepted(check_config, command(rule), config) == allowed, (path, value, rule)
    assert compared > 300


PRETRAIN = ("pretrain", {"dataset": "cifar100", "variant": "patchvae-gan", "seed": 0})
FINETUNE = ("finetune", {"dataset": "cifar100", "variant": "patchvae", "regime": "conv1", "head": "table12", "seed": 0})


@pytest.mark.parametrize(
    ("job", "key", "value", "said"),
    [
        (
            PRETRAIN,
            "precision",
            "fp16",
            "precision: input should be 'auto', 'fp32' or 'bf16', not 'fp16'; did you mean",
        ),
        (PRETRAIN, "epochs", 90.0, "epochs: input should be a valid integer, not 90.0"),
        (PRETRAIN, "epochs", True, "epochs: input should be a valid integer, not True"),
        (PRETRAIN, "epochs", "90", "epochs: input should be a valid integer, not '90'"),
        (PRETRAIN, "lr", True, "lr: input should be a valid number, not True"),
        (PRETRAIN, "lr", math.nan, "lr: input should be"),
        (PRETRAIN, "lr", 10**400, "lr: input should be"),
        (PRETRAIN, "flip", 0, "flip: input should be a valid boolean, not 0"),
        (PRETRAIN, "epoch_images", 2e4, "epoch_images: input should be 'dataset' or input should be a valid integer"),
        (PRETRAIN, "seed", 2**32, "seed: input should be less than 4294967296"),
        (PRETRAIN, "image_size", 36, "image_size: input should be a multiple of 8"),
        (PRETRAIN, "dataset", "../up", "dataset: string should match"),
        (PRETRAIN, "dataset", "cifar100\n", "dataset: string should match"),
        (PRETRAIN, "epohcs", 3, "epohcs: unknown key; did you mean epochs?"),
        (PRETRAIN, "epochs", KeyError, "epochs: missing"),
        (PRETRAIN, "gan", [], "gan: input should be a JSON object, not []"),
        (PRETRAIN, "gan.weight", -1, "gan.weight: input should be greater than or equal to 0"),
        (PRETRAIN, "model", KeyError, "model.name: None is none of"),
        (PRETRAIN, "model", "patchvae", "model.name: None is none of"),
        (PRETRAIN, "model.name", "patchvea", "model.name: 'patchvea' is none of"),
        (PRETRAIN, "model.name", ["patchvae"], "model.name: ['patchvae'] is none of"),
        (PRETRAIN, "model.name", "beta-vae", "does not belong here"),
        (PRETRAIN, "model.num_parts", 1, "model.num_parts: input should be greater than or equal to 2"),
        (PRETRAIN, "model.beta_occ", KeyError, "model.beta_occ: missing"),
        (PRETRAIN, "model.latent_dim", 96, "model.latent_dim: does not belong here"),
        (PRETRAIN, "model.occurrence_prior", "1/n", "model.occurrence_prior: input should be '1/N'"),
        (PRETRAIN, "model.temperature.strat", 1.0, "model.temperature.strat: unknown key; did you mean start?"),
        (PRETRAIN, "model.temperature.floor", 2.0, "floor: 2.0 is above start = 1.0"),
        (PRETRAIN, "snapshots", [3, 90], "snapshots: 90 is not before the last of 90 epochs"),
        (PRETRAIN, "adam_betas", [0.9], "adam_betas: list should have at least 2 items"),
        (PRETRAIN, "adam_betas", [0.9, 1.0], "adam_betas.1: input should be less than 1"),
        (FINETUNE, "regime", "conv2", "regime: input should be"),
        (FINETUNE, "head", "a/b", "head: string should match"),
        (FINETUNE, "head_relu", KeyError, "head_relu: missing"),
        (FINETUNE, "pretrained.snapshot", 0, "pretrained.snapshot: input should be greater than or equal to 1"),
        (FINETUNE, "pretrained.snapshot", KeyError, "pretrained.snapshot: missing"),
        (FINETUNE, "backbone", "resnet18", ""),
        (FINETUNE, "image_size", 40, ""),
        (FINETUNE, "pretrained.variant", "a/b", "pretrained.variant: string should match"),
        (("masks", {"dataset": "cifar100"}), "patch_size", 7, "image_size: 32 is not a multiple of patch_size = 7"),
        (("download", {"dataset": "cifar100"}), "sources", {}, "sources: dictionary should have at least 1 item"),
        (("download", {"dataset": "cifar100"}), "sources", {"../x": {}}, "sources"),
        (("prepare", {"dataset": "cifar100"}), "format", "cifar10", "did you mean cifar100?"),
        (("digit_scenes", {"dataset": "digits"}), "num_classes", 9, "num_classes: input should be 10"),
        (("table1", {}), "seeds", [0, 0], "seeds: input should hold nothing twice"),
        (("table1", {}), "run", "../up", "run: string should match"),
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
        check_config(command(job[0]), config)
        if "backbone" in config and key == "image_size":
            with pytest.raises(PatchVAEError, match="image_size: 40 is not a multiple of resnet18's stride 32"):
                check_config(command(job[0]), config | {"backbone": "resnet18"})
        return
    with pytest.raises(PatchVAEError) as caught:
        check_config(command(job[0]), config)
    assert str(caught.value).startswith("--config: ") and said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_a_command_with_a_configuration_waits_for_pydantic() -> None:
    script = "import sys; from patchvae import cli; cli.parser(); sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": "src"}, cwd=ROOT).returncode == 0
    for module in ("patchvae.training.pretrain", "patchvae.training.finetune", "patchvae.data.prepare"):
        assert PACKAGE / "job_configs.py" not in source_files(module)
