"""Whoever reads the output may leave: the command continues."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from errno import EIO, ENOSPC
from pathlib import Path

import pytest

from search.common.lasting_stream import LastingStream

COMMAND = """
import sys
from pathlib import Path
from search.common.errors import run_main

def main():
    from rich.console import Console
    console = Console()
    for number in range(2000):
        console.print(f"line {number} {'.' * 60}")
        print("a plain one", flush=True)
        print("an error", file=sys.stderr, flush=True)
    Path(sys.argv[1]).touch()
    return 3

sys.exit(run_main(main))
"""


def test_a_command_outlives_the_reader_of_its_output(tmp_path: Path) -> None:
    file, (reader, writer) = tmp_path / "went on", os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", COMMAND, str(file)]
    with open(writer, "w") as gone:
        ended = subprocess.run(command, stdout=gone, stderr=gone, timeout=300)
    assert ended.returncode == 3
    assert file.exists()


class Broken(io.StringIO):
    def __init__(self, number: int, at: int):
        super().__init__()
        self.number, self.at = number, at

    def write(self, text: str) -> int:
        raise OSError(self.number, os.strerror(self.number))

    flush = write  # type: ignore[assignment]

    def fileno(self) -> int:
        return self.at


def test_a_terminal_that_is_closed_is_no_error(tmp_path: Path) -> None:
    with open(tmp_path / "out", "w") as file:
        stream = LastingStream(Broken(EIO, file.fileno()))
        assert stream.write("to nobody") == 9
        file.write("nor later")
    assert (tmp_path / "out").read_text() == ""


def test_a_full_disk_is_said() -> None:
    with pytest.raises(OSError, match="No space left"):
        LastingStream(Broken(ENOSPC, 1)).write("too much")


def test_all_else_is_the_streams_own() -> None:
    assert LastingStream(sys.__stdout__ or sys.stdout).encoding == sys.__stdout__.encoding  # type: ignore[union-attr]
