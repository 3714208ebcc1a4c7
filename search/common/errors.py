"""Errors a user can cause, and how they reach the terminal: one line, exit code 2."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import TextIOWrapper
from typing import Any, TypeVar

from search.common.lasting_stream import LastingStream

BROKEN = 1
USAGE = 2
INTERRUPTED = 130


class UserError(ValueError):
    """Something the user can mend; the text names value, rule and remedy in one line."""


class SearchError(RuntimeError):
    """The search cannot continue; one line with the cause. What was recorded stays valid."""


class StorageError(SearchError):
    """The study database stopped working in mid-search; one line with the cause."""


Number = TypeVar("Number", int, float)


def at_least(flag: str, value: Number | None, low: float) -> Number | None:
    """Return ``value``, which must be at least ``low`` where it is given."""
    if value is not None and not value >= low:
        raise UserError(f"--{flag} must be at least {low}, got {value}")
    return value


def run_main(main: Callable[[], int]) -> int:
    """Return ``main``'s exit code; a user's error becomes one line on stderr and code 2. When
    whoever reads the output is gone, ``main`` continues.

    Spaces and trainers raise subclasses of ``ValueError`` of their own for the same purpose.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without … gets a ?, not a traceback
    out: Any = LastingStream(sys.stdout)
    err: Any = LastingStream(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        code = _exit_code(main)
        with suppress(OSError):  # said already
            out.flush()
        return code


def _exit_code(main: Callable[[], int]) -> int:
    from spaces.params import SpaceError
    from trainers.validators import ConfigError

    try:
        return main()
    except (UserError, SpaceError, ConfigError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return USAGE
    except SearchError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return BROKEN
    except OSError as error:  # of the machine, not of the program: a full disk, also under stdout
        print(f"error: {one_line(error)}", file=sys.stderr)
        _give_up_output()
        return BROKEN
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _give_up_output() -> None:
    """Drop what could not be written, so that Python does not try again when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def one_line(error: BaseException | str) -> str:
    """Return the text of ``error`` without line breaks, or its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
