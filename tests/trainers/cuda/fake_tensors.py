"""Tensors of a GPU that is not there: with shapes, without contents.

torch's "meta" device computes no values, and takes part in everything, backward passes included.
Wherever torch is given the device "cuda" it works on that one. What runs there runs on a GPU
without a wait: an operation that needs contents on the host raises, and so does one that is given
tensors of two devices. Copies between devices are counted; what comes to the host is ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

META = torch.device("meta")
UPLOAD, DOWNLOAD = "host to device", "device to host"
IN_LOW_PRECISION = {torch.conv2d, torch.nn.functional.linear, torch.matmul, torch.addmm}


class MixedDevicesError(AssertionError):
    """One operation was given tensors of two devices."""


class Names(TorchFunctionMode):
    """Within: "cuda" is the device ``place``; one without contents calls itself "cuda:0". Pinned
    memory is plain memory. Autocast, which does not know devices without contents, is done here."""

    def __init__(self, place: torch.device = META):
        super().__init__()
        self._place = place

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if getattr(func, "__self__", None) is Tensor.device:
            device = func(*args)
            return torch.device("cuda", 0) if device == META else device
        if func is torch.device:
            return func(*args, **(kwargs or {}))
        args, kwargs = tree_map(self._renamed, (args, kwargs or {}))
        kwargs.pop("pin_memory", None)
        if func in IN_LOW_PRECISION and torch.is_autocast_enabled("cuda"):
            dtype = torch.get_autocast_dtype("cuda")
            args, kwargs = tree_map(lambda value: _lowered(value, dtype), (args, kwargs))
        return func(*args, **kwargs)

    def _renamed(self, value: Any) -> Any:
        is_device = isinstance(value, torch.device | str) and str(value).split(":")[0] == "cuda"
        return self._place if is_device else value


def _lowered(value: Any, dtype: torch.dtype) -> Any:
    casts = isinstance(value, Tensor) and value.is_meta and value.dtype == torch.float32
    return value.to(dtype) if casts else value


class Watch(TorchDispatchMode):
    """Within: each operation is looked at. ``copies`` counts those between host and device."""

    def __init__(self) -> None:
        super().__init__()
        self.copies: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        devices = {"cuda" if t.is_meta else "cpu" for t in tensors if not is_number(t)}
        if func is torch.ops.aten._to_copy.default:
            return self._copied(func, args, kwargs)
        if func is torch.ops.aten.copy_.default and args[0].is_meta != args[1].is_meta:
            self.copies[DOWNLOAD if args[1].is_meta else UPLOAD] += 1
            return args[0] if args[0].is_meta else args[0].fill_(1)
        if len(devices) > 1:
            raise MixedDevicesError(f"{func} was given tensors of {' and '.join(sorted(devices))}")
        if devices == {"cuda"} and func._schema.name.startswith("aten::_fused_"):
            return None  # kernels that change their arguments, and know no shapes without contents
        with self:  # in inference mode, operations come whole
            parts = func.decompose(*args, **kwargs)
        return func(*args, **kwargs) if parts is NotImplemented else parts

    def _copied(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        source = args[0]
        target = META if source.is_meta else torch.device("cpu")
        target = kwargs.get("device") or target
        if source.is_meta == (target == META):
            return func(*args, **kwargs)  # type: ignore[no-any-return]
        self.copies[UPLOAD if target == META else DOWNLOAD] += 1
        if target == META:
            return func(*args, **kwargs)  # type: ignore[no-any-return]
        return torch.ones(source.shape, dtype=kwargs.get("dtype") or source.dtype)


def is_number(tensor: Tensor) -> bool:
    """Return whether this is a scalar of the host's, which goes to a kernel as an argument does."""
    return tensor.ndim == 0 and not tensor.is_meta


@contextmanager
def fake_tensors() -> Iterator[Watch]:
    """Within, in this thread: tensors of "cuda" are without contents, and watched."""
    with Watch() as watch, Names():
        yield watch
