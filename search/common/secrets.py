"""Passwords: never in a study, on a page or on the terminal."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

# As SQLAlchemy reads a URL, a user's name ends at the first colon. A password may hold anything.
_USER_AND_PASSWORD = re.compile(r"((?:://|^)[^:/]*):(?!//).*@", re.DOTALL)
_KEY_AND_VALUE = re.compile(
    r"((?:password|passwd|pwd|secret|token)[\w.-]*(?:=|%3D))[^&]*", re.IGNORECASE
)
# In a URL's query: Azure's signature, and keys that S3 and Google presign with.
_OF_A_CLOUD = re.compile(
    r"((?:^|&)(?:sig|sas|[\w.-]*(?:signature|credential|access_?key|account_?key|api_?key)[\w.-]*)"
    r"(?:=|%3D))[^&]*",
    re.IGNORECASE,
)


def without_secrets(url: str) -> str:
    """Return ``url``, or any one argument of a command, with ``***`` for each password in it."""
    address, mark, query = _USER_AND_PASSWORD.sub(r"\1:***@", url).partition("?")
    query = _KEY_AND_VALUE.sub(r"\1***", query)
    return address + mark + _OF_A_CLOUD.sub(r"\1***", query)


def command_without_secrets(command: str | Sequence[str]) -> str:
    """Return a command as one may copy it, from its arguments or as it was typed."""
    try:
        arguments = shlex.split(command) if isinstance(command, str) else command
    except ValueError:  # no command that a shell would take
        return without_secrets(str(command))
    return shlex.join(map(_without_secrets_of_a_url, arguments))


def _without_secrets_of_a_url(argument: str) -> str:
    """Return whether a word is a URL: a study may be named ``lr:0.1@wide``, which has no scheme."""
    return (
        without_secrets(argument) if "://" in argument else _KEY_AND_VALUE.sub(r"\1***", argument)
    )
