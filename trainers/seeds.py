"""Seeds for each purpose, so that an epoch's random draws depend on nothing before it."""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, *purpose: object) -> int:
    """Return a 63-bit seed for ``purpose``, such as ("epoch", 3), independent of all others.

    Every epoch is seeded anew from (seed, epoch): a trial that is resumed, or trained in a
    worker that did something else before, draws the same numbers without any generator state
    in its checkpoint.
    """
    text = "/".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seed_everything(seed: int, *purpose: object) -> None:
    """Seed Python's, NumPy's and torch's global generators, for one purpose."""
    import random

    import numpy as np
    import torch

    derived = derive_seed(seed, *purpose)
    random.seed(derived)
    np.random.seed(derived % 2**32)
    torch.manual_seed(derived)
