"""Tables of the reports as references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spaces.space import Reference

# As report C calls CIFAR-10's classes, in the order of their labels.
CIFAR10_CLASSES = (
    "plane",
    "car",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


def class_accuracies(
    source: str, accuracies: Sequence[float], setting: Mapping[str, Any]
) -> tuple[Reference, ...]:
    """Test accuracies in % of the ten classes of CIFAR-10, each a ``class_top1``."""
    return tuple(
        Reference("class_top1", value, source, {**setting, "class": name})
        for name, value in zip(CIFAR10_CLASSES, accuracies, strict=True)
    )


def output_shapes(source: str, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Reference, ...]:
    """Return what a layer gives for one image, as (channels, side) or (units,), under its name in
    the network: ``output_channels`` and, of a map, ``output_side``."""
    return tuple(
        Reference(metric, value, source, {"layer": layer})
        for layer, shape in shapes.items()
        for metric, value in zip(("output_channels", "output_side"), shape, strict=False)
    )
