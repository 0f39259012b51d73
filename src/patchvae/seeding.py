"""Independent random streams from one seed: another draw in one of them changes no other."""

import hashlib
from typing import Any

import torch
from torch import Tensor


def seed_for(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose, for example seed_for(0, "order", epoch)."""
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def permuted(rows: Tensor, seed: int, *purpose: str | int) -> Tensor:
    """Rows (n, ...) on the CPU in the random order of one purpose."""
    generator = torch.Generator().manual_seed(seed_for(seed, *purpose))
    return rows[torch.randperm(len(rows), generator=generator)]


def random_state() -> dict[str, Any]:
    """States of the global generators, for a checkpoint."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def restore_random_state(state: dict[str, Any]) -> None:
    """Restore what `random_state` returned, for the GPUs that this machine has."""
    torch.set_rng_state(state["cpu"])
    if torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"][: torch.cuda.device_count()])
