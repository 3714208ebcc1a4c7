"""Output that may lose its reader: a search continues when its pipe or terminal is closed."""

from __future__ import annotations

import os
from errno import EIO, EPIPE
from typing import Any, TextIO

READER_GONE = (EPIPE, EIO)  # of a pipe, of a terminal


class LastingStream:
    """``stream``, until nobody reads it any more: from then on what is written is dropped.

    Rich would end the process there. Any other error is raised: a full disk is to be said.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except OSError as error:
            self._drop_after(error)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._drop_after(error)

    def _drop_after(self, error: OSError) -> None:
        if error.errno not in READER_GONE:
            raise error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of the stream."""
        return getattr(self._stream, name)
