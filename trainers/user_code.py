"""A user's own code by file and name: ``path/to/net.py:Net``.

``net.py:Net@1a2b3c4d5e6f`` is that file as it was: its SHA-256 begins so. A file of that name and
content stands for it elsewhere too: on a node of a cluster the copy that travelled with the job,
``carried_code/1a2b3c4d5e6f/net.py`` below a folder of ``sys.path``; and one below the working
directory, which a job of a cluster has under another path each time.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from trainers.validators import ConfigError

CARRIED = "carried_code"
_FILE = re.compile(r"(?P<path>.+\.py):(?P<name>[^\W\d]\w*)(@(?P<digest>[0-9a-f]{12}))?")


def names_file(spec: Any) -> bool:
    """Return whether ``spec`` is a text of that form."""
    return isinstance(spec, str) and _FILE.fullmatch(spec) is not None


def refuse_code(values: Mapping[str, Any], where: str) -> None:
    """Refuse code in a configuration's ``values`` that were read from a database or a checkpoint,
    which anyone may have made: nobody named in this command what they name. Raises ``ConfigError``
    where they name code of a file."""
    for name, value in values.items():
        if names_file(value):
            raise ConfigError(
                f"{where} has {name}={value}, whose code would be run; if you trust it, say so "
                "with --trust-code"
            )


def pinned(spec: str) -> str:
    """Return ``spec`` with the whole path of its file and what the file holds now; others as they
    are. Raises ``ConfigError`` where there is no such file."""
    match = _FILE.fullmatch(spec)
    if match is None:
        return spec
    path = Path(match["path"]).expanduser().resolve()
    return f"{path}:{match['name']}@{_digest(_content(path))}"


def located(spec: str) -> tuple[Path, str] | None:
    """Return where the file of a spec with a digest lies here, and that digest; None where it has
    none, or no such file is here."""
    match = _FILE.fullmatch(spec)
    found = match and match["digest"] and _find(Path(match["path"]), match["digest"])
    return (found, match["digest"]) if match and found else None


def same_code(spec: str, other: str) -> bool:
    """Return whether both are the same name of files of the same name and content."""
    one, two = _FILE.fullmatch(spec), _FILE.fullmatch(other)
    if one is None or two is None or one["digest"] is None:
        return spec == other
    kept = [(Path(m["path"]).name, m["name"], m["digest"]) for m in (one, two)]
    return kept[0] == kept[1]


def load(spec: str, with_neighbours: bool = False) -> Callable[..., Any]:
    """Return what the file defines under its name; its code is run, by design. ``with_neighbours``:
    it may import the modules beside it, as a script may. Raises ``ConfigError``."""
    match = _FILE.fullmatch(spec)
    if match is None:
        raise ConfigError(f"{spec!r} must be of the form path/to/file.py:name")
    path = Path(match["path"])
    there = _find(path, match["digest"]) if match["digest"] else None
    there = there or path
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
    try:
        exec(compile(content, str(path), "exec"), module.__dict__)
    except SystemExit as error:
        raise ConfigError(
            f"{path} ends with exit code {error.code} when it is imported; what only a script does "
            "belongs below: if __name__ == '__main__':"
        ) from error
    found = getattr(module, match["name"], None)
    if not callable(found):
        raise ConfigError(f"{path} defines no {match['name']!r} to call")
    return found  # type: ignore[no-any-return]


def _find(path: Path, digest: str) -> Path | None:
    """Return the file of ``path``'s name and this content: what travelled, with the modules beside
    it, else the one below the working directory, since ``path`` may be an earlier job's."""
    copies = (Path(folder, CARRIED, digest, path.name) for folder in sys.path)
    below = (Path(*path.parts[start:]) for start in range(1, len(path.parts)))
    for candidate in (*copies, *below, path):
        if candidate.is_file() and _digest(candidate.read_bytes()) == digest:
            return candidate.absolute()
    return None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
