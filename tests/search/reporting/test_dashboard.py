"""python -m search.dashboard: serves what it should, on loopback, beside a search that writes."""

from __future__ import annotations

import json
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from search.common.errors import UserError, run_main
from search.common.layout import StudyFolder
from search.dashboard import main, make_dashboard
from search.storage.storage import load_study, open_storage
from search.terminal.search_summary import update_notes
from tests.search.reporting import studies


class Served:
    """A dashboard at work in a thread."""

    def __init__(self, results_dir: Path):
        self.results_dir = results_dir
        self.storage = f"sqlite:///{results_dir}/studies.db"
        storage = open_storage(self.storage, create=False)
        self.server = make_dashboard(storage, results_dir, "127.0.0.1", 0)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def get(self, path: str) -> bytes:
        address = f"http://127.0.0.1:{self.server.server_port}{path}"
        with urllib.request.urlopen(address, timeout=30) as response:
            return response.read()

    def json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    study = studies.our_study(storage=f"sqlite:///{tmp_path}/studies.db")
    study.add_trials([studies.trial(0, [1.0, 2.0]), studies.trial(1, [1.0], TrialState.PRUNED)])
    studies.write_history(StudyFolder(tmp_path, "study"), 0, [1.0, 2.0])
    server = Served(tmp_path)
    yield server
    server.close()


def test_studies_trials_notes_and_files_are_served(served: Served) -> None:
    update_notes(load_study("study", served.storage), served.results_dir)
    (summary,) = served.json("/api/studies")["study_summaries"]
    assert summary["study_name"] == "study"
    study = served.json(f"/api/studies/{summary['study_id']}")
    assert len(study["trials"]) == 2
    assert study["objective_names"] == ["validation top-1 (%)"]
    assert "84.36" in study["note"]["body"]
    assert {plot["id"] for plot in study["plotly_graph_objects"]} >= {"curves-0", "cost-0"}
    trial = study["trials"][0]
    assert "completed" in trial["note"]["body"]


def test_a_search_goes_on_writing_meanwhile(served: Served) -> None:
    study = load_study("study", served.storage)
    for number in range(2, 12):
        study.add_trial(studies.trial(number, [], TrialState.FAIL, lr=0.01 * number))
        served.get("/api/studies")
    update_notes(study, served.results_dir)
    found = served.json("/api/studies/1")["trials"]
    assert [trial["number"] for trial in found] == list(range(12))
    assert all(trial["note"]["body"] for trial in found)


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    studies.our_study(storage=url)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=rf"cannot listen on 127.0.0.1:{port}: .*--port"):
            make_dashboard(open_storage(url), tmp_path, "127.0.0.1", port)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "no study database at"),
        (["--storage", "nonsense"], "--storage must be a database URL"),
        (["--port", "x"], "invalid int value"),
    ],
)
def test_what_is_wrong_is_one_line(
    args: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(lambda: main([*args, "--results-dir", str(tmp_path / "none")])) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "none").exists()


def test_only_this_machine_reaches_it_by_default() -> None:
    from search.dashboard import DashboardSettings

    assert DashboardSettings.parse([]).host == "127.0.0.1"
