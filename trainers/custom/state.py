"""What a training function hands over to be kept: how it is read, and put back in place.

Anything with ``state_dict`` and ``load_state_dict``; random number generators; tensors, arrays and
containers, also of such things; and any other object by pickle's own protocol: what it calls its
state is kept, and given to the same object again. What cannot be put back is refused by name.
"""

from __future__ import annotations

import copyreg
import hashlib
import io
import pickle
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

PICKLED = "__pickled__"
_CONTAINERS = (list, tuple, dict)
_VALUES = (type(None), bool, int, float, complex, str, bytes, np.generic, np.ndarray, torch.Tensor)


@dataclass(frozen=True)
class Access:
    """How the state of one object is read, and put back into it."""

    read: Callable[[], Any]
    write: Callable[[Any], Any]


def access(value: Any) -> Access:
    """Raises ``TypeError`` for what cannot be changed in place."""
    if isinstance(value, type):
        raise TypeError("a class has no state of its own")
    if hasattr(value, "state_dict") and hasattr(value, "load_state_dict"):
        return Access(value.state_dict, value.load_state_dict)
    if isinstance(value, np.random.Generator):
        return access(value.bit_generator)
    if isinstance(value, np.random.BitGenerator):
        return Access(lambda: value.state, partial(setattr, value, "state"))
    if hasattr(value, "get_state") and hasattr(value, "set_state"):
        return Access(value.get_state, value.set_state)
    if isinstance(value, torch.Tensor):
        return Access(value.detach, value.detach().copy_)
    if isinstance(value, np.ndarray):
        return Access(lambda: value, partial(value.__setitem__, ...))
    if type(value) in (list, bytearray, array):
        return Access(lambda: value, partial(value.__setitem__, slice(None)))
    if type(value) in (set, dict, Counter, OrderedDict, defaultdict):
        return Access(lambda: value, partial(_refill, value))
    if isinstance(value, tuple) and value and not any(isinstance(part, _VALUES) for part in value):
        return Access(lambda: None, lambda state: None)  # its parts are kept by themselves
    return _by_pickle(value)


def _refill(value: Any, state: Any) -> None:
    value.clear()
    value.update(state)


def _by_pickle(value: Any) -> Access:
    """Return the object's own pickle protocol, without ever making another object of its class: one
    that frees what a library gave it would free it for both."""
    own = any(
        name in vars(kind)
        for kind in type(value).__mro__[:-1]
        for name in ("__reduce__", "__reduce_ex__", "__getstate__")
    )
    if hasattr(value, "__del__") and not own:
        raise TypeError("it frees something at its end and does not say how it is pickled")

    def reduced() -> list[Any]:
        parts = value.__reduce_ex__(pickle.DEFAULT_PROTOCOL)
        return list(parts) + [None] * (6 - len(parts)) if isinstance(parts, tuple) else [None] * 6

    def read() -> Any:
        _, _, state, items, pairs, _ = reduced()
        return state, None if items is None else list(items), None if pairs is None else list(pairs)

    def write(kept: Any) -> None:
        state, items, pairs = kept
        if items is not None:
            value.clear()
            value.extend(items)
        if pairs is not None:
            value.clear()
            value.update(pairs)
        _set_state(value, state, reduced()[5])

    make, _, state, items, pairs, _ = reduced()
    empty = hasattr(value, "__dict__") and make in (copyreg.__newobj__, copyreg.__newobj_ex__)  # type: ignore[attr-defined]
    if state is None and items is None and pairs is None and not empty:
        raise TypeError("it cannot be changed in place")
    return Access(read, write)


def _set_state(value: Any, state: Any, setter: Callable[[Any, Any], Any] | None) -> None:
    """Set the state as unpickling does, which begins with an object that has no attributes."""
    if hasattr(value, "__dict__"):
        vars(value).clear()
    if setter is not None:
        setter(value, state)
    elif hasattr(value, "__setstate__"):
        if state is not None:
            value.__setstate__(state)
    else:
        attributes, slots = state if isinstance(state, tuple) else (state, None)
        if attributes:
            vars(value).update(attributes)
        for name, part in (slots or {}).items():
            object.__setattr__(value, name, part)


