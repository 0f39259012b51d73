"""A stand-in for CUDA graphs on the CPU: operations of PyTorch are recorded and repeated, and nothing else is.

As with a graph, a repetition runs no Python of the recorded work: what that computed on the host stays what it was, and
tensors stay where they are. Recording itself does the work, which a graph's does not.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

# Of a tensor's value on the host, for which a GPU would have to be waited for
WAITS = {torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default}


class Tape(TorchDispatchMode):
    """Operations in their order, with the tensors that they read and made."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__()
        self.lines: list[tuple[Any, Any, Any, list[Any]]] = []
        self.recorded = False
        with self:
            work()
        self.fresh = True

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in WAITS:
            raise RuntimeError(f"{function} waits for the device\nand more")
        kwargs = kwargs or {}
        made = function(*args, **kwargs)
        self.lines.append((function, args, kwargs, tree_flatten(made)[0]))
        return made

    def replay(self) -> None:
        """Do the operations again, where their results lay; not for the first time, as recording has done them."""
        if self.fresh:
            self.fresh = False
            return
        with torch.no_grad():
            for function, args, kwargs, before in self.lines:
                for old, new in zip(before, tree_flatten(function(*args, **kwargs))[0], strict=True):
                    if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)
