"""A copy of a training's state in host memory, to be written while training continues."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class HostCopy:
    """Copies nested states of the same tensors, time and again, into the same memory."""

    def __init__(self, device: torch.device):
        self._on_gpu = device.type == "cuda"
        self._kept: dict[tuple[Any, ...], Tensor] = {}

    def of(self, state: Any) -> Any:
        """Return ``state`` as it is now; holds until the next copy."""
        copy = self._copy(state, ())
        if self._on_gpu:
            torch.cuda.synchronize()
        return copy

    def _copy(self, value: Any, path: tuple[Any, ...]) -> Any:
        if isinstance(value, Tensor):
            return self._copy_tensor(value, path)
        if isinstance(value, dict):
            return {key: self._copy(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._copy(item, (*path, i)) for i, item in enumerate(value)]
        return value

    def _copy_tensor(self, tensor: Tensor, path: tuple[Any, ...]) -> Tensor:
        kept = self._kept.get(path)
        if kept is None:
            kept = torch.empty_like(tensor, device="cpu", pin_memory=self._on_gpu)
            self._kept[path] = kept
        return kept.copy_(tensor.detach(), non_blocking=True)
