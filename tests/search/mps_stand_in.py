"""A stand-in for NVIDIA's program that starts and stops MPS."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from search.autotune.mps import CONTROL, LOGS, PIPES

Told = Callable[[], list[str]]

# Writes down what it was told, with which cards visible; "quit" also to whoever waits for that.
PROGRAM = """#!/bin/sh
if [ "$1" = -d ]; then
    echo "start in $CUDA_MPS_PIPE_DIRECTORY with ${CUDA_VISIBLE_DEVICES-all}" >>"$TOLD"
    [ -z "$REFUSES" ] || echo "$REFUSES" >&2
    [ -z "$REFUSES" ]
else
    read -r word
    echo "$word in $CUDA_MPS_PIPE_DIRECTORY" >>"$TOLD"
    if [ -p "$QUIT" ]; then echo "$word" >"$QUIT"; fi
fi
"""


def stand_in_for_mps(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """On the path from now on; gives what it was told so far, line by line."""
    program, file = folder / "bin" / CONTROL, folder / "told"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("TOLD", str(file))
    for name in (PIPES, LOGS, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    return lambda: file.read_text().splitlines() if file.exists() else []
