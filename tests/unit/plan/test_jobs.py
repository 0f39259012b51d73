"""Jobs as files, and which results are right."""

import functools
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_results
import pytest
from helpers import OVERLAYS, ROOT, changed

from patchvae import cli
from patchvae.errors import PatchVAEError
from patchvae.files import read_json, write_json
from patchvae.params.reading import load_params, merge
from patchvae.plan.jobs import KEYS, Job, State, needed, planned, read_job, states, write
from patchvae.records.record import Record

Params = dict[str, Any]
RUNS = {"paper": [], **{path.stem: [path] for path in OVERLAYS}}


def jobs_of(name: str) -> list[Job]:
    return planned(load_params([ROOT / "params.yaml", *RUNS[name]]), ROOT)


# ---- what is planned


def locations(config: Any) -> Iterator[str]:
    for key, value in config.items() if isinstance(config, dict) else ():
        if key == "location":
            yield value
        yield from locations(value)


@pytest.mark.parametrize("name", RUNS)
def test_a_plan_is_whole(name: str) -> None:
    jobs = jobs_of(name)
    makers: dict[str, Job] = {}
    for job in jobs:
        assert {makers[path].path for path in job.reads if path in makers} == {*job.after}, job.path
        makers |= dict.fromkeys(job.makes, job)
    for job in jobs:  # what is read and made by nobody is a file of the project
        assert all(path in makers or path.startswith("paper/") for path in job.reads), job.path
        assert {makers[path].path for path in job.reads if path in makers} == {*job.after}, job.path
    for files in (
        [path for job in jobs for path in (*job.makes, job.record, job.path, job.places)],
        [job.log for job in jobs],
        [job.benchmark for job in jobs],
    ):
        assert len({*files}) == len(files) > 0


@pytest.mark.parametrize("name", ["paper", "test"])
def test_a_file_says_all_of_its_job_and_no_address(name: str, tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    for job in jobs_of(name):
        path.write_text(job.text)
        back = read_job(path)
        assert {key: getattr(back, key) for key in KEYS} == {key: getattr(job, key) for key in KEYS}
        assert (back.digest, back.text) == (job.digest, job.text)
        assert not [*locations(job.config)]
        assert not any(address in job.text for address in locations(job.addresses))
    assert name == "test" or [*locations(next(job for job in jobs_of(name) if job.rule == "download").addresses)]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"rule": "masks"}'])
def test_what_is_no_job_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "job.json"
    path.write_text(text)
    with pytest.raises(PatchVAEError, match=r"job\.json"):
        read_job(path)


@pytest.mark.parametrize(("key", "value"), [("rule", "mask"), ("config", []), ("inputs", ["a"]), ("outputs", None)])
def test_a_job_with_a_wrong_key_is_none(tmp_path: Path, key: str, value: Any) -> None:
    job, path = jobs_of("test")[0], tmp_path / "job.json"
    write_json(path, json.loads(job.text) | {key: value})
    with pytest.raises(PatchVAEError, match=r"job\.json: not the file of a job"):
        read_job(path)


def test_where_data_are_is_no_part_of_a_job_and_their_checksum_is(params: Params) -> None:
    name = next(iter(params["datasets"]["cifar100"]["sources"]))
    source = f"datasets/cifar100/sources/{name}"

    def texts(**more: str) -> dict[str, tuple[str, str]]:
        new = params
        for key, value in more.items():
            new = changed(new, f"{source}/{key}", value)
        return {job.path: (job.digest, job.text) for job in planned(new, ROOT)}

    before = texts()
    assert texts(location="/elsewhere/cifar.tar.gz") == before
    after = texts(checksum="sha256:" + "1" * 64)
    assert [path for path in before if after[path] != before[path]] == ["jobs/paper/download/cifar100.json"]


@pytest.mark.parametrize("overlays", [[], ["test"]])
def test_planning_twice_writes_nothing_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], overlays: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    files = [ROOT / "params.yaml", *(ROOT / f"configs/{name}.yaml" for name in overlays)]

    def plan() -> dict[str, tuple[int, int, int]]:
        assert cli.main(["plan", "-p", *map(str, files)]) == 0
        stats = ((path, os.stat(path)) for path in Path().rglob("*") if path.is_file())
        return {path.as_posix(): (stat.st_ino, stat.st_mtime_ns, stat.st_size) for path, stat in stats}

    first = plan()
    assert {job.path for job in planned(load_params(files), tmp_path)} <= first.keys()
    assert all(path.startswith("jobs/") for path in first)
    assert plan() == first


