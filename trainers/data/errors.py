"""The error of wrong, missing or damaged data."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib

from trainers.validators import ConfigError

# What numpy and zipfile raise for a damaged .npy or .npz file.
ARRAY_DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    RuntimeError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
)


class DataError(ConfigError):
    """Data that cannot be used; its text is one line: place, rule and, where known, remedy."""


def one_line(error: BaseException) -> str:
    """What ``error`` says, on one line; its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
