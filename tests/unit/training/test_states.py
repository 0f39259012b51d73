"""States are deleted once somebody has accepted the outputs, and no earlier."""

from pathlib import Path

from patchvae.cli import main
from patchvae.training.states import clean, state_path


def made(scratch: Path, number: int, *outputs: Path) -> Path:
    path = state_path(scratch, {"seed": number}, f"training {number}", outputs)
    path.write_bytes(b"state")
    return path


def test_only_states_of_accepted_outputs_go(tmp_path: Path) -> None:
    scratch, there, refused, missing = (tmp_path / name for name in ("scratch", "there", "refused", "missing"))
    there.touch()
    refused.touch()
    states = [made(scratch, number, path) for number, path in enumerate((there, refused, missing))]
    half = made(scratch, 3, there, missing)
    broken = made(scratch, 4, there)
    (broken.parent / "job.json").write_text("{")
    cleaned = clean(scratch, lambda name: name != str(refused))
    assert cleaned.removed == ["training 0"]
    assert [path.exists() for path in (*states, half, broken)] == [False, True, True, True, True]


def test_by_hand(tmp_path: Path, capsys) -> None:
    (tmp_path / "there").touch()
    gone, kept = made(tmp_path, 0, tmp_path / "there"), made(tmp_path, 1, tmp_path / "missing")
    assert main(["clean", "--scratch", str(tmp_path)]) == 0
    assert not gone.exists() and kept.exists()
    assert "deleted 1 states" in capsys.readouterr().out
    assert main(["clean", "--scratch", str(tmp_path / "nowhere")]) == 0
