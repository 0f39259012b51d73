"""The committed tables are what the committed metrics files say, byte by byte."""

import json
import re
import subprocess

import pytest
from helpers import ROOT
from table_files import table

from patchvae.jobs.work import write_files
from patchvae.params.checks import checked_params
from patchvae.params.measuring import FLOORS
from patchvae.params.reading import read_yaml
from patchvae.plan.settings import resolve
from patchvae.records.metrics_files import read_metrics
from patchvae.records.record import Record, digest_of
from patchvae.report.readme import BEGIN, END, joined, relinked, replace_between
from patchvae.report.tables.summary import report as report_summary
from patchvae.report.tables.table1 import report as report_table1
from patchvae.report.tables.words import HEADS

README = (ROOT / "README.md").read_text(encoding="utf-8")


def committed():
    """Every file below results/ that git tracks, or that is there where there is no git."""
    listed = subprocess.run(["git", "ls-files", "-z", "--", "results"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        return sorted(path for path in (ROOT / "results").rglob("*") if path.is_file())
    return sorted(ROOT / name for name in listed.stdout.split("\0") if name)


FILES = committed()
RUNS = sorted({path.relative_to(ROOT).parts[1] for path in FILES if path.relative_to(ROOT).parts[2] == "metrics"})
NONE = pytest.param(None, marks=pytest.mark.skip(reason="no run's metrics files are committed"))
every_run = pytest.mark.parametrize("run", RUNS or [NONE])


def metrics_of(run, *folders):
    """The committed metrics files of a run, or those below a folder."""
    place = ROOT.joinpath("results", run, "metrics", *folders)
    return [path for path in FILES if path.is_relative_to(place) and path.suffix == ".json"]


@every_run
def test_tables_print_names_of_classifiers_not_their_keys(run):
    keys = "|".join(key for key in HEADS if key.startswith(("table", "authors")))  # others are words of sentences, too
    found = [
        (path.name, text)
        for path in FILES
        if path.parent.name == "tables" and path.parent.parent.name == run and path.suffix == ".md"
        # "authors' code" is no key
        for text in re.findall(rf"(?<![\w'+])(?:{keys})(?![\w'+])", path.read_text(encoding="utf-8"))
    ]
    assert found == []


def params_of(run):
    """The parameters of a run: those of params.yaml, or with the overlay that names it."""
    overlays = [path for path in sorted((ROOT / "configs").glob("*.yaml")) if read_yaml(path).get("run") == run]
    params = checked_params([ROOT / "params.yaml", *overlays])
    assert params["run"] == run
    return params


@every_run
def test_the_table_is_rebuilt_from_its_metrics(run, tmp_path):
    config = resolve(params_of(run), "table1", {"run": run})
    rebuilt = table(tmp_path, "table1") | {"seeds_csv": tmp_path / "table1_seeds.csv"}
    files = metrics_of(run, "finetune", "table1")
    write_files(report_table1(config, ROOT / "paper" / "table1.csv", files), rebuilt)
    for path in rebuilt.values():
        there = ROOT / "results" / run / "tables" / path.name
        assert there in FILES
        assert path.read_bytes() == there.read_bytes(), path.name


@every_run
def test_results_are_what_their_records_say_was_written(run):
    """A number that somebody typed into a metrics file or a table is another content than the recorded one."""
    records = [path for path in FILES if path.suffix == ".record" and path.parts[len(ROOT.parts) + 1] == run]
    wrote = {}
    for path in records:
        wrote |= Record.load(path).wrote
    results = [*metrics_of(run), *(path for path in FILES if path.parent == ROOT / "results" / run / "tables")]
    for path in results:
        if path.suffix != ".record":
            assert wrote[path.relative_to(ROOT).as_posix()] == digest_of(path), path


def test_no_table_of_stand_in_data_is_committed():
    tables = [path for path in FILES if path.suffix == ".md" and path.parent.name == "tables"]
    assert tables
    assert [path for path in tables if "on stand-in data" in path.read_text(encoding="utf-8")] == []


@every_run
def test_the_summary_is_rebuilt_from_its_tables(run):
    there = ROOT / "results" / run / "summary.json"
    if there not in FILES:
        pytest.skip(f"run {run} has no committed summary")
    tables = [path for path in FILES if path.parent == there.parent / "tables" and path.suffix == ".csv"]
    assert report_summary({}, tables)["out"] == there.read_text(encoding="utf-8")


@every_run
def test_the_readme_shows_the_committed_answer(run):
    if BEGIN.format(name=run) not in README:
        pytest.skip(f"README.md has no marks of run {run}")
    answer = ROOT / "results" / run / "tables" / "answer.md"
    assert answer in FILES
    answers = [path for path in (answer, answer.with_name("decision_answer.md")) if path.is_file()]
    text = joined([path.read_text(encoding="utf-8") for path in answers])
    assert replace_between(README, run, relinked(text, answer.parent, ROOT)) == README


def test_the_first_screen_answers_before_it_speaks_of_engines():
    """The answer, the picture and the table come before commands."""
    run = "cifar100"
    order = [README.index(part) for part in (BEGIN.format(name=run), "![", "|Model", END.format(name=run), "make demo")]
    assert order == sorted(order)
    assert "Snakemake" not in README[: order[0]]
    first = (ROOT / "results" / run / "tables" / "answer.md").read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("**") and first.endswith(".**")


def test_the_readme_shows_no_table_of_a_run_that_is_not_committed():
    marked = [path.stem for path in sorted((ROOT / "configs").glob("*.yaml"))]
    marked = [name for name in marked if BEGIN.format(name=name) in README]
    assert marked
    for name in set(marked) - set(RUNS):
        assert "|" not in README.split(BEGIN.format(name=name))[1].split(END.format(name=name))[0], name


def differing(ran, now):
    """Keys of a configuration that has been run whose value is another one now; keys that came later aside."""
    return [
        key
        for key, value in ran.items()
        if (differing(value, now[key]) if isinstance(value, dict) and isinstance(now[key], dict) else value != now[key])
    ]


@every_run
def test_the_configuration_is_still_the_one_that_was_run(run):
    params = params_of(run)
    for path in metrics_of(run):
        metrics = json.loads(path.read_text())
        rule, job = metrics["rule"], metrics
        if metrics["variant"] in FLOORS:
            place = {key: metrics[key] for key in ("dataset", "seed")}
            rule, job = "few_labels_pixels", {**place, "floor": metrics["variant"]}
        assert differing(metrics["config"], resolve(params, rule, job)) == [], path


@every_run
def test_metrics_files_keep_to_their_schema(run):
    for path in metrics_of(run):
        read_metrics(path)
