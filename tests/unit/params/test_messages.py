"""What a model refuses, in words; a whole number is proposed only where one is wanted."""

from typing import Any

import pytest
from helpers import changed

from patchvae.errors import PatchVAEError
from patchvae.params.messages import checked
from patchvae.params.parameters import Parameters


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("variants/patchvae/occurrence_prior", 1.0, None),
        ("variants/patchvae/occurrence_prior", 0.0, None),
        ("reconstruction/temperature", 0.0, None),
        ("finetune/hidden_dim", 512.0, 512),
        ("pretrain/epoch_images", 2e4, 20000),
        ("variants/labelled/epochs", 90.0, 90),
        ("datasets/digits/num_classes", 10.0, 10),
        ("seeds", [0.0], 0),
    ],
)
def test_a_hint_is_of_use(params: dict[str, Any], key: str, value: Any, hint: int | None) -> None:
    with pytest.raises(PatchVAEError) as caught:
        checked(Parameters, changed(params, key, value), "")
    message = str(caught.value)
    assert key.replace("/", ".") in message
    assert ("; write" in message) == (hint is not None)
    if hint is not None:
        assert message.endswith(f"; write {hint}")
        checked(Parameters, changed(params, key, [hint] if isinstance(value, list) else hint), "")


def test_a_number_must_be_above_an_open_bound(params: dict[str, Any]) -> None:
    with pytest.raises(PatchVAEError, match=r"^few_labels\.whitened_variance: 0 is not greater than 0\.0$"):
        checked(Parameters, changed(params, "few_labels/whitened_variance", 0), "")
