"""The documents at the top and in docs/: short where they should be, and without dead links."""

import re
from pathlib import Path

import pytest
from helpers import ROOT

from patchvae import __version__
from patchvae.params.reading import read_yaml

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
WORDS = 800  # generated tables included


def anchors(path: Path) -> set[str]:
    """What a hosted page calls its headings."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short(root: Path) -> None:
    assert len((root / "README.md").read_text(encoding="utf-8").split()) <= WORDS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        if not re.match("https?://", link) and not (target.exists() and (not anchor or anchor in anchors(target))):
            dead.append(link)
    assert dead == []


def test_the_citation_is_of_this_version(root: Path) -> None:
    assert str(read_yaml(root / "CITATION.cff")["version"]) == __version__


def test_the_guide_installs_the_torch_of_the_lock(root: Path) -> None:
    pins = re.findall(r"^((?:torch|torchvision)==\S+)$", (root / "requirements.lock").read_text(encoding="utf-8"), re.M)
    guide = (root / "docs/running.md").read_text(encoding="utf-8")
    assert len(pins) == 2
    assert [pin for pin in pins if f"{pin}+cu" not in guide] == []
