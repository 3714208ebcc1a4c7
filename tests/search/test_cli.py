"""The console command: every command under one name, unharmed by a user's own files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from search.cli import COMMANDS, main

# As the installed script does it: Python puts the script's own folder on the path, not this one.
SCRIPT = "import sys; sys.path.remove(''); from search.cli import main; sys.exit(main())"


def called(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_users_own_search_py_is_not_run(tmp_path: Path) -> None:
    for name in ("search", "spaces", "trainers"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the user')")
    (tmp_path / "mine.py").write_text("from spaces.named.lenet_batch import SPACE")
    done = called(tmp_path, "describe", "--space", "mine.py", "--dataset", "cifar10")
    assert (done.returncode, done.stderr) == (0, "")
    assert "lenet_batch, preset full: model lenet" in done.stdout


def test_help_lists_the_commands_and_each_has_its_own(tmp_path: Path) -> None:
    listed = called(tmp_path, "--help").stdout
    assert all(f"\n  {name} " in listed for name in COMMANDS)
    assert called(tmp_path, "run", "--help").stdout.startswith("usage: sharpsearch run [-h]")
    assert called(tmp_path, "lr-range", "-h").stdout.startswith("usage: sharpsearch lr-range [-h]")


def test_an_unknown_command_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["anything"])
    assert main(["rnu"]) == 2
    assert capsys.readouterr().err.startswith("error: unknown command 'rnu'; did you mean 'run'?")
