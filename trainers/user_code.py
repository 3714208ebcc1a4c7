"""A user's own code by file and name: ``path/to/net.py:Net``.

``net.py:Net@1a2b3c4d5e6f`` is that file as it was: its SHA-256 begins so. On a node of a cluster a
copy that travelled with the job stands for it: ``carried_code/1a2b3c4d5e6f/net.py``, below a folder
of ``sys.path``.
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

CARRIED = "carried_code"
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


def pinned_file(spec: str) -> tuple[Path, str] | None:
    """The path and the digest of a spec that has both."""
    match = _FILE.fullmatch(spec)
    return (Path(match["path"]), match["digest"]) if match and match["digest"] else None


def load(spec: str, with_neighbours: bool = False) -> Callable[..., Any]:
    """What the file defines under its name; its code is run, by design. ``with_neighbours``: it may
    import the modules beside it, as a script may. Raises ``ConfigError``."""
    match = _FILE.fullmatch(spec)
    if match is None:
        raise ConfigError(f"{spec!r} must be of the form path/to/file.py:name")
    path = Path(match["path"])
    there = _copy(path.name, match["digest"]) or path
    content = _content(there)
    if match["digest"] not in (None, _digest(content)):
        raise ConfigError(
            f"{path} has changed since this setting was recorded, {match['digest']} to "
            f"{_digest(content)}; restore it, or begin another study"
        )
    if with_neighbours and str(there.parent) not in sys.path:
        sys.path.insert(0, str(there.parent))
    module = ModuleType(f"user_code_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up by name
    exec(compile(content, str(path), "exec"), module.__dict__)
    found = getattr(module, match["name"], None)
    if not callable(found):
        raise ConfigError(f"{path} defines no {match['name']!r} to call")
    return found  # type: ignore[no-any-return]


def _copy(name: str, digest: str | None) -> Path | None:
    """That travelled here, if one did."""
    copies = (Path(folder, CARRIED, digest, name) for folder in sys.path if digest)
    return next((copy for copy in copies if copy.is_file()), None)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
