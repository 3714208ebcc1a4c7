"""Feature maps as one picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

TILE, GAP, TITLE, COLUMNS = 64, 4, 18, 16  # pixels; maps in a row


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
    """(h, w), (h, w, 1) or (h, w, 3) uint8, enlarged without smoothing."""
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    return Image.fromarray(pixels).convert("RGB").resize((TILE, TILE), Image.Resampling.NEAREST)
