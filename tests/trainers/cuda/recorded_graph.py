"""What a CUDA graph does, done on the CPU: to show what it would do wrong.

While work is captured each of torch's operations is noted down with its arguments, and nothing is
left of what it computed. A replay runs what was noted, and nothing else: on the same memory, with
the host's numbers as they were. So whatever the host decides anew in each step is decided once, and
what it reads of the device cannot be captured at all, as on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

READS = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)


class CannotCaptureError(RuntimeError):
    """The host asked for what the device has not computed yet."""


class RecordedGraph:
    """``events``: what was asked of it, in order. ``lack`` is what it says of its memory."""

    def __init__(self, lack: int = 0) -> None:
        self.lack = lack
        self.events: list[str] = []
        self._noted: list[Operation] = []

    def warm_up(self, work: Callable[[], None]) -> None:
        self.events.append("warm up")
        work()

    def forget_peak(self) -> int:
        self.events.append("forget peak")
        return 5 * 2**20

    def lack_of_memory(self) -> int:
        return self.lack

    def capture(self, work: Callable[[], None]) -> None:
        self.events.append("capture")
        notes, generator = Notes(), torch.get_rng_state()
        with notes:
            work()
        notes.put_back()
        torch.set_rng_state(generator)
        self._noted = notes.operations

    def replay(self) -> None:
        self.events.append("replay")
        with torch.no_grad():
            for operation in self._noted:
                operation.run_again()


class Operation:
    """One operation, and where its results lie: those in memory of their own are computed there
    again, the others are views of arguments, or arguments that it changed."""

    def __init__(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]):
        self._call = func, args, kwargs
        self._results = func(*args, **kwargs)
        taken = {memory(tensor) for tensor in tensors_of((args, kwargs))}
        self._is_new = [memory(tensor) not in taken for tensor in tensors_of(self._results)]

    @property
    def results(self) -> Any:
        return self._results

    def run_again(self) -> None:
        func, args, kwargs = self._call
        again = tensors_of(func(*args, **kwargs))
        pairs = zip(tensors_of(self._results), again, self._is_new, strict=True)
        for result, value, is_new in pairs:
            if is_new:
                result.copy_(value)


class Notes(TorchDispatchMode):
    """Within: operations are noted."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self._made: set[int] = set()
        self._before: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in READS:
            raise CannotCaptureError(f"{func} in a capture")
        for tensor in tensors_of((args, kwargs)):
            if memory(tensor) not in self._made | self._before.keys():
                whole = tensor.detach().as_strided((elements(tensor),), (1,), 0)
                self._before[memory(tensor)] = whole, whole.clone()
        operation = Operation(func, args, kwargs or {})
        self.operations.append(operation)
        self._made |= {memory(t) for t in tensors_of(operation.results)} - self._before.keys()
        return operation.results

    def put_back(self) -> None:
        """All memory that was there before as it was: what is captured does not run."""
        with torch.no_grad():
            for tensor, value in self._before.values():
                tensor.copy_(value)


def tensors_of(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def elements(tensor: Tensor) -> int:
    return tensor.untyped_storage().nbytes() // tensor.element_size()
