"""dvc.yaml and the Snakefile describe the same jobs: same files, and the parts of params.yaml that resolve() reads."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import helpers
import pytest
from helpers import ROOT, environment

sys.path.insert(0, str(ROOT / "workflow"))

from layout import OUTPUTS, fingerprints, jobs, shell_commands
from ruamel.yaml import YAML
from stages import with_stages

from patchvae.config import load_params
from patchvae.errors import PatchVAEError
from patchvae.resolve import resolve
from patchvae.variants import packed

OVERLAYS = {"paper": [], **{path.stem: [path] for path in helpers.OVERLAYS}}
# Sweeps that the paper does not have: dvc.yaml is as workflow/stages.py then writes it
OVERLAYS["sweeps"] = [ROOT / "configs/demo.yaml", Path(__file__).with_name("sweeps.yaml")]


class Stage(NamedTuple):
    name: str
    rule: str
    target: str
    deps: frozenset[str]
    outs: frozenset[str]
    params: frozenset[str]
    cached: bool


class Engines(NamedTuple):
    params: dict[str, Any]
    jobs: list[dict[str, Any]]  # Snakemake's
    stages: dict[frozenset[str], Stage]  # DVC's, by their outs


def read_stages(place: Path, params: dict[str, Any]) -> list[Stage]:
    """The stages that DVC makes of dvc.yaml and these parameters, in a folder of their own."""
    from dvc.repo import Repo

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.dump(params, place / "params.yaml")
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    if params["run"] == "sweeps":
        text = with_stages(text, params)
    (place / "dvc.yaml").write_text(text, encoding="utf-8")
    with Repo.init(str(place), no_scm=True) as repo:
        stages = [stage for stage in repo.index.stages if stage.name != "check"]
        return [
            Stage(
                stage.name,
                *stage.cmd.split()[1:],
                frozenset(dep.def_path for dep in stage.deps if not hasattr(dep, "params")),
                frozenset(out.def_path for out in stage.outs),
                frozenset(name for dep in stage.deps if hasattr(dep, "params") for name in dep.params),
                all(out.use_cache for out in stage.outs),
            )
            for stage in stages
        ]


# The paper's jobs with other values
SLOW = {"authors-code"}


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in OVERLAYS]
)
def engines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engines:
    overlays = OVERLAYS[request.param]
    params = load_params([ROOT / "params.yaml", *overlays])
    command = [sys.executable, "tests/workflow/dag.py", *map(str, overlays)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = [job for job in json.loads(done.stdout) if job["rule"] != "all"]
    stages = read_stages(tmp_path_factory.mktemp("dvc"), params)
    by_outs = {stage.outs: stage for stage in stages}
    assert len(by_outs) == len(stages)
    return Engines(params, found, by_outs)


def test_every_job_is_one_stage_that_asks_for_it(engines: Engines) -> None:
    planned = {(rule, OUTPUTS[rule][0].format(**wildcards)) for rule, wildcards in jobs(engines.params)}
    assert {(stage.rule, stage.target) for stage in engines.stages.values()} == planned
    by_outputs = {frozenset(job["outputs"]): job["rule"] for job in engines.jobs}
    assert len(by_outputs) == len(engines.jobs)
    assert by_outputs == {stage.outs: stage.rule for stage in engines.stages.values()}
    for rule, wildcards in jobs(engines.params):
        assert frozenset(path.format(**wildcards) for path in OUTPUTS[rule]) in by_outputs


def test_the_longest_names_make_no_part_of_a_path_too_long() -> None:
    """The lengths that the schema allows; `files.atomic` puts .NAME.NUMBER.partial beside a file."""
    longest = {
        "run": "r" * 64,
        "head": "h" * 64,
        "dataset": "d" * 64,
        "regime": "conv1-5",
        "seed": 2**32 - 1,
        "figure": "figure1",
        "floor": "pixels",
    }
    longest |= {"variant": f"{'v' * 64}.{'k' * 64}={'w' * 64}", "table": "k" * 64, "key": "k" * 64}
    parts = [part for paths in OUTPUTS.values() for path in paths for part in path.format(**longest).split("/")]
    assert 190 < max(map(len, parts)) <= 255 - len("..4194304.partial")


def test_a_file_belongs_to_one_stage(engines: Engines) -> None:
    owned = [path for outs in engines.stages for path in outs]
    assert len(owned) == len(set(owned))
    assert {path for job in engines.jobs for path in job["outputs"]} == set(owned)


def test_a_stage_depends_on_the_inputs_of_its_job(engines: Engines) -> None:
    made = {path for outs in engines.stages for path in outs}
    code = {f"data/code/{name}": content["sha256"] for name, content in fingerprints(engines.params)}
    for job in engines.jobs:
        stage = engines.stages[frozenset(job["outputs"])]
        inputs: set[str] = set()
        assert [code[dep] for dep in stage.deps if dep in code] == [job["code"]], stage.name
        for dep in stage.deps:
            if dep in code:
                continue
            if dep in made or (ROOT / dep).is_file():
                inputs.add(dep)
            elif dep == "paper":  # stands for the file of a sweep, which not every one has
                inputs |= {path for path in job["inputs"] if path.startswith("paper/sweep_")}
            else:  # a folder stands for what is made in it
                inputs |= {path for path in made if path.startswith(dep + "/")}
        assert inputs == set(job["inputs"]), stage.name


def test_what_is_in_git_is_small_and_what_is_large_is_cached(engines: Engines) -> None:
    for stage in engines.stages.values():
        in_git = all("/tables/" in path or "/figures/" in path or "/summary." in path for path in stage.outs)
        assert stage.cached != in_git, stage.name


def test_every_rule_has_its_shell_command_in_a_fingerprint() -> None:
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk"))
    found = shell_commands()
    assert all(found.values())
    assert len({text for texts in found.values() for text in texts}) == len(re.findall("^ +shell:\n", rules, re.M))


def leaves(block: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in block.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        elif value not in (None, []):
            yield (*path, key), value


def other(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return value[:-1] if isinstance(value[0], str) else [*value, other(value[-1])]
    return value + 1 if isinstance(value, int | float) else f"{value}x"


def replaced(params: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    new = copy.deepcopy(params)
    node = new
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return new


def resolved(params: dict[str, Any], rule: str, wildcards: dict[str, Any]) -> dict[str, Any] | None:
    """The job's configuration, or None where the parameters no longer name what it is about."""
    try:
        return resolve(params, rule, wildcards)
    except PatchVAEError:
        return None


