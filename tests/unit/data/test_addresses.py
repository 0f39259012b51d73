"""A URL that no server can be asked for is refused before the first try."""

import logging
from pathlib import Path
from typing import Any

import pytest

from patchvae.data import sources
from patchvae.data.sources import fetch
from patchvae.errors import PatchVAEError

SHA = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("url", "character"),
    [
        ("{}/my file.tar", "%20"),
        ("{}/file.tar\n", "%0A"),
        ("\t{}/file.tar", "%09"),
        ("{}/a\x7fb", "%7F"),
        ("{}/Kätzchen.tar", "%C3%A4"),
        ("{}/file.tar?name=a b", "%20"),
        ("http://my host/file.tar", "%20"),
        ("ftp://localhost/a b", "%20"),
    ],
)
def test_a_character_that_no_url_may_hold(
    server: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    url: str,
    character: str,
) -> None:
    monkeypatch.setattr(sources, "PAUSE", 0.0)
    monkeypatch.setattr(sources.urllib.request, "urlopen", lambda *a, **k: pytest.fail("was asked for"))
    caplog.set_level(logging.WARNING)
    with pytest.raises(PatchVAEError) as caught:
        fetch("file.bin", url.format(server.url.rpartition("/")[0]), SHA, tmp_path / "raw/file.bin")
    message = str(caught.value)
    assert message.startswith("the location of file.bin, ") and message.endswith(f"write {character}")
    assert "\n" not in message and not caplog.records
    assert not (tmp_path / "raw").exists()


def test_a_host_of_any_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def urlopen(request: Any, timeout: float) -> None:
        asked.append(request.full_url)
        raise OSError("no network")

    monkeypatch.setattr(sources, "PAUSE", 0.0)
    monkeypatch.setattr(sources.urllib.request, "urlopen", urlopen)
    with pytest.raises(PatchVAEError, match="no network"):
        fetch("file.bin", "http://münchen.example/file.tar?a=%20", SHA, tmp_path / "file.bin")
    assert len(asked) == sources.TRIES
