"""What a training function hands over to be kept: how it is read, and put back in place.

Anything with ``state_dict`` and ``load_state_dict``; generators of torch and NumPy; tensors and
arrays; dictionaries and lists of plain values; and any other object that can be pickled, such as
an estimator of scikit-learn, whose attributes are put back.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

PICKLED = "__pickled__"


def check_restorable(objects: Mapping[str, Any]) -> None:
    """Raises ``TypeError`` for what cannot be changed in place."""
    for name, value in objects.items():
        changeable = isinstance(value, (dict, list, torch.Tensor, np.ndarray))
        if not (changeable or _has_state(value) or hasattr(value, "__dict__")):
            raise TypeError(
                f"run.epochs cannot put {name}={value!r:.40} back in place; hand over a dictionary "
                f"that holds it, such as {name}={{'value': …}}"
            )


def _has_state(value: Any) -> bool:
    pairs = (("state_dict", "load_state_dict"), ("get_state", "set_state"))
    return isinstance(value, np.random.Generator) or any(
        all(hasattr(value, name) for name in pair) for pair in pairs
    )


def state_of(value: Any) -> Any:
    """What a checkpoint keeps of it: tensors and plain values, or its pickle as bytes."""
    if hasattr(value, "state_dict") and hasattr(value, "load_state_dict"):
        return _kept(value.state_dict())
    if isinstance(value, np.random.Generator):
        return _kept(value.bit_generator.state)
    if hasattr(value, "get_state") and hasattr(value, "set_state"):
        return _kept(value.get_state())
    if isinstance(value, (dict, list, torch.Tensor)):
        return _kept(value)
    return _pickled(value)


def restore(value: Any, state: Any) -> None:
    """Puts ``value``, as ``state_of`` had read it, back in place."""
    state = _unpickled(state)
    if hasattr(value, "state_dict") and hasattr(value, "load_state_dict"):
        value.load_state_dict(state)
    elif isinstance(value, np.random.Generator):
        value.bit_generator.state = state
    elif hasattr(value, "get_state") and hasattr(value, "set_state"):
        value.set_state(state)
    elif isinstance(value, torch.Tensor):
        with torch.no_grad():
            value.copy_(state)
    elif isinstance(value, (list, np.ndarray)):
        value[:] = state
    elif isinstance(value, dict):
        value.clear()
        value.update(state)
    else:
        value.__dict__.clear()
        value.__dict__.update(vars(state))


def _kept(value: Any) -> Any:
    return value if _is_plain(value) else _pickled(value)


def _is_plain(value: Any) -> bool:
    """Whether a checkpoint can be read back without running anything of it."""
    if isinstance(value, Mapping):
        return type(value).__module__ in ("builtins", "collections") and all(
            _is_plain(part) for pair in value.items() for part in pair
        )
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str, bytes, torch.Tensor)


def _pickled(value: Any) -> dict[str, Any]:
    """As a tensor of bytes."""
    content = bytearray(pickle.dumps(value))
    return {PICKLED: torch.frombuffer(content, dtype=torch.uint8)}


def _unpickled(state: Any) -> Any:
    if isinstance(state, dict) and state.keys() == {PICKLED}:
        return pickle.loads(state[PICKLED].numpy().tobytes())
    return state


def flattened(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every number and text below ``value`` by its name; of tensors and arrays a digest."""
    value = _unpickled(value)
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from flattened(f"{name}.{key}", part)
    elif isinstance(value, (list, tuple)):
        for i, part in enumerate(value):
            yield from flattened(f"{name}[{i}]", part)
    elif isinstance(value, (torch.Tensor, np.ndarray)):
        digest = hashlib.sha256(_bytes(value)).hexdigest()
        yield name, f"{type(value).__name__} {tuple(value.shape)} {digest[:12]}"
    elif isinstance(value, np.generic):
        yield name, value.item()
    elif value is None or isinstance(value, (bool, int, float, str)):
        yield name, value
    elif hasattr(value, "__dict__"):
        for key, part in vars(value).items():
            yield from flattened(f"{name}.{key}", part)


def _bytes(value: torch.Tensor | np.ndarray) -> bytes:
    if isinstance(value, torch.Tensor):
        flat = value.detach().cpu().contiguous().reshape(-1)
        return flat.view(torch.uint8).numpy().tobytes()
    return repr(value.tolist()).encode() if value.dtype.hasobject else value.tobytes()
