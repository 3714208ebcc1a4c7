"""What a network is made of: its layers, their shapes, parameters and multiply-accumulates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainers.data import ImageShape
from trainers.models import build_model

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LayerRow:
    """One call of a module. Operations are for one image; shapes are those of the batch."""

    name: str
    type: str
    output_shape: Shape
    parameters: int
    macs: int
    norm_and_pool_ops: int


@dataclass(frozen=True)
class ModelSummary:
    """Layers in the order of execution.

    ``rows`` are the leaves, ``children`` the model's immediate parts (name, output shape), which
    is what report B prints.
    """

    input_shape: Shape
    rows: tuple[LayerRow, ...]
    children: tuple[tuple[str, Shape], ...]
    parameters: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the convolutions and linear layers for one image."""
        return sum(row.macs for row in self.rows)

    @property
    def macs_with_norm_and_pool(self) -> int:
        """The same as report A's counter has it: for its ResNet-50 1,311,594,496 (1.312 G).

        That figure is what the package ``thop`` counts: beside the multiply-accumulates (of
        weights, not biases) 4 operations per element of an affine BatchNorm, 2 if it is not
        affine, and k + 1 per output of an adaptive average pool over k positions. ReLU, dropout,
        max-pool and the addition of a shortcut are free.
        """
        return self.macs + sum(row.norm_and_pool_ops for row in self.rows)


def summary_for(options: Mapping[str, Any], shape: ImageShape, batch_size: int = 1) -> ModelSummary:
    """Return the summary of the network that ``options`` name, for such images; no weight is
    made."""
    with torch.device("meta"):
        model = build_model(options, shape.classes, shape.channels, shape.side)
    return summarize(model, shape.channels, shape.side, batch_size)


def summarize(
    model: nn.Module, in_channels: int, image_size: int, batch_size: int = 1
) -> ModelSummary:
    """Count one evaluation pass over images (batch_size, in_channels, image_size, image_size).

    The pass is made with a single black image. Neither weights, BatchNorm statistics, training
    mode nor random state change. (With shapes alone, on torch's meta device, nothing would be
    computed, but torch would import its compiler first, which takes seconds.)
    """
    rows: list[LayerRow] = []
    children: list[tuple[str, Shape]] = []

    def record_row(name: str, module: nn.Module, x: Tensor, out: Tensor) -> None:
        rows.append(_row(name, module, x, out, batch_size))

    def record_child(name: str, module: nn.Module, x: Tensor, out: Tensor) -> None:
        children.append((name, (batch_size, *out.shape[1:])))

    image_shape = (in_channels, image_size, image_size)
    leaves = [item for item in model.named_modules() if not any(item[1].children())]
    with ExitStack() as stack:
        stack.enter_context(_evaluating(model))
        for name, module in leaves:
            stack.enter_context(_hook(module, name, record_row))
        for name, module in model.named_children():
            stack.enter_context(_hook(module, name, record_child))
        stack.enter_context(torch.no_grad())
        model(torch.zeros(1, *image_shape, device=next(model.parameters()).device))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    input_shape = (batch_size, *image_shape)
    return ModelSummary(input_shape, tuple(rows), tuple(children), parameters)


def _row(name: str, module: nn.Module, x: Tensor, out: Tensor, batch_size: int) -> LayerRow:
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return LayerRow(
        name,
        type(module).__name__,
        (batch_size, *out.shape[1:]),
        parameters,
        _macs(module, out),
        _norm_and_pool_ops(module, x, out),
    )


def _macs(module: nn.Module, out: Tensor) -> int:
    """Return the multiply-accumulates of a layer: each output is a sum over the weights of one
    output channel (or unit)."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        return out.numel() * module.weight[0].numel()
    return 0


def _norm_and_pool_ops(module: nn.Module, x: Tensor, out: Tensor) -> int:
    """See ``ModelSummary.macs_with_norm_and_pool``."""
    if isinstance(module, nn.BatchNorm2d):
        return x.numel() * (4 if module.affine else 2)
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return out.numel() + x.numel()
    return 0


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Run the block in evaluation mode; afterwards every module has its own mode again."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def _hook(
    module: nn.Module, name: str, record: Callable[[str, nn.Module, Tensor, Tensor], None]
) -> Iterator[None]:

    def note(self: nn.Module, args: tuple[Any, ...], out: Any) -> None:
        if args and isinstance(args[0], Tensor) and isinstance(out, Tensor):  # LSTMs give tuples
            record(name, self, args[0], out)

    handle = module.register_forward_hook(note)
    try:
        yield
    finally:
        handle.remove()