def expanded(objects: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``objects``, and what their containers hold that has a state of its own, by names such
    as ``nets[0]`` and ``parts.model``: it is put back in place, too."""
    found = dict(objects)
    for name, value in objects.items():
        if not isinstance(value, _CONTAINERS):
            continue
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        parts = {
            f"{name}.{key}" if isinstance(value, dict) else f"{name}[{key}]": part
            for key, part in pairs
            if not isinstance(part, _VALUES)
        }
        found |= expanded({key: part for key, part in parts.items() if _has_access(part)})
    return found


def _has_access(value: Any) -> bool:
    try:
        access(value)
    except Exception:
        return False
    return True


def keep(objects: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a checkpoint keeps of each of ``objects``: tensors and plain values, or its
    pickle as bytes, in which other ones of ``objects`` are named. Raises ``TypeError`` naming the
    object."""
    names = {id(value): name for name, value in objects.items()}
    found = {}
    for name, value in objects.items():
        try:
            state = access(value).read()
            found[name] = state if _is_plain(state) else _pickled(state, names)
        except Exception as error:  # whatever an object's own protocol raises
            raise TypeError(
                f"run.epochs cannot keep {name}={value!r:.40} and put it back in place: {error}; "
                f"hand over a dictionary of what changes, such as {name}={{'value': …}}"
            ) from error
    return found


def put_back(objects: Mapping[str, Any], kept: Mapping[str, Any]) -> None:
    """Put each of ``objects`` back to the state that ``keep`` had read."""
    for name, value in objects.items():
        if name not in kept:
            raise TypeError(f"{name} was not handed to run.epochs before the restart")
        access(value).write(_unpickled(kept[name], objects))


def _is_plain(value: Any) -> bool:
    """Return whether a checkpoint can be read back without running anything of it."""
    if isinstance(value, Mapping):
        return type(value) in (dict, OrderedDict) and all(
            _is_plain(part) for pair in value.items() for part in pair
        )
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str, bytes, torch.Tensor)


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, names: Mapping[int, str]):
        super().__init__(file)
        self._names = names

    def persistent_id(self, value: Any) -> str | None:
        return self._names.get(id(value))


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, objects: Mapping[str, Any]):
        super().__init__(file)
        self._objects = objects

    def persistent_load(self, name: str) -> Any:
        return self._objects[name]


def _pickled(value: Any, names: Mapping[int, str]) -> dict[str, Any]:
    """Return the pickle as a tensor of bytes."""
    file = io.BytesIO()
    _Pickler(file, {key: name for key, name in names.items() if key != id(value)}).dump(value)
    return {PICKLED: torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)}


def _unpickled(state: Any, objects: Mapping[str, Any]) -> Any:
    if isinstance(state, dict) and state.keys() == {PICKLED}:
        return _Unpickler(io.BytesIO(state[PICKLED].numpy().tobytes()), objects).load()
    return state


def flattened(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return every number and text below what was kept, by its name; of tensors and arrays a
    digest."""
    others = {name: f"<{name}>" for name in kept}
    return {
        key: value
        for name, state in kept.items()
        for key, value in _flat(name, _unpickled(state, others), ())
    }


def _flat(name: str, value: Any, above: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
    if id(value) in above:
        return
    above = (*above, id(value))
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _flat(f"{name}.{key}", part, above)
    elif isinstance(value, (set, frozenset)):
        yield from _flat(name, sorted(value, key=repr), above)
    elif isinstance(value, (list, tuple, deque)):
        for i, part in enumerate(value):
            yield from _flat(f"{name}[{i}]", part, above)
    elif isinstance(value, (torch.Tensor, np.ndarray)):
        digest = hashlib.sha256(_bytes(value)).hexdigest()
        yield name, f"{type(value).__name__} {tuple(value.shape)} {digest[:12]}"
    elif isinstance(value, np.generic):
        yield name, value.item()
    elif value is None or isinstance(value, (bool, int, float, str)):
        yield name, value
    elif isinstance(value, (bytes, bytearray, array)):
        yield name, hashlib.sha256(bytes(value)).hexdigest()[:12]
    elif hasattr(value, "__dict__"):
        yield from _flat(name, vars(value), above)


def _bytes(value: torch.Tensor | np.ndarray) -> bytes:
    if isinstance(value, torch.Tensor):
        flat = value.detach().cpu().contiguous().reshape(-1)
        return flat.view(torch.uint8).numpy().tobytes()
    return repr(value.tolist()).encode() if value.dtype.hasobject else value.tobytes()
