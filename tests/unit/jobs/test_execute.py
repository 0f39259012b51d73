"""`patchvae run JOBFILE`: what is read is held against its record, and the record is written last."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import ROOT, changed

from patchvae import cli
from patchvae.errors import PatchVAEError
from patchvae.files import read_json, write_json
from patchvae.jobs import execute as executing
from patchvae.jobs import work
from patchvae.jobs.execute import execute
from patchvae.params.reading import load_params
from patchvae.plan.jobs import Job, planned, read_job, states, write
from patchvae.records.record import Record, digests

Params = dict[str, Any]
DATA, MASKS = Path("jobs/test/digit_scenes/digits-tiny.json"), Path("jobs/test/masks/digits-tiny.json")
FIGURE, PARAMETERS = Path("jobs/test/figures/figure6_digits-tiny.json"), Path("jobs/test/tables/table8.json")
IMAGES = Path("data/packed/digits-tiny/train_images.npy")


@pytest.fixture(scope="module")
def params() -> Params:
    new = load_params([ROOT / "params.yaml", ROOT / "configs/test.yaml"])
    return changed(changed(new, "datasets/digits-tiny/train_images", 12), "datasets/digits-tiny/test_images", 10)


@pytest.fixture(scope="module")
def jobs(params: Params) -> list[Job]:
    return planned(params, ROOT)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the files of its jobs, and no result."""
    monkeypatch.chdir(tmp_path)
    Path("paper").symlink_to(ROOT / "paper")
    write(jobs)
    return tmp_path


def run(*paths: Path) -> None:
    for path in paths:
        execute(path, "cpu", 1)


def word(path: Path) -> str:
    """The state of one job's results."""
    return states([read_job(path)])[str(path)].word


def record_of(path: Path) -> Path:
    return Path(read_job(path).record)