# ---- which results are right


@functools.cache
def nothing() -> Params:
    return load_params([ROOT / "params.yaml", ROOT / "configs/nothing.yaml"])


def small(**more: Any) -> Params:
    """Two pretrainings, two heads, a table, and weight masks, on digits."""
    params = merge(
        nothing(),
        {
            "run": "small",
            "data": {"scenes": ["digits"], "weighted": ["digits"]},
            "table1": {
                "datasets": ["digits"],
                "variants": ["patchvae+lw", "random"],
                "regimes": ["conv1"],
                "objectives": {"lw": ["patchvae"], "none": ["random"]},
            },
            "seeds": [0],
            "figures": {"datasets": [], "variant": "patchvae+lw"},
            "parts": {"datasets": [], "pretrained": [], "variants": []},
            "datasets": {"digits": {"mask_patch_size": 8, "pretrain_epochs": 3, "finetune_epochs": 2}},
        },
    )
    return merge(params, more)


DATA, MASKS = "digit_scenes/digits", "masks/digits"
PRETRAIN, HEAD = "pretrain/digits/patchvae+lw/seed0", "finetune/table1/conv1/table12/patchvae+lw/digits/seed0"
CONTROL, OTHER_HEAD = "pretrain/digits/random/seed0", "finetune/table1/conv1/table12/random/digits/seed0"
TABLE, CURVES, SUMMARY, PARAMETERS = "tables/table1", "curves/pretrain", "summary", "tables/table8"
ALL = {DATA, MASKS, PRETRAIN, HEAD, CONTROL, OTHER_HEAD, TABLE, CURVES, SUMMARY, PARAMETERS}


