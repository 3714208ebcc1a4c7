"""What is half written is removed once nobody can be writing it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trainers.atomic_files import SECONDS_TO_WRITE, atomic_file, remove_partials

WRITE = """
import sys
from pathlib import Path
from trainers.atomic_files import atomic_file
with atomic_file(Path(sys.argv[1])) as file:
    print("writing", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[], subprocess.Popen[str]]:
    """Another process that is writing a file of the folder until its input ends."""

    def begin() -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        command = [sys.executable, "-c", WRITE, str(tmp_path / "checkpoint.pt")]
        process = subprocess.Popen(command, text=True, **pipes)
        assert process.stdout
        assert process.stdout.readline() == "writing\n"
        return process

    return begin


def test_a_living_process_keeps_what_it_writes(
    tmp_path: Path, write: Callable[[], subprocess.Popen[str]]
) -> None:
    process = write()
    remove_partials(tmp_path)
    process.communicate()
    assert process.returncode == 0
    assert os.listdir(tmp_path) == ["checkpoint.pt"]


def test_what_a_killed_process_left_is_removed(
    tmp_path: Path, write: Callable[[], subprocess.Popen[str]]
) -> None:
    process = write()
    process.kill()
    process.communicate()
    assert len(list(tmp_path.glob("*.tmp"))) == 1
    remove_partials(tmp_path)
    assert not os.listdir(tmp_path)


def test_another_machines_is_removed_when_it_is_old(tmp_path: Path) -> None:
    partial = tmp_path / "checkpoint.pt.elsewhere-1.tmp"
    partial.touch()
    remove_partials(tmp_path)
    assert partial.exists()
    long_ago = partial.stat().st_mtime - 2 * SECONDS_TO_WRITE
    os.utime(partial, (long_ago, long_ago))
    remove_partials(tmp_path)
    assert not partial.exists()


def test_an_error_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("old")

    def fail() -> None:
        with atomic_file(path) as file:
            file.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert os.listdir(tmp_path) == ["history.csv"]
    assert path.read_text() == "old"
