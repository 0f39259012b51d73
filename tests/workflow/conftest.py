"""Shared by the tests of the workflow."""

import shutil
from pathlib import Path

import pytest
from helpers import copy_checkout


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout without results, in which every job of every run is to be run."""
    place = copy_checkout(tmp_path_factory.mktemp("bare") / "clone")
    shutil.rmtree(place / "results")
    return place
