"""Mean and standard deviation of the pixels."""

from __future__ import annotations

import numpy as np

AT_ONCE = 2**21  # values


def channel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of uint8 images (N, H, W, C), scaled to [0, 1].

    Sums are whole numbers, so the result does not depend on order or on the number of threads.
    """
    channels = images.shape[3]
    total = np.zeros(channels, np.int64)
    squares = np.zeros(channels, np.int64)
    step = max(1, AT_ONCE * len(images) // images.size)
    for start in range(0, len(images), step):
        pixels = images[start : start + step].reshape(-1, channels).astype(np.int64)
        total += pixels.sum(axis=0)
        squares += (pixels * pixels).sum(axis=0)
    count = images.size // channels
    # count·sum(x²) minus sum(x)², in Python's integers: exact, and never negative.
    spread = [count * int(s) - int(t) ** 2 for t, s in zip(total, squares, strict=True)]
    mean = tuple(int(t) / count / 255 for t in total)
    return mean, tuple(value**0.5 / count / 255 for value in spread)