class Run:
    """The results of the small run in a folder, all right at first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.jobs = planned(small(), root)
        fake_results.put_sources(self.jobs, root)
        fake_results.all_done(self.jobs, root)

    def __getitem__(self, name: str) -> Job:
        return next(job for job in self.jobs if job.path == f"jobs/small/{name}.json")

    def path(self, name: str, output: str) -> Path:
        return self.root / next(path for path in self[name].makes if path.endswith(output))

    def replace(self, name: str, **changes: Any) -> None:
        self.jobs[self.jobs.index(self[name])] = replace(self[name], **changes)

    def take_away(self, *names: str) -> None:
        for name in names:
            for path in (*self[name].makes, self[name].record):
                (self.root / path).unlink()

    def states(self) -> dict[str, State]:
        found = states(self.jobs, self.root)
        return {path.removeprefix("jobs/small/").removesuffix(".json"): state for path, state in found.items()}

    def words(self) -> dict[str, str]:
        """By name, those that are not right."""
        return {name: state.word for name, state in self.states().items() if state.word != "right"}

    def wanted(self) -> set[str]:
        """What an engine runs."""
        found = states(self.jobs, self.root)
        jobs = [job for job in needed(self.jobs, found) if found[job.path].word != "right"]
        return {job.path.removeprefix("jobs/small/").removesuffix(".json") for job in jobs}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def wrong(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "wrong")


BEHIND_PRETRAIN = (PRETRAIN, HEAD, TABLE, CURVES, SUMMARY)


def test_results_that_were_made_so_are_right(run: Run) -> None:
    assert run.states().keys() == ALL
    assert run.words() == {}
    assert run.wanted() == set()


def test_without_results_all_are_missing(run: Run) -> None:
    run.take_away(*ALL)
    assert run.words() == dict.fromkeys(ALL, "missing")
    assert run.wanted() == ALL


def test_outputs_without_a_record_are_not_there(run: Run) -> None:
    (run.root / run[HEAD].record).unlink()
    assert run.words() == {HEAD: "missing"}


@pytest.mark.parametrize("changes", [{"config": {"lr": 7}}, {"code": "other"}])
def test_another_configuration_or_code_makes_wrong_what_comes_after_it(run: Run, changes: Params) -> None:
    run.replace(PRETRAIN, **changes)
    assert run.words() == wrong(*BEHIND_PRETRAIN)
    assert run.wanted() == {*BEHIND_PRETRAIN}


def test_a_job_of_the_same_files_and_another_rule_is_another(run: Run) -> None:
    run.replace(PARAMETERS, rule="summary")
    assert run.words() == wrong(PARAMETERS, SUMMARY)


@pytest.mark.parametrize("path", ["paper/table1.csv", "paper/parameter_counts.csv"])
def test_an_input_with_other_content(run: Run, path: str) -> None:
    (run.root / path).write_text("others")
    readers = {name for name in ALL if path in run[name].reads}
    assert readers and run.words() == wrong(*readers, SUMMARY)
    assert all(path in run.states()[name].why for name in readers)


def test_an_input_that_comes_or_goes(run: Run) -> None:
    """The curves have no configuration that would say so."""
    files = run[CURVES].inputs
    for paths in (files["finetune_files"][:-1], [*files["finetune_files"], "paper/table1.csv"]):
        run.replace(CURVES, inputs={**files, "finetune_files": paths})
        assert run.words() == wrong(CURVES)
    more = planned(small(seeds=[0, 1]), run.root)
    assert states(more, run.root)["jobs/small/curves/pretrain.json"].word == "wrong"


@pytest.mark.parametrize(
    ("name", "output", "after"),
    [
        (TABLE, "table1.csv", [SUMMARY]),
        (PRETRAIN, "seed0.json", [CURVES]),
        (HEAD, "seed0.json", [TABLE, CURVES, SUMMARY]),
        (PRETRAIN, "seed0.pt", [HEAD, TABLE, CURVES, SUMMARY]),
        (MASKS, "manifest.json", [*BEHIND_PRETRAIN]),
    ],
)
@pytest.mark.parametrize("text", ["edited by hand", "broken"])
def test_an_output_that_was_changed(run: Run, name: str, output: str, after: list[str], text: str) -> None:
    path = run.path(name, output)
    if text == "broken":
        path.write_bytes(path.read_bytes()[:-1])
    elif output == "manifest.json":
        fake_results.put(path, '{"sha256": "other"}')
    else:
        fake_results.put(path, text)
    found = run.states()
    assert found[name].word == "wrong" and any(made in found[name].why for made in run[name].makes)
    # What read the other file of the same job is wrong, too: nobody knows what made that.
    assert {name, *after} <= run.words().keys() <= {name, *after, *BEHIND_PRETRAIN}


def test_a_checkpoint_is_known_by_its_weights_not_by_its_folder(run: Run) -> None:
    with zipfile.ZipFile(run.path(PRETRAIN, ".pt"), "w") as archive:
        archive.writestr("tmp1234/data.pkl", "names")
        archive.writestr("tmp1234/data/0", "weights")
    assert run.words() == {}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"job": 1, "read": {}, "wrote": {}}'])
def test_a_broken_record_is_wrong(run: Run, text: str) -> None:
    (run.root / run[PRETRAIN].record).write_text(text)
    assert run.words() == wrong(*BEHIND_PRETRAIN)


@pytest.mark.parametrize("block", ["read", "wrote"])
def test_a_record_that_was_edited_is_wrong(run: Run, block: str) -> None:
    path = run.root / run[TABLE].record
    content = read_json(path)
    for digest in ("", 1, None):
        write_json(path, content | {block: dict.fromkeys(content[block], digest)})
        assert run.words() == wrong(TABLE, SUMMARY)


def test_the_same_images_in_another_order_are_the_same_but_for_masks(run: Run) -> None:
    folder = run.path(DATA, "manifest.json").parent
    (folder / "manifest.json").write_text(fake_results.manifest(order="another"))
    fake_results.record(run[DATA], run.root)
    assert run.states()[DATA].word == "right"
    assert run.words() == wrong(MASKS, *BEHIND_PRETRAIN)
    fake_results.record(run[MASKS], run.root)
    assert run.words() == {}
    (folder / "manifest.json").write_text(fake_results.manifest("others"))
    fake_results.record(run[DATA], run.root)
    assert run.words() == wrong(MASKS, CONTROL, OTHER_HEAD, *BEHIND_PRETRAIN)


def test_what_was_read_need_not_be_here(run: Run) -> None:
    run.take_away(DATA, MASKS)
    run.path(PRETRAIN, ".pt").unlink()
    assert run.words() == {DATA: "missing", MASKS: "missing", PRETRAIN: "partial"}
    assert run.states()[PRETRAIN].why.endswith(".pt")


def test_files_that_are_gone_must_have_been_made_with_the_wanted_parameters(run: Run) -> None:
    run.replace(DATA, config={"seed": 7})
    run.take_away(DATA, MASKS)
    for name in (PRETRAIN, CONTROL):
        run.path(name, ".pt").unlink()
    behind = {CONTROL, OTHER_HEAD, *BEHIND_PRETRAIN}
    assert run.words() == {DATA: "missing", MASKS: "missing"} | wrong(*behind)
    assert run.wanted() == {DATA, MASKS, *behind}
    run.replace(DATA, config=planned(small(), run.root)[0].config)
    assert run.wanted() == set()
    run.replace(MASKS, config={"per_channel": False})
    assert run.words() == {DATA: "missing", MASKS: "missing", CONTROL: "partial"} | wrong(*BEHIND_PRETRAIN)


def test_what_was_made_before_a_job_that_failed_is_not_right_again(run: Run) -> None:
    """An engine deletes the outputs of a job that failed, and with them what said that they were others."""
    run.replace(PRETRAIN, code="other")
    run.take_away(PRETRAIN)
    assert run.words() == {PRETRAIN: "missing"} | wrong(HEAD, TABLE, CURVES, SUMMARY)


def test_a_result_without_a_record_is_no_old_one(run: Run) -> None:
    """A job that was stopped has removed its record alone."""
    (run.root / run[HEAD].record).unlink()
    assert run.words() == {HEAD: "missing"}
    run.replace(HEAD, config={"lr": 7})
    assert run.words() == {HEAD: "missing"} | wrong(TABLE, CURVES, SUMMARY)


def test_a_file_that_is_gone_is_wanted_for_what_is_not_right_alone(run: Run) -> None:
    run.take_away(DATA, MASKS)
    for name in (PRETRAIN, CONTROL):
        run.path(name, ".pt").unlink()
    assert run.wanted() == set()
    run.take_away(HEAD)
    assert run.wanted() == {DATA, MASKS, PRETRAIN, HEAD}


def test_a_table_that_is_gone_wants_what_it_is_made_from(run: Run) -> None:
    run.take_away(DATA, MASKS)
    run.path(PRETRAIN, ".pt").unlink()
    run.path(TABLE, "table1.md").unlink()
    assert run.wanted() == {TABLE}
    run.take_away(OTHER_HEAD)
    assert run.wanted() == {DATA, OTHER_HEAD, TABLE}


# ---- their files


@pytest.fixture
def written(run: Run) -> Callable[[], dict[str, State]]:
    def call() -> dict[str, State]:
        return write(run.jobs, run.root)

    return call


def age(run: Run, job: Job) -> float:
    """Seconds by which a job's file is older than the oldest of its outputs."""
    files = [run.root / path for path in (*job.makes, job.record, job.benchmark)]
    return min(os.stat(path).st_mtime for path in files if path.is_file()) - os.stat(run.root / job.path).st_mtime