def contents() -> dict[str, bytes]:
    """Every file of the project but those of paper/."""
    return {path.as_posix(): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def refused(path: Path, *names: str) -> str:
    """A job that is refused in a sentence with these names, before it writes anything; returns the sentence."""
    before = contents()
    with pytest.raises(PatchVAEError) as caught:
        run(path)
    assert contents() == before
    assert all(name in str(caught.value) for name in names) and "\n" not in str(caught.value)
    return str(caught.value)


def edited(path: Path, **changes: Any) -> None:
    """A job's file with other values."""
    write_json(path, json.loads(path.read_text()) | changes)


def spoiled(path: Path) -> None:
    """Other data under a manifest that says so."""
    manifest = IMAGES.with_name("manifest.json")
    content = read_json(manifest)
    content["splits"]["train"]["set_sha256"] = "other"
    write_json(manifest, content)


@pytest.mark.parametrize("before", [(DATA,), (DATA, MASKS), (DATA, FIGURE), (PARAMETERS,)])
def test_a_job_makes_its_outputs_and_the_record_of_all_its_files(before: tuple[Path, ...], jobs: list[Job]) -> None:
    run(*before)
    job = read_job(before[-1])
    assert word(before[-1]) == "right"
    record = Record.load(Path(job.record))
    assert record.job == job.digest
    assert record.read == digests(job.reads, Path()) and record.wrote == digests(job.makes, Path())
    right = {job.path for job in jobs if states(jobs)[job.path].word == "right"}
    assert right == {str(path) for path in before}


def test_the_record_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    run(DATA)
    first = contents()
    saved, save = [], Record.save

    def saving(record: Record, path: Path) -> None:
        assert not path.exists() and all(Path(name).is_file() for name in read_job(DATA).makes)
        saved.append(path)
        save(record, path)

    monkeypatch.setattr(Record, "save", saving)
    run(DATA)
    assert saved == [record_of(DATA)] and contents() == first


def test_the_command_logs_where_the_job_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", str(DATA), "--device", "cpu", "--threads", "1"]) == 0
    assert word(DATA) == "right" and "patchvae" in Path(read_job(DATA).log).read_text()
    assert cli.main(["run", str(FIGURE), "--log", "own.log"]) == 0
    assert Path("own.log").is_file() and not Path(read_job(FIGURE).log).exists()
    assert cli.main(["run", "jobs/test/gone.json"]) == 1
    assert "jobs/test/gone.json" in capsys.readouterr().err


# ---- inputs


def test_an_input_that_is_missing_is_named() -> None:
    assert "missing" in refused(MASKS, str(IMAGES), str(MASKS))
    run(DATA)
    IMAGES.unlink()
    assert "missing" in refused(MASKS, str(IMAGES))


def test_an_input_without_a_record_is_refused() -> None:
    run(DATA)
    record_of(DATA).unlink()
    assert "record" in refused(MASKS, "data/packed/digits-tiny/")
    record_of(DATA).write_text("{")
    refused(MASKS, "data/packed/digits-tiny/")


@pytest.mark.parametrize(("key", "value"), [("datasets/digits-tiny/seed", 7), ("datasets/digits-tiny/test_images", 20)])
def test_an_input_of_another_job_is_refused(params: Params, key: str, value: int) -> None:
    run(DATA, MASKS)
    write(planned(changed(params, key, value), ROOT))
    assert word(MASKS) == "right"  # as far as it alone tells
    for path in (MASKS, FIGURE):
        refused(path, "data/packed/digits-tiny/")
    run(DATA, FIGURE)
    assert word(FIGURE) == "right"


def test_an_input_of_other_code_is_refused() -> None:
    run(DATA)
    record = Record.load(record_of(DATA))
    Record("0" * 16, record.config, record.read, record.wrote).save(record_of(DATA))
    refused(MASKS, "data/packed/digits-tiny/")


def test_an_input_that_was_changed_is_refused() -> None:
    run(DATA)
    spoiled(IMAGES)
    refused(MASKS, "data/packed/digits-tiny/")


def test_an_input_that_is_cut_off_is_refused() -> None:
    run(DATA)
    IMAGES.write_bytes(IMAGES.read_bytes()[:-1])
    refused(MASKS, str(IMAGES))


def test_an_input_is_taken_as_it_is_where_nothing_is_known_of_its_job() -> None:
    """As for a job that somebody sent, without the rest of its run."""
    run(DATA)
    record_of(DATA).unlink()
    DATA.unlink()
    run(MASKS)
    assert word(MASKS) == "right"


def test_an_input_that_is_written_anew_while_it_is_read_gives_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    run(DATA)
    masks = work.WORK["masks"]

    def meanwhile(*args: Any) -> None:
        masks(*args)
        spoiled(IMAGES)

    monkeypatch.setitem(work.WORK, "masks", meanwhile)
    with pytest.raises(PatchVAEError, match="data/packed/digits-tiny/"):
        run(MASKS)
    assert not record_of(MASKS).exists()


# ---- the job itself


def test_a_job_whose_file_changes_while_it_runs_gives_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC would take its outputs for those of the job that the file describes by then."""
    run(DATA)

    def plan_again(job: Job, *others: Any) -> None:
        work.work(job, *others)
        edited(MASKS, config={"patch_size": 4})

    monkeypatch.setattr(executing, "work", plan_again)
    with pytest.raises(PatchVAEError, match=str(MASKS)):
        run(MASKS)
    assert not record_of(MASKS).exists()


def test_a_job_of_other_code_is_refused() -> None:
    edited(DATA, code="0" * 64)
    refused(DATA, str(DATA), "patchvae plan")


def test_a_job_whose_modules_were_edited_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def other(*modules: str) -> str:
        seen.append(modules)
        return "0" * 64

    monkeypatch.setattr(executing, "fingerprint", other)
    refused(DATA, str(DATA))
    assert seen == [("patchvae.data.prepare",)]


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [(DATA, "num_classes", 9), (MASKS, "patch_size", 7), (MASKS, "patchsize", 8), (FIGURE, "rows", "two")],
)
def test_a_configuration_by_hand_is_held_to_its_model(path: Path, key: str, value: Any) -> None:
    if path != DATA:
        run(DATA)
    edited(path, config=read_job(path).config | {key: value})
    refused(path, key)


def test_a_file_that_is_no_job_is_refused() -> None:
    for text in ("{", "[]", "{}"):
        DATA.write_text(text)
        refused(DATA, str(DATA))
    DATA.unlink()
    refused(DATA, str(DATA))


# ---- a job that does not end


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[BaseException], None]]:
    """A function of an error, by which `masks` ends halfway from then on."""

    def fail(error: BaseException) -> None:
        def halfway(job: Job, config: Any, threads: int) -> None:
            np.save(Path(str(job.outputs["masks"])), np.zeros(3))
            raise error

        monkeypatch.setitem(work.WORK, "masks", halfway)

    return fail


@pytest.mark.parametrize("error", [PatchVAEError("no"), OSError("no"), KeyboardInterrupt(), SystemExit(143)])
def test_what_is_half_written_has_no_record_not_even_an_earlier_one(
    failing: Callable[[BaseException], None], error: BaseException
) -> None:
    run(DATA, MASKS)
    assert word(MASKS) == "right"
    failing(error)
    with pytest.raises(type(error)):
        run(MASKS)
    assert not record_of(MASKS).exists() and word(MASKS) == "missing"


def test_an_output_that_was_not_written_gives_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    run(DATA)
    monkeypatch.setitem(work.WORK, "masks", lambda *args: None)
    with pytest.raises(PatchVAEError, match="data/masks/digits-tiny/"):
        run(MASKS)
    assert not record_of(MASKS).exists()


def test_what_was_right_stays_so_where_its_job_is_refused() -> None:
    run(DATA, MASKS)
    record_of(DATA).unlink()
    refused(MASKS)
    assert word(MASKS) == "right"


# ---- addresses


def test_a_download_reads_its_addresses_beside_the_job(params: Params, tmp_path: Path) -> None:
    """Where they are is no part of the job: with a file that moved, the record stays right."""
    source = tmp_path / "elsewhere/pets"
    (source / "train/cat").mkdir(parents=True)
    (source / "train/cat/a.png").write_bytes(b"a")
    config = {"dataset": "pets", "sources": {"a": {"checksum": "unverified", "location": str(source)}}}
    template = read_job(DATA)
    path = Path("jobs/test/download/pets.json")
    content = {key: getattr(template, key) for key in ("after", "inputs", "log")}
    content |= {"rule": "download", "modules": ["patchvae.data.sources"], "outputs": {"out": "data/sources/pets.json"}}
    content |= {"code": executing.fingerprint("patchvae.data.sources"), "record": "data/sources/pets.record"}
    write_json(path, content | {"config": {"dataset": "pets", "sources": {"a": {"checksum": "unverified"}}}})
    refused(path, "location")
    write_json(path.with_suffix(".addresses"), config)
    run(path)
    source.rename(tmp_path / "pets")
    config["sources"]["a"]["location"] = str(tmp_path / "pets")  # type: ignore[index]
    write_json(path.with_suffix(".addresses"), config)
    assert word(path) == "right"
    assert str(source) not in Path("data/sources/pets.record").read_text()
