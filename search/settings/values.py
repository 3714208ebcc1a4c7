"""KEY=VALUE and KEY=LOW:HIGH, read as what they look like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from search.common.errors import UserError


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """Return ``["depth=16", "augment=none"]`` as values by name."""
    settings: dict[str, Any] = {}
    for key, text, whole in _pairs(texts):
        if not key or "=" not in whole:
            raise UserError(f"--set takes KEY=VALUE, got {whole!r}")
        if key in settings:
            raise UserError(f"--set names {key!r} twice")
        settings[key] = _parse_options(text) if key == "model_options" else parse_value(text)
    return settings


def parse_ranges(texts: Iterable[str]) -> dict[str, tuple[float, float]]:
    """Return ``["lr=0.001:0.1", "depth=10:16"]`` as (low, high) by name."""
    ranges: dict[str, tuple[float, float]] = {}
    for key, text, whole in _pairs(texts):
        values = [parse_value(part.strip()) for part in text.split(":")]
        if len(values) != 2 or not all(type(value) in (int, float) for value in values):
            raise UserError(f"--range takes KEY=LOW:HIGH, such as lr=0.001:0.1, got {whole!r}")
        if key in ranges:
            raise UserError(f"--range names {key!r} twice")
        ranges[key] = (values[0], values[1])
    return ranges


def _pairs(texts: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield key, value and the whole of each text."""
    for text in texts:
        key, _, value = text.partition("=")
        yield key.strip().replace("-", "_"), value.strip(), text


def _parse_options(text: str) -> dict[str, Any]:
    """Return ``dropout=0.2,image_size=32`` as values by name."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not all(equals and key.strip() for key, equals, _ in pairs):
        raise UserError(f"--set model_options takes NAME=VALUE,NAME=VALUE, got {text!r}")
    return {key.strip(): parse_value(value.strip()) for key, _, value in pairs}


def parse_value(text: str) -> Any:
    """Return a text's value: true/false, a whole number, a number, a list with commas, else the
    text itself."""
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
