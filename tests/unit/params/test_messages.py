"""A whole number is proposed only where it would be taken."""

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
        ("finetune/hidden_dim", 0.0, None),
        ("pretrain/epoch_images", 0.0, None),
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