@pytest.mark.parametrize("seconds", [-1e6, 0, 1e6])
def test_times_tell_right_from_wrong(run: Run, written: Callable[[], Any], seconds: float) -> None:
    """Whatever times a clone or a copy gave the outputs: here one for each, some seconds from now."""
    for number, path in enumerate(path for job in run.jobs for path in (*job.makes, job.record)):
        os.utime(run.root / path, (time.time() + seconds - number,) * 2)
    written()
    assert all(age(run, job) > 0 for job in run.jobs)
    benchmark = run.root / run[TABLE].benchmark
    fake_results.put(benchmark)
    os.utime(benchmark, (1000, 1000))
    run.replace(PRETRAIN, config={"lr": 7})
    written()
    assert {job.path for job in run.jobs if age(run, job) < 0} == {run[name].path for name in BEHIND_PRETRAIN}
    assert age(run, run[HEAD]) < 0 < age(run, run[OTHER_HEAD])
    fake_results.done(run[PRETRAIN], run.root)
    for name in (HEAD, TABLE, CURVES, SUMMARY):
        fake_results.record(run[name], run.root)
    written()
    assert all(age(run, job) > 0 for job in run.jobs)


def test_the_file_of_a_partial_job_is_older_than_what_is_left(run: Run, written: Callable[[], Any]) -> None:
    run.path(PRETRAIN, ".pt").unlink()
    written()
    assert age(run, run[PRETRAIN]) > 0


