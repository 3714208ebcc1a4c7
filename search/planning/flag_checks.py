"""Checks of single flags."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from search.common.errors import UserError
from trainers.rules import suggest


def known(what: str, name: str, table: Collection[str]) -> str:
    """``name``, which must be in ``table``."""
    if name not in table:
        raise UserError(
            f"unknown {what} {name!r}{suggest(name, table)} (known: {', '.join(table)})"
        )
    return name


def at_least(flag: str, value: float | None, low: float) -> float | None:
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
