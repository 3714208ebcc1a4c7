"""One number that tells whether two data sets are the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np


def fingerprint(arrays: Mapping[str, np.ndarray], classes: Sequence[str]) -> str:
    """SHA-256 (hexadecimal) over type, shape and bytes of the arrays, by name, and the classes."""
    digest = hashlib.sha256(json.dumps(list(classes)).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
