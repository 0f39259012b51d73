"""The plan, the Snakefile and dvc.yaml describe the same jobs, and what the rules show of them is true."""

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import helpers
import pytest
from helpers import ROOT, environment, rule_texts

sys.path.insert(0, str(ROOT / "workflow"))

from ruamel.yaml import YAML
from stages import with_stages

from patchvae.params.reading import load_params
from patchvae.plan.jobs import Job, planned
from patchvae.plan.layout import KINDS, OUTPUTS
from patchvae.plan.reports import REPORTS

OVERLAYS = {"paper": [], **{path.stem: [path] for path in helpers.OVERLAYS}}
# Sweeps that the paper does not have: dvc.yaml is as workflow/stages.py then writes it
OVERLAYS["sweeps"] = [ROOT / "configs/demo.yaml", Path(__file__).with_name("sweeps.yaml")]
# The paper's jobs with other values
SLOW = {"authors-code"}


class Stage(NamedTuple):
    command: str
    deps: frozenset[str]
    outs: frozenset[str]
    cached: frozenset[bool]


class Engines(NamedTuple):
    name: str
    jobs: dict[str, Job]  # the plan's, by their files
    rules: dict[str, dict[str, Any]]  # Snakemake's
    stages: dict[str, Stage]  # DVC's


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
        return [
            Stage(
                stage.cmd,
                frozenset(dep.def_path for dep in stage.deps),
                frozenset(out.def_path for out in stage.outs),
                frozenset(out.use_cache for out in stage.outs),
            )
            for stage in repo.index.stages
            if stage.name != "plan"
        ]


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in OVERLAYS]
)
def engines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, bare: Path) -> Engines:
    return found(request.param, tmp_path_factory, bare)


KNOWN: dict[str, Engines] = {}


