"""The decision in words: what was decided, or what is missing, and what was known beforehand."""

import pandas as pd
import pytest

from patchvae.report.tables.claims_file import Decision
from patchvae.report.tables.decision import decide, sentence

RULE = Decision(
    better="patchvae",
    worse="beta-vae",
    dataset="cifar100",
    regime="conv1-5",
    level=0.05,
    heads={"standardised": {}},
    probe=True,
    seeds=[3, 4, 5],
)


def cells(signs: dict[str, int], seeds: list[int]) -> pd.DataFrame:
    """Trainings whose difference is 2 points, of a sign per head, with some scatter."""
    return pd.DataFrame(
        [
            {"model": model, "head": head, "seed": seed, "value": value, "num_classes": 100, "right": None}
            for head, sign in signs.items()
            for seed in seeds
            for model, value in (("beta-vae", 30.0), ("patchvae", 30.0 + sign * 2 + 0.1 * (seed % 3 - 1)))
        ]
    )


@pytest.mark.parametrize(
    ("signs", "words"),
    [
        ({"standardised": 1, "probe": 1}, "PatchVAE is better than β-VAE"),
        ({"standardised": -1, "probe": -1}, "PatchVAE is worse than β-VAE"),
        ({"standardised": 1, "probe": -1}, "better under standardised and worse under linear probe"),
        ({"standardised": 1, "probe": 0}, "better under standardised and not told apart under linear probe"),
        ({"standardised": 0, "probe": 0}, "not told apart under each of them"),
    ],
)
def test_a_decision_has_every_sign(signs: dict[str, int], words: str) -> None:
    first, decided = sentence(RULE, decide(RULE, cells(signs, [3, 4, 5]))).split("\n\n")
    assert first.startswith("**") and first.endswith(".**") and words in first
    for name, head in (("standardised", "standardised"), ("linear probe", "probe")):
        assert f"{name} {'+' if signs[head] >= 0 else '−'}{2 * abs(signs[head])}.00 (" in decided


def test_what_is_missing_and_what_was_known() -> None:
    first, known = sentence(RULE, decide(RULE, cells({"standardised": 1, "probe": -1}, [0, 1, 2, 4]))).split("\n\n")
    assert "not decided" in first and "seeds 3 and 5" in first and "better" not in first
    assert known.startswith("Other seeds [decide nothing](decision.md)")
    assert "linear probe −2.00" in known and "seeds 0 to 2" in known
