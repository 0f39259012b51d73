"""docs/deviations.md keeps its promises to the code, to params.yaml and to configs/authors-code.yaml."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from patchvae.params.reading import read_yaml

NUMBER = re.compile(r"\bE\d{1,2}[ab]?\b")
LAST = 67


def leaves(block: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted paths of all values that are no blocks."""
    for key, value in block.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    return (root / "docs/deviations.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def rows(text: str) -> list[list[str]]:
    """Cells of every table row: number, point, paper, authors' code, here, key."""
    lines = [line for line in text.splitlines() if re.match(r"\| (E\d|—)", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture(scope="module")
def keys(rows: list[list[str]]) -> list[str]:
    return [key for row in rows for key in re.findall(r"`([^`]+)`", row[-1])]


def test_every_row_is_complete_and_numbered_once(rows: list[list[str]]) -> None:
    assert [row for row in rows if len(row) != 6 or not all(row)] == []
    numbers = [row[0] for row in rows if row[0] != "—"]
    assert len(numbers) == len(set(numbers))
    # A row without a key says why.
    assert [row[0] for row in rows if row[-1] == "—" or not re.match("`|— .", row[-1])] == []


def test_every_number_cited_has_a_row(root: Path, rows: list[list[str]]) -> None:
    files = [root / "params.yaml", *root.glob("configs/*.yaml"), *root.glob("src/patchvae/**/*.py")]
    cited = {(n, path.name) for path in files for n in NUMBER.findall(path.read_text(encoding="utf-8"))}
    assert {"params.yaml", "authors-code.yaml", "patchvae.py"} <= {name for _, name in cited}
    numbers = {row[0] for row in rows}
    assert sorted((n, name) for n, name in cited if n not in numbers) == []


def test_every_point_of_the_list_is_mentioned(text: str) -> None:
    assert {f"E{n}" for n in range(1, LAST + 1)} - set(NUMBER.findall(text)) == set()


def test_every_key_exists_in_params(root: Path, keys: list[str]) -> None:
    # A data set's own values need not be in params.yaml: overlays give some.
    files = [root / "params.yaml", root / "configs/authors-code.yaml"]
    known = [path for file in files for path in leaves(read_yaml(file))]
    assert [key for key in keys if not any(fnmatchcase(path, key) for path in known)] == []


def test_every_choice_of_the_authors_has_a_row(root: Path, keys: list[str]) -> None:
    chosen = [path for path in leaves(read_yaml(root / "configs/authors-code.yaml")) if path != "run"]
    assert chosen
    assert [path for path in chosen if not any(fnmatchcase(path, key) for key in keys)] == []
