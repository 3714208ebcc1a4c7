"""What convolutions make of an image: report C shows the maps after the first and the second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from trainers.validators import ConfigError, suggest

TILE, GAP, TITLE, COLUMNS = 64, 4, 18, 16  # pixels; maps in a row


def find_convolutions(model: nn.Module, names: Sequence[str]) -> dict[str, nn.Conv2d]:
    """Return the convolutions called ``names`` in ``model``, under their full names.

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
    """Return outputs (channels, height, width) of convolutions for one ``image`` (1, C, H, W).

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


def save_feature_picture(path: Path, image: Tensor, maps: Mapping[str, Tensor]) -> None:
    """Writes a PNG: ``image`` (H, W, C) uint8 on top, then each layer's maps (channels, h, w).

    Every map is scaled from its own lowest value, black, to its highest, white.
    """
    rows = [("image", [_tile(image.numpy())])]
    for name, values in maps.items():
        rows.append((f"{name}: {len(values)} maps", [_tile(_grey(one.numpy())) for one in values]))
    columns = min(COLUMNS, max(len(tiles) for _, tiles in rows))
    lines = sum(-(-len(tiles) // columns) for _, tiles in rows)
    size = (GAP + columns * (TILE + GAP), GAP + lines * (TILE + GAP) + len(rows) * TITLE)
    picture = Image.new("RGB", size, "white")
    pen, top = ImageDraw.Draw(picture), GAP
    for title, tiles in rows:
        pen.text((GAP, top), title, fill="black")
        top += TITLE
        for start in range(0, len(tiles), columns):
            for column, tile in enumerate(tiles[start : start + columns]):
                picture.paste(tile, (GAP + column * (TILE + GAP), top))
            top += TILE + GAP
    picture.save(path, "PNG")


def _grey(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    return np.rint((values - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)


def _tile(pixels: np.ndarray) -> Image.Image:
    """Return an image of (h, w), (h, w, 1) or (h, w, 3) uint8, enlarged without smoothing."""
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    return Image.fromarray(pixels).convert("RGB").resize((TILE, TILE), Image.Resampling.NEAREST)
