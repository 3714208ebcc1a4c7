"""The error of wrong, missing or damaged data."""

from __future__ import annotations

from trainers.rules import ConfigError


class DataError(ConfigError):
    """Data that cannot be used; its text is one line: place, rule and, where known, remedy."""


def one_line(error: BaseException) -> str:
    """What ``error`` says, on one line; its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
