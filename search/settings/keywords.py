"""A command's flags as keywords in Python: the same names, rules and defaults."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from search.common.secrets import command_without_secrets
from spaces.space import Space
from trainers.validators import suggest

BY_NAME = {"set": ",", "range": ":"}  # flags that take KEY=VALUE, and what joins several values
NOT_FOR_PYTHON = ("space", "dry_run")


def parse_keywords(
    parser: argparse.ArgumentParser,
    module: str,
    space: str | Path | Space,
    keywords: Mapping[str, Any],
) -> tuple[argparse.Namespace, str]:
    """What ``parser`` makes of a space and ``keywords``, and the command of ``module`` that asks
    for the same; a ``Space`` object, which no command can name, is said to be one.

    Raises ``TypeError`` for an unknown keyword, ``UserError`` for a value that breaks a rule.
    """
    name = f"<Space {space.name}>" if isinstance(space, Space) else str(space)
    arguments = ["--space", name]
    defaults = vars(parser.parse_args(arguments))
    known = [keyword for keyword in defaults if keyword not in NOT_FOR_PYTHON]
    for keyword, value in keywords.items():
        if keyword not in known:
            raise TypeError(
                f"unknown keyword {keyword!r}{suggest(keyword, known)} (known: {', '.join(known)})"
            )
        arguments += _flag(keyword, value, defaults[keyword])
    args = parser.parse_args(arguments)
    if isinstance(space, Space):
        args.space = space
    return args, command_without_secrets(["python", "-m", module, *arguments])


def _flag(keyword: str, value: Any, default: Any) -> Iterator[str]:
    """``n_trials=9`` as ``--n-trials 9``; None is the default."""
    words = keyword.replace("_", "-")
    if keyword in BY_NAME:
        if not isinstance(value, Mapping):
            raise TypeError(f"{keyword} takes a dict such as {{'lr': …}}, got {value!r}")
        for name, item in value.items():
            yield from (f"--{words}", f"{name}={_text(item, BY_NAME[keyword])}")
    elif value is True:
        yield f"--{words}"
    elif value is False and default is None:
        yield f"--no-{words}"
    elif value is not False and value is not None:
        yield from (f"--{words}", _text(value, ","))


def _text(value: Any, between: str) -> str:
    """As it is typed."""
    if isinstance(value, Mapping):
        return between.join(f"{name}={item}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return between.join(map(str, value))
    return str(value)
