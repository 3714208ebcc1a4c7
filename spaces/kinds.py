"""Whether values are of the types that a dataclass declares for its fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

LARGEST = 2**63  # no count and no hyperparameter is beyond it


def wrong_kind(cls: type, values: Mapping[str, Any]) -> str:
    """Returns in words which of ``values`` is not of the type that ``cls`` declares for its field
    of that name; "" where all are. Lists stand for tuples, whole numbers for floats."""
    kinds = _kinds(cls)
    for name, value in values.items():
        kind = kinds[name]
        if not _is_of_kind(value, kind):
            return f"{name} must be {_WORDS.get(kind, kind)}, got {_shown(value)}"
    return ""


_WORDS = {
    str: "a text",
    bool: "True or False",
    int: "a whole number below 2**63",
    float: "a number",
    Mapping[str, Any]: "values by name",
}


def _shown(value: Any) -> str:
    try:
        return " ".join(f"{value!r:.60}".split())
    except Exception:  # a class of the user's own, or a number of more digits than Python writes
        return f"a {type(value).__name__}"


def _is_of_kind(value: Any, kind: Any) -> bool:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin in (Union, UnionType):
        return any(_is_of_kind(value, one) for one in inner)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(
            _is_of_kind(key, inner[0]) and _is_of_kind(part, inner[1])
            for key, part in value.items()
        )
    if origin is tuple:
        return isinstance(value, (tuple, list)) and all(_is_of_kind(v, inner[0]) for v in value)
    if origin is Callable:
        return callable(value)
    if kind in (int, float):
        number = isinstance(value, (int, kind)) and not isinstance(value, bool)
        return number and not abs(value) > LARGEST
    return value is None if kind is NoneType else isinstance(value, kind)


@cache
def _kinds(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {item.name: hints[item.name] for item in fields(cls)}
