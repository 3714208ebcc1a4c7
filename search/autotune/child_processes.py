"""Short work in processes of its own, so that neither threads nor GPU memory stay behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from search.common.errors import UserError, one_line

ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
SECONDS_BETWEEN_LOOKS = 0.05


def run_module(arguments: Sequence[str], count: int, what: str, instead: str) -> list[str]:
    """Return what ``count`` processes of ``python -m`` print, all run at the same time.

    They write to files: a pipe that nobody reads would stall its process, and with it all that wait
    for that one. None outlives this call, whatever ends it. Raises ``UserError`` as soon as one
    fails: ``what`` did, and ``instead`` is the flag that does without.
    """
    command = [sys.executable, "-m", *arguments]
    processes: list[subprocess.Popen[bytes]] = []
    with _signals_interrupt(), TemporaryDirectory(prefix="sharpsearch-child-") as folder:
        printed = [Path(folder, f"{index}.out") for index in range(count)]
        errors = [Path(folder, f"{index}.err") for index in range(count)]
        try:
            for out, err in zip(printed, errors, strict=True):
                with open(out, "wb") as to_out, open(err, "wb") as to_err:
                    processes.append(subprocess.Popen(command, stdout=to_out, stderr=to_err))
            failed = _wait(processes)
        finally:
            for process in processes:
                process.kill()
                process.wait()
        if failed is None:
            return [out.read_text() for out in printed]
        index, code = failed
        said = errors[index].read_text(errors="replace").strip().splitlines()
        cause = one_line(said[-1]) if said else "no message"
        raise UserError(f"the {what} ended with exit code {code}: {cause}; {instead}")


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> tuple[int, int] | None:
    """Return None once all have ended well, or index and exit code of the first that fails, at
    once: the others may wait for it."""
    while True:
        codes = [process.poll() for process in processes]
        failed = next(((index, code) for index, code in enumerate(codes) if code), None)
        if failed is not None or None not in codes:
            return failed
        with suppress(subprocess.TimeoutExpired):
            processes[codes.index(None)].wait(SECONDS_BETWEEN_LOOKS)


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Return a context manager within which a signal that would end this process at once is an
    interruption, as Ctrl-C is."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
