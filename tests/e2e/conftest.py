"""A finished run of the smallest configuration, shared by the tests of both engines."""

from pathlib import Path

import pytest
from clones import commit, logs, nothing_to_do, run, sync
from helpers import copy_checkout


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which Snakemake has run the smallest configuration, and DVC has adopted it."""
    place = copy_checkout(tmp_path_factory.mktemp("origin") / "clone")
    run(place, "git", "init", "--quiet")
    sync(place, "track", "tests/e2e/engines.yaml")
    run(place, "snakemake", "--cores", "2")
    ran = logs(place)
    sync(place, "adopt")
    assert logs(place) == ran
    commit(place)
    nothing_to_do(place)
    return place
