"""What a trial prints is kept in its folder: by its code, by libraries, by child processes."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

MOST_BYTES = 2**20  # of a file; of more, the beginning and the end are kept
SECONDS_BETWEEN_LOOKS = 0.5
_LEFT_OUT = b"\n[... left out: more was printed than is kept ...]\n"
_STDOUT, _STDERR = 1, 2


class OutputLog:
    """Appends this process's stdout and stderr to the file ``path`` until ``stop``, or the end of
    a ``with`` block.

    They are redirected where the system has them, so that what C code and child processes print is
    caught, and nothing is lost where the process dies. Where there is no file to be had, on a full
    disk for one, the trial continues without.
    """

    def __init__(self, path: Path):
        self._path = path
        self._stopped = threading.Event()
        self._before: list[int] = []
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            _flush()
            self._before = [os.dup(_STDOUT), os.dup(_STDERR)]
            os.dup2(self._file, _STDOUT)
            os.dup2(self._file, _STDERR)
            self._watching = threading.Thread(target=self._watch, daemon=True)
            self._watching.start()

    def __enter__(self) -> OutputLog:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop, and remove a file that stayed empty. Calling it again changes nothing."""
        if not self._before or self._stopped.is_set():
            return
        _flush()
        for old, new in zip(self._before, (_STDOUT, _STDERR), strict=True):
            os.dup2(old, new)
            os.close(old)
        self._stopped.set()
        self._watching.join()
        with suppress(OSError):
            if not os.fstat(self._file).st_size:
                self._path.unlink(missing_ok=True)
            os.close(self._file)

    def _watch(self) -> None:
        over = False
        while not over:
            over = self._stopped.wait(SECONDS_BETWEEN_LOOKS)
            with suppress(OSError):
                _trim(self._file)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # a user's code may have put anything there
            stream.flush()


def _trim(file: int) -> None:
    size = os.fstat(file).st_size
    if size > MOST_BYTES:
        kept = MOST_BYTES // 4
        end = os.pread(file, kept, size - kept)
        os.ftruncate(file, kept)  # others may print meanwhile: the beginning stays in its place
        os.write(file, _LEFT_OUT + end)
