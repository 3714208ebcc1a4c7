"""A space by its name in the table, or from a user's own file."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from search.common.errors import UserError, one_line
from spaces import SPACES, named_space
from spaces.params import SpaceError
from spaces.space import Space
from trainers.user_code import names_file
from trainers.validators import suggest


def find_space(name_or_path: str | Space) -> Space:
    """The named space, or ``SPACE`` of a Python file. The file's code is run, by design. In Python
    it may be the space itself."""
    if isinstance(name_or_path, Space):
        return _with_file(name_or_path, Path())
    if name_or_path in SPACES:
        return named_space(name_or_path)
    path = Path(name_or_path).expanduser()
    if path.suffix == ".py" or path.is_file():
        return _space_of_file(path)
    raise UserError(
        f"unknown space {name_or_path!r}{suggest(name_or_path, SPACES)} "
        f"(known: {', '.join(SPACES)}; or the path of a .py file with a SPACE in it)"
    )


def _space_of_file(path: Path) -> Space:
    if not path.is_file():
        raise UserError(f"no such space file: {path}")
    module = ModuleType(f"user_space_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up by name
    try:
        # Not imported: that would leave a __pycache__ beside the user's file.
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except SpaceError as error:
        raise UserError(f"{path}: {error}") from None
    except (Exception, SystemExit) as error:
        raise UserError(
            f"{path} cannot be run: {type(error).__name__}: {one_line(error)}"
        ) from None
    space = getattr(module, "SPACE", None)
    if not isinstance(space, Space):
        raise UserError(f"{path} must define SPACE as a spaces.space.Space, got {space!r:.60}")
    return _with_file(space, path.parent)


def _with_file(space: Space, folder: Path) -> Space:
    """``space`` whose training function, if it has one, is named by its file."""
    return replace(space, train=_file_of(space.train, folder)) if space.train else space


def _file_of(train: str, folder: Path) -> str:
    """``module:function`` as path/to/module.py:function: beside the space's file, or installed."""
    if not isinstance(train, str):
        raise UserError(
            f"train must be a text, module:function, of a file that every worker can import, got "
            f"{train!r:.80}; write the function to a file, also where it is a notebook's"
        )
    if names_file(train):
        return str(folder / train)
    module, colon, name = train.partition(":")
    if not colon or not name.isidentifier():
        raise UserError(f"train must be of the form module:function, got {train!r}")
    beside = folder.joinpath(*module.split(".")).with_suffix(".py")
    if beside.is_file():
        return f"{beside}:{name}"
    try:
        found = find_spec(module)
    except (ImportError, ValueError):
        found = None
    if found is None or not found.origin or not found.origin.endswith(".py"):
        raise UserError(
            f"train={train!r}: there is no {beside}, nor an installed module {module!r}"
        )
    return f"{found.origin}:{name}"
