"""A user's own code by file and name: ``path/to/net.py:Net``.

``net.py:Net@1a2b3c4d5e6f`` is that file as it was: its SHA-256 begins so.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from trainers.rules import ConfigError

_FILE = re.compile(r"(?P<path>.+\.py):(?P<name>[^\W\d]\w*)(@(?P<digest>[0-9a-f]{12}))?")


def names_file(spec: str) -> bool:
    """Whether ``spec`` is of that form."""
    return _FILE.fullmatch(spec) is not None


def pinned(spec: str) -> str:
    """``spec`` with the whole path of its file and what the file holds now; others as they are.
    Raises ``ConfigError`` where there is no such file."""
    match = _FILE.fullmatch(spec)
    if match is None:
        return spec
    path = Path(match["path"]).expanduser().resolve()
    return f"{path}:{match['name']}@{_digest(_content(path))}"


def load(spec: str, with_neighbours: bool = False) -> Callable[..., Any]:
    """What the file defines under its name; its code is run, by design. ``with_neighbours``: it may
    import the modules beside it, as a script may. Raises ``ConfigError``."""
    match = _FILE.fullmatch(spec)
    if match is None:
        raise ConfigError(f"{spec!r} must be of the form path/to/file.py:name")
    path, content = Path(match["path"]), _content(Path(match["path"]))
    if match["digest"] not in (None, _digest(content)):
        raise ConfigError(
            f"{path} has changed since this setting was recorded, {match['digest']} to "
            f"{_digest(content)}; restore it, or begin another study"
        )
    if with_neighbours and str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    module = ModuleType(f"user_code_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up by name
    exec(compile(content, str(path), "exec"), module.__dict__)
    found = getattr(module, match["name"], None)
    if not callable(found):
        raise ConfigError(f"{path} defines no {match['name']!r} to call")
    return found  # type: ignore[no-any-return]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
