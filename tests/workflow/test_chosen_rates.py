"""A fine-tuning whose rate is chosen reads the search for it, and is made again where that has found another rate."""

from pathlib import Path
from typing import Any

import pytest

from patchvae.files import write_json, write_text
from patchvae.params.reading import load_params
from patchvae.plan.jobs import Job, planned, states
from patchvae.records.record import Record, digests

SEARCH = "results/test/metrics/rates/conv1-5/tuned/random/digits-tiny/seed0.json"


@pytest.fixture
def jobs(root: Path) -> list[Job]:
    return planned(load_params([root / "params.yaml", root / "configs/test.yaml"]) | {"seeds": [0, 1]})


def tuned(jobs: list[Job]) -> list[Job]:
    """The fine-tunings of one row at its chosen rate, one for each seed."""
    return [job for job in jobs if "/scale_free/conv1-5/tuned/random/" in job.path]


def test_every_seed_reads_the_search_of_the_first(jobs: list[Job]) -> None:
    (search,) = [job for job in jobs if SEARCH in job.makes]
    assert len(tuned(jobs)) == 2
    for job in tuned(jobs):
        assert job.inputs["rates"] == SEARCH and search.path in job.after
    assert not any(SEARCH in job.reads for job in jobs if "/standardised/" in job.path)


@pytest.mark.parametrize(("found", "word"), [(0.01, "right"), (0.03, "wrong"), (None, "right")])
def test_another_rate_makes_a_fine_tuning_wrong(jobs: list[Job], tmp_path: Path, found: Any, word: str) -> None:
    job = tuned(jobs)[0]
    for path in (*job.reads, *job.makes):
        write_text(tmp_path / path, path)
    write_json(tmp_path / SEARCH, {"lr": 0.01})
    read = {path: path for path in job.reads} | digests([SEARCH], tmp_path)
    for path in read.keys() - {SEARCH}:  # files that are gone are compared with nothing
        (tmp_path / path).unlink()
    Record(job.digest, "", read, digests(job.makes, tmp_path)).save(tmp_path / job.record)
    if found is None:
        (tmp_path / SEARCH).unlink()
    else:
        write_json(tmp_path / SEARCH, {"lr": found})
    state = states([job], tmp_path)[job.path]
    assert state.word == word and (word == "right" or SEARCH in state.why)
