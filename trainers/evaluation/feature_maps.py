"""What convolutions make of an image: report C shows the maps after the first and the second."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainers.rules import ConfigError, suggest


def find_convolutions(model: nn.Module, names: Sequence[str]) -> dict[str, nn.Conv2d]:
    """The convolutions called ``names`` in ``model``, under their full names.

    The name of a larger part stands for the first convolution in it: in the small CNN ``conv1``
    is ``conv1.0``. Raises ``ConfigError`` for a name that is none.
    """
    return dict(_find(model, name) for name in names)


def _find(model: nn.Module, name: str) -> tuple[str, nn.Conv2d]:
    convolutions = {n: m for n, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    for full_name, module in convolutions.items():
        if full_name == name or full_name.startswith(f"{name}."):
            return full_name, module
    known = ", ".join(convolutions)
    raise ConfigError(
        f"no convolution {name!r} in this network{suggest(name, convolutions)} (known: {known})"
    )


@torch.inference_mode()
def feature_maps(model: nn.Module, image: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """Outputs (channels, height, width) of convolutions for one ``image`` (1, C, H, W).

    Float32 on the CPU, by full name. The model is left as it was, in evaluation mode.
    """
    maps: dict[str, Tensor] = {}
    handles = []
    for name, module in find_convolutions(model, names).items():

        def keep(module: nn.Module, args: object, out: Tensor, name: str = name) -> None:
            # A copy: the ReLU that follows may write into the same memory.
            maps[name] = out[0].detach().float().cpu().clone()

        handles.append(module.register_forward_hook(keep))
    try:
        model.eval()
        model(image)
    finally:
        for handle in handles:
            handle.remove()
    return maps