def found(name: str, tmp_path_factory: pytest.TempPathFactory, bare: Path) -> Engines:
    """What each says of the jobs of a configuration."""
    if name not in KNOWN:
        overlays = OVERLAYS[name]
        params = load_params([ROOT / "params.yaml", *overlays])
        command = [sys.executable, "tests/workflow/dag.py", *map(str, overlays)]
        done = subprocess.run(command, cwd=bare, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        rules, jobs = json.loads(done.stdout), planned(params)
        stages = read_stages(tmp_path_factory.mktemp("dvc"), params)
        commands = [stage.command for stage in stages]
        assert len({*commands}) == len(commands)
        assert len({job.path for job in jobs}) == len(jobs)
        assert len({job["file"] for job in rules}) == len(rules)
        KNOWN[name] = Engines(
            name,
            {job.path: job for job in jobs},
            {job["file"]: job for job in rules},
            {stage.command.removeprefix("workflow/job "): stage for stage in stages},
        )
    return KNOWN[name]


def test_all_have_the_same_jobs(engines: Engines) -> None:
    assert engines.jobs.keys() == engines.rules.keys() == engines.stages.keys()
    assert {path: job.rule for path, job in engines.jobs.items()} == {
        path: job["rule"] for path, job in engines.rules.items()
    }


def test_a_rule_has_the_files_of_the_plan(engines: Engines) -> None:
    for path, job in engines.jobs.items():
        rule = engines.rules[path]
        assert sorted(rule["inputs"]) == sorted(job.reads), path
        assert sorted(rule["outputs"]) == sorted([*job.makes, job.record]), path
        assert rule["log"] == [job.log]
        assert rule["benchmark"] == job.benchmark
        assert rule["command"] == f"python -m patchvae.cli run {path} --threads {rule['threads']}"
        assert rule["wildcards"].items() <= {name: str(value) for name, value in job.wildcards.items()}.items()


def test_downloads_and_tables_are_not_submitted_to_a_cluster(engines: Engines) -> None:
    """Snakemake's `use rule` does not inherit `localrule`."""
    for path, job in engines.jobs.items():
        assert engines.rules[path]["local"] == (job.rule in {"download", "inception", *REPORTS}), path


def test_a_stage_has_the_files_of_the_plan(engines: Engines) -> None:
    made = {path for job in engines.jobs.values() for path in job.makes}
    for path, job in engines.jobs.items():
        stage, inputs = engines.stages[path], set[str]()
        assert stage.outs == {*job.makes, job.record}, path
        assert path in stage.deps
        for dep in stage.deps - {path}:
            if dep in made or (ROOT / dep).is_file():
                inputs.add(dep)
            elif dep == "paper":  # stands for the file of a sweep, which not every one has
                inputs |= {name for name in job.reads if name.startswith("paper/sweep_")}
            else:  # a folder stands for what is made in it
                inputs |= {name for name in made if name.startswith(f"{dep}/")}
        assert inputs == {*job.reads}, path


def test_a_file_belongs_to_one_job(engines: Engines) -> None:
    for kind in ("makes", "record", "log", "benchmark", "path"):
        named = [getattr(job, kind) for job in engines.jobs.values()]
        owned = [path for files in named for path in ([files] if isinstance(files, str) else files)]
        assert len(owned) == len(set(owned)), kind


def test_no_job_stands_before_one_that_it_needs(engines: Engines) -> None:
    before: set[str] = set()
    makers = {path: job.path for job in engines.jobs.values() for path in job.makes}
    for path, job in engines.jobs.items():
        assert {*job.after} <= before
        assert {*job.after} == {makers[name] for name in job.reads if name in makers}
        before.add(path)


def test_what_is_in_git_is_small_and_what_is_large_is_cached(engines: Engines) -> None:
    for path, stage in engines.stages.items():
        in_git = all("/tables/" in out or "/figures/" in out or "/summary." in out for out in stage.outs)
        assert stage.cached == {not in_git}, path


# ---- the text of the rules


def shown() -> dict[str, list[str]]:
    """Rule -> the file of its jobs, and the inputs that the rule shows."""
    calls = {name: re.findall(r" inputs_of\((.*?)\),\n", text, re.S) for name, text in rule_texts().items()}
    assert all(len(found) == 1 for found in calls.values())
    return {name: re.findall('"([^"]+)"', found[0]) for name, found in calls.items()}


def matches(pattern: str, wildcards: dict[str, str], path: str) -> bool:
    """Whether a rule's text means a file: a job's own wildcards are filled in, other names are part of a name."""
    parts = re.split(r"(\{\w+\}|\*\*)", pattern)
    names = {f"{{{key}}}": re.escape(value) for key, value in wildcards.items()} | {"**": ".+"}
    expected = [names.get(part, "[^/]+" if part.startswith("{") else re.escape(part)) for part in parts]
    return re.fullmatch("".join(expected), path) is not None


def test_a_rule_shows_every_input_and_none_that_there_is_not(
    tmp_path_factory: pytest.TempPathFactory, bare: Path
) -> None:
    rules, used = shown(), defaultdict[str, set[str]](set)
    assert rules.keys() == KINDS.keys()
    for name in OVERLAYS:
        if name in SLOW:
            continue
        for path, job in found(name, tmp_path_factory, bare).rules.items():
            file, *patterns = rules[job["rule"]]
            assert matches(file, job["wildcards"], path)
            for file in job["inputs"]:
                meant = [pattern for pattern in patterns if matches(pattern, job["wildcards"], file)]
                assert meant, f"{job['rule']} does not show {file}"
                used[job["rule"]].update(meant[:1])
    for rule, (_, *patterns) in rules.items():
        assert {*patterns} == used[rule], rule


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


def test_the_stages_are_as_written_from_the_tables() -> None:
    text, params = (ROOT / "dvc.yaml").read_text(encoding="utf-8"), load_params([ROOT / "params.yaml"])
    assert with_stages(text, params) == text
    params["ablations"]["finetune.lr"] = [0.1]  # a name that DVC would take for a path
    assert with_stages(text, params) == text
