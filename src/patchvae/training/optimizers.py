"""The optimisers, without torch.compile's tracer, which PyTorch's import in order to hide from it.

That saves two seconds in every job; nothing here is compiled. If another version of PyTorch imports the tracer anyway,
results stay the same.
"""

import functools
import inspect
from collections.abc import Callable

import torch
from torch import nn
from torch.optim import Optimizer


@functools.cache
def eager(kind: type[Optimizer]) -> Callable[..., Optimizer]:
    """A subclass of an optimiser whose instances do not import the tracer."""
    for function in vars(Optimizer).values():
        plain = getattr(function, "__wrapped__", None)
        if plain is not None and not hasattr(plain, "__dynamo_disable"):
            plain.__dynamo_disable = plain  # where PyTorch keeps the hidden function once it has imported the tracer
    step = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), {"step": step})


def adam(module: nn.Module, lr: float, betas: list[float]) -> Optimizer:
    """Adam with a constant rate (deviation E45), all weights updated by one kernel."""
    # Capturable on a CPU, too, where it changes nothing: a saved state may go on on a GPU, and brings these options
    return eager(torch.optim.Adam)(module.parameters(), lr, (betas[0], betas[1]), capturable=True, fused=True)


def sgd(parameters: list[nn.Parameter], lr: float, momentum: float, weight_decay: float) -> Optimizer:
    """SGD (E51), all weights updated by one kernel; its rate may be replaced by a scalar on the device."""
    return eager(torch.optim.SGD)(parameters, lr, momentum, weight_decay=weight_decay, fused=True)