def test_what_a_run_has_no_more_goes_and_another_runs_files_stay(run: Run, written: Callable[[], Any]) -> None:
    written()
    other, foreign = run.root / "jobs/other/masks/digits.json", run.root / "jobs/small/note"
    for path in (other, foreign):
        fake_results.put(path, "{}")
    run.jobs = planned(small(table1={"variants": ["random"], "objectives": {"lw": []}}), run.root)
    written()
    left = {path.relative_to(run.root).as_posix() for path in (run.root / "jobs/small").rglob("*.json")}
    assert left == {job.path for job in run.jobs}
    assert other.exists()


def test_addresses_lie_beside_the_job_and_follow_the_parameters(params: Params, tmp_path: Path) -> None:
    def addresses(new: Params) -> Any:
        jobs = planned(new, tmp_path)
        write(jobs, tmp_path)
        job = next(job for job in jobs if job.rule == "download" and job.wildcards["dataset"] == "cifar100")
        return next(locations(read_json(tmp_path / job.places)))

    name = next(iter(params["datasets"]["cifar100"]["sources"]))
    location = f"datasets/cifar100/sources/{name}/location"
    assert addresses(params) == params["datasets"]["cifar100"]["sources"][name]["location"]
    assert addresses(changed(params, location, "/elsewhere")) == "/elsewhere"


def other_run(**more: Any) -> list[Job]:
    return planned(small(run="other", **more), Path("/nowhere"))


BIGGER = {"datasets": {"digits": {"image_size": 64}}}


def test_data_of_another_run_are_not_replaced(run: Run, written: Callable[[], Any]) -> None:
    written()
    bigger = other_run(**BIGGER)
    with pytest.raises(PatchVAEError, match="data/packed/digits") as caught:
        write(bigger, run.root)
    said = str(caught.value)
    assert "run small" in said and "run other" in said and "jobs/small" in said and "\n" not in said
    assert not (run.root / "jobs/other").exists()
    for path in sorted((run.root / "jobs/small").rglob("*.json")):
        path.unlink()
    assert write(bigger, run.root)["jobs/other/digit_scenes/digits.json"].word == "wrong"


def test_a_run_may_change_its_own_data(run: Run, written: Callable[[], Any]) -> None:
    written()
    run.jobs = planned(small(**BIGGER), run.root)
    assert written()["jobs/small/digit_scenes/digits.json"].word == "wrong"


def test_runs_that_want_the_same_data_share_them(run: Run, written: Callable[[], Any]) -> None:
    written()
    found = write(other_run(), run.root)
    assert found["jobs/other/digit_scenes/digits.json"].word == found["jobs/other/masks/digits.json"].word == "right"


def test_an_edit_of_code_refuses_no_data(run: Run, written: Callable[[], Any]) -> None:
    written()
    edited = [replace(job, code="edited") for job in other_run()]
    assert write(edited, run.root)["jobs/other/digit_scenes/digits.json"].word == "wrong"
    # nor do data that neither run made as it wants them now
    for name in (DATA, MASKS):
        fake_results.record(replace(run[name], code="older", config={"image_size": 8}), run.root)
    assert write(other_run(**BIGGER), run.root)["jobs/other/digit_scenes/digits.json"].word == "wrong"


def test_the_state_is_what_a_record_says_whatever_the_times(run: Run) -> None:
    for path in run.root.rglob("*"):
        os.utime(path, (5, 5))
    assert run.words() == {}
    assert Record.load(run.root / run[HEAD].record).job == run[HEAD].digest


def test_an_edit_of_code_gives_no_run_the_data_of_another(run: Run, written: Callable[[], Any]) -> None:
    run.replace(DATA, code="edited")
    written()
    with pytest.raises(PatchVAEError, match="data/packed/digits"):
        write(other_run(**BIGGER), run.root)
