"""KEY=VALUE as typed on a command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from search.common.errors import UserError
from trainers.config import option_names
from trainers.rules import suggest


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """``["depth=16", "augment=none"]`` as values; unknown keys are refused."""
    settings: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise UserError(f"--set takes KEY=VALUE, got {text!r}")
        if key not in option_names():
            raise UserError(
                f"unknown key {key!r} in --set{suggest(key, option_names())} "
                f"(known: {', '.join(option_names())})"
            )
        if key in settings:
            raise UserError(f"--set names {key!r} twice")
        settings[key] = parse_value(value.strip())
    return settings


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
