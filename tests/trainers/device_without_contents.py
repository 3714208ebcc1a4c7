"""A device that only knows shapes, to find on any machine what would make a GPU wait.

torch's "meta" device computes no values, and takes part in everything, backward passes included.
What runs on it runs on a GPU without a wait: an operation that needs contents on the host raises,
and so does one that is given tensors of two devices. Copies between devices are counted.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from trainers.parallel.ranks import Ranks

DEVICE = torch.device("meta")
UPLOAD, DOWNLOAD = "host to device", "device to host"


class MixedDevicesError(AssertionError):
    """One operation was given tensors of two devices."""


class OnDevice(Ranks):
    """A process alone, whose trainer works on the device."""

    def device(self, name: str) -> torch.device:
        return DEVICE


class Watch(TorchDispatchMode):
    """Within: each operation is looked at. ``copies`` counts those between host and device; what
    comes to the host is zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.copies: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        devices = {t.device.type for t in tensors if not is_number(t)}
        if func is torch.ops.aten._to_copy.default:
            return self._copied(func, args, kwargs)
        if func is torch.ops.aten.copy_.default and len(devices) > 1:
            self.copies[DOWNLOAD if args[1].device == DEVICE else UPLOAD] += 1
            return args[0]
        if len(devices) > 1:
            raise MixedDevicesError(f"{func} was given tensors of {' and '.join(sorted(devices))}")
        if func._schema.name.startswith("aten::_fused_"):
            return None  # kernels that change their arguments, and know no shapes without contents
        with self:  # in inference mode, operations come whole
            parts = func.decompose(*args, **kwargs)
        return func(*args, **kwargs) if parts is NotImplemented else parts

    def _copied(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        source, target = args[0], kwargs.get("device") or args[0].device
        if target == source.device:
            return func(*args, **kwargs)  # type: ignore[no-any-return]
        self.copies[UPLOAD if target == DEVICE else DOWNLOAD] += 1
        if target == DEVICE:
            return func(*args, **kwargs)  # type: ignore[no-any-return]
        return torch.zeros(source.shape, dtype=kwargs.get("dtype") or source.dtype)


def is_number(tensor: Tensor) -> bool:
    """A scalar of the host's, which goes to a kernel as an argument does."""
    return tensor.ndim == 0 and tensor.device.type == "cpu"