# Names of something else in params.yaml, without meaning when changed alone; they are in paths and commands.
NAMES = {"ablation_base.variant", "table2.supervised", "table2.datasets", "parts.variants"}


def test_a_stage_declares_the_params_that_its_job_reads(engines: Engines) -> None:
    """Change each value in turn: the jobs whose configuration changes are the stages that DVC would call changed."""
    params = engines.params
    todo = {
        frozenset(path.format(**wildcards) for path in OUTPUTS[rule]): (rule, wildcards)
        for rule, wildcards in jobs(params)
    }
    before = {outs: resolve(params, rule, wildcards) for outs, (rule, wildcards) in todo.items()}
    used = set(packed(params))
    for path, value in leaves(params):
        dotted = ".".join(path)
        if dotted in NAMES or (path[0] == "datasets" and path[1] not in used):
            continue
        new = replaced(params, path, other(value))
        planned = [*jobs(new)] if path[0] in ("table1", "ablations") else list(todo.values())
        after = {outs: resolved(new, *job) for outs, job in todo.items() if job in planned}
        read = {outs for outs, config in after.items() if config is not None and config != before[outs]}
        declared = {
            outs
            for outs, stage in engines.stages.items()
            if after.get(outs) is not None
            and any(dotted == name or dotted.startswith(f"{name}.") for name in stage.params)
        }
        if path[0] == "heads" and path[1] not in {*params["table1"]["heads"], *params["sensitivity"]["heads"]}:
            # No stage can pick by a list, so the table of settings is written again, for a second, after any head.
            declared = {outs for outs in declared if engines.stages[outs].rule != "sensitivity"}
        if path[0] == "finetune":
            # Nor leave out what the head of a cell sets itself: `finetune` is declared whole.
            heads = {outs: params["heads"].get(todo[outs][1].get("head"), {}) for outs in declared}
            declared = {outs for outs in declared if path[1] not in heads[outs]}
        names = {outs: engines.stages[outs].name for outs in read | declared}
        assert read <= declared, (dotted, "DVC would miss", sorted(names[outs] for outs in read - declared)[:3])
        assert declared <= read, (dotted, "DVC would run again", sorted(names[outs] for outs in declared - read)[:3])


def test_the_stages_are_as_written_from_the_tables() -> None:
    text, params = (ROOT / "dvc.yaml").read_text(encoding="utf-8"), load_params([ROOT / "params.yaml"])
    assert with_stages(text, params) == text
    params["ablations"]["finetune.lr"] = [0.1]  # a name that DVC would take for a path
    assert with_stages(text, params) == text
