"""The configuration of every job stays what it is, so that what was measured before stays valid.

After an intended change: `PYTHONPATH=tests:workflow python tests/unit/test_resolved.py`, and look at which lines of
resolved.csv changed.
"""

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

import helpers
import pytest
from job_files import jobs

from patchvae.files import canonical
from patchvae.params.reading import load_params
from patchvae.plan.settings import resolve

ROOT = Path(__file__).resolve().parents[2]
RECORDED = Path(__file__).with_name("resolved.csv")
OVERLAYS = {"paper": [], **{path.stem: [path] for path in helpers.OVERLAYS}}


def resolved(name: str) -> Iterator[list[str]]:
    """Per rule of a run: its name, the rule, how many jobs it has, and a digest of all their configurations."""
    params = load_params([ROOT / "params.yaml", *OVERLAYS[name]])
    texts: dict[str, list[str]] = {}
    for rule, wildcards in jobs(params):
        named = canonical({key: str(value) for key, value in wildcards.items()})
        texts.setdefault(rule, []).append(f"{named} {canonical(resolve(params, rule, wildcards))}\n")
    for rule, lines in sorted(texts.items()):
        digest = hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
        yield [name, rule, str(len(lines)), digest[:16]]


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_job_is_configured_as_before(name: str) -> None:
    with open(RECORDED, encoding="utf-8", newline="") as stream:
        recorded = [row for row in csv.reader(stream) if row[0] == name]
    assert list(resolved(name)) == recorded


if __name__ == "__main__":
    with open(RECORDED, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["run", "rule", "jobs", "sha256"])
        writer.writerows(row for name in OVERLAYS for row in resolved(name))
