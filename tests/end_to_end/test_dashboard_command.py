"""The dashboard's command: it answers, and it leaves no process behind."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from search.terminal.search_summary import update_notes
from tests.search.reporting import studies

SECONDS = 120  # for a process to start, on a busy machine


def note_of(address: str) -> str:
    with urllib.request.urlopen(f"{address}api/studies/1", timeout=SECONDS) as response:
        study: dict[str, Any] = json.load(response)
    return study["note"]["body"]


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGINT, 0), (signal.SIGKILL, -9)])
def test_it_leaves_no_process_behind(tmp_path: Path, ending: signal.Signals, code: int) -> None:
    study = studies.our_study(storage=f"sqlite:///{tmp_path}/studies.db")
    study.add_trial(studies.trial(0, [1.0, 2.0]))
    update_notes(study, tmp_path)
    command = [sys.executable, "-m", "search.dashboard", "--results-dir", str(tmp_path)]
    with subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        note = note_of(found[0])
        process.send_signal(ending)
        process.communicate(timeout=SECONDS)  # until nobody holds its output any more
    assert "trial 0" in note
    assert process.returncode == code
