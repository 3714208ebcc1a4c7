"""Short work in processes of its own, so that neither threads nor GPU memory stay behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from search.common.errors import UserError, one_line

ENDING = (signal.SIGTERM, signal.SIGHUP)


def run_module(arguments: Sequence[str], count: int, what: str, instead: str) -> list[str]:
    """What ``count`` processes of ``python -m`` print, all run at the same time.

    None outlives this call, whatever ends it. Raises ``UserError`` where one fails: ``what`` did,
    and ``instead`` is the flag that does without.
    """
    command = [sys.executable, "-m", *arguments]
    processes: list[subprocess.Popen[str]] = []
    with _signals_interrupt():
        try:
            for _ in range(count):
                pipe = subprocess.PIPE
                processes.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True))
            printed = [process.communicate() for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.wait()
    for process, (_, errors) in zip(processes, printed, strict=True):
        if process.returncode:
            said = one_line(errors.strip().splitlines()[-1]) if errors.strip() else "no message"
            raise UserError(
                f"the {what} ended with exit code {process.returncode}: {said}; {instead}"
            )
    return [output for output, _ in printed]


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Within: what would end this process at once is an interruption, as Ctrl-C is."""

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
