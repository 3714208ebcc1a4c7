"""Values of flags: checked, and KEY=VALUE parsed."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from search.common.errors import UserError
from trainers.validators import suggest

Number = TypeVar("Number", int, float)


def known(what: str, name: str, table: Collection[str]) -> str:
    """``name``, which must be in ``table``."""
    if name not in table:
        raise UserError(
            f"unknown {what} {name!r}{suggest(name, table)} (known: {', '.join(table)})"
        )
    return name


def at_least(flag: str, value: Number | None, low: float) -> Number | None:
    """``value``, which must be at least ``low`` where it is given."""
    if value is not None and not value >= low:
        raise UserError(f"--{flag} must be at least {low}, got {value}")
    return value


def writable(folder: Path) -> None:
    """``folder`` is one that can be written to, or can be made; nothing is."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise UserError(
            f"--results-dir must be a folder that can be written to, got {str(folder)!r}"
        )


def parse_settings(texts: Iterable[str], names: Sequence[str]) -> dict[str, Any]:
    """``["depth=16", "augment=none"]`` as values; keys other than ``names`` are refused."""
    settings: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise UserError(f"--set takes KEY=VALUE, got {text!r}")
        if key not in names:
            raise UserError(
                f"unknown key {key!r} in --set{suggest(key, names)} (known: {', '.join(names)})"
            )
        if key in settings:
            raise UserError(f"--set names {key!r} twice")
        value = value.strip()
        settings[key] = _parse_options(value) if key == "model_options" else parse_value(value)
    return settings


def _parse_options(text: str) -> dict[str, Any]:
    """``dropout=0.2,image_size=32`` as values by name."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not all(equals and key.strip() for key, equals, _ in pairs):
        raise UserError(f"--set model_options takes NAME=VALUE,NAME=VALUE, got {text!r}")
    return {key.strip(): parse_value(value.strip()) for key, _, value in pairs}


def parse_ranges(texts: Iterable[str]) -> dict[str, tuple[float, float]]:
    """``["lr=0.001:0.1", "depth=10:16"]`` as (low, high) by name."""
    ranges: dict[str, tuple[float, float]] = {}
    for text in texts:
        key, _, ends = text.partition("=")
        key = key.strip().replace("-", "_")
        values = [parse_value(part.strip()) for part in ends.split(":")]
        if len(values) != 2 or not all(type(value) in (int, float) for value in values):
            raise UserError(f"--range takes KEY=LOW:HIGH, such as lr=0.001:0.1, got {text!r}")
        if key in ranges:
            raise UserError(f"--range names {key!r} twice")
        ranges[key] = (values[0], values[1])
    return ranges


def parse_value(text: str) -> Any:
    """true/false, a whole number, a number, a list with commas, else the text itself."""
    if "," in text:
        return tuple(parse_value(part.strip()) for part in text.split(",") if part.strip())
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
