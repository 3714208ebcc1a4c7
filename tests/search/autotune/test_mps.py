"""MPS started for one command, by a stand-in for NVIDIA's program, and stopped however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from search.autotune.mps import CONTROL, LOGS, PIPES, private_mps
from search.common.errors import UserError
from tests.search.mps_stand_in import Told, stand_in_for_mps


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.setattr("search.autotune.mps.run_module", lambda *arguments: ["[]"])
    return stand_in_for_mps(tmp_path, monkeypatch)


def test_runs_for_the_time_of_a_command_alone(told) -> None:
    with private_mps() as mps:
        folder = os.environ[PIPES]
        assert (mps.runs, mps.said) == (True, "")
        assert os.environ[LOGS] == folder
        assert Path(folder).is_dir()
        assert told() == [f"start in {folder} with all"]
    assert told()[1:] == [f"quit -t 5 in {folder}"]
    assert not Path(folder).exists()
    assert PIPES not in os.environ
    assert LOGS not in os.environ


def test_stops_where_what_is_within_fails(told) -> None:
    with pytest.raises(KeyboardInterrupt), private_mps():
        raise KeyboardInterrupt
    assert len(told()) == 2
    assert PIPES not in os.environ


def test_stops_where_the_command_is_killed(told, tmp_path: Path, monkeypatch) -> None:
    quit_ = tmp_path / "quit"
    os.mkfifo(quit_)
    monkeypatch.setenv("QUIT", str(quit_))
    script = (
        "import os, signal; from search.autotune import mps\n"
        "mps.run_module = lambda *arguments: []\n"
        "with mps.private_mps(): os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script])
    assert done.returncode == -signal.SIGKILL
    assert quit_.read_text() == "quit -t 5\n"  # waits until it is written


def test_without_the_program_a_line_says_so(told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with private_mps() as mps:
        assert not mps.runs
        assert f"no MPS ({CONTROL} is not installed): trials that share a card" in mps.said
        assert PIPES not in os.environ


def test_where_it_refuses_a_line_says_why(told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFUSES", "An instance of this daemon is already running")
    with private_mps() as mps:
        assert not mps.runs
        assert "An instance of this daemon is already running" in mps.said
        assert PIPES not in os.environ
    assert len(told()) == 1


def test_where_torch_does_not_reach_the_card_through_it_it_is_stopped(
    told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(*arguments: object) -> list[str]:
        assert PIPES in os.environ
        raise UserError("CUDA error: MPS server is not ready")

    monkeypatch.setattr("search.autotune.mps.run_module", check)
    with private_mps() as mps:
        assert not mps.runs
        assert "MPS server is not ready" in mps.said
        assert PIPES not in os.environ
        assert len(told()) == 2


def test_a_users_own_is_left_alone(told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PIPES, "/theirs")
    with private_mps() as mps:
        assert (mps.runs, mps.said) == (False, "")
        assert os.environ[PIPES] == "/theirs"
    assert told() == []


@pytest.mark.parametrize(("visible", "there"), [("2,3", "all"), ("GPU-ab,GPU-cd", "GPU-ab,GPU-cd")])
def test_cards_keep_their_numbers(told, monkeypatch, visible: str, there: str) -> None:
    """The service would count those that it sees from 0, and trials name them as they are here."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with private_mps():
        assert told()[0].endswith(f"with {there}")
        assert os.environ["CUDA_VISIBLE_DEVICES"] == visible
