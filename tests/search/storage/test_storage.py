"""The study database: what it opens, what it hides, and reading while another writes."""

from __future__ import annotations

import threading
from pathlib import Path

import optuna
import pytest
from sqlalchemy.exc import OperationalError

from search.common.errors import StorageError, UserError, one_line
from search.storage.storage import load_study, open_storage, watched
from search.study.messages import Completed
from tests.search.desk import Desks


def test_a_missing_driver_is_named_and_the_password_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg2", None)  # as if not installed
    with pytest.raises(UserError) as caught:
        open_storage("postgresql+psycopg2://user:secret@127.0.0.1:1/db")
    assert "needs a database driver that is not installed" in str(caught.value)
    assert "psycopg2" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_sqlite_file_is_made_with_its_folder(tmp_path: Path) -> None:
    open_storage(f"sqlite:///{tmp_path}/new/studies.db")
    assert tmp_path.joinpath("new/studies.db").is_file()


@pytest.mark.parametrize("name", ["studies.db", "study.log"])
def test_a_reader_makes_nothing(tmp_path: Path, name: str) -> None:
    url = str(tmp_path / name) if name.endswith(".log") else f"sqlite:///{tmp_path}/{name}"
    with pytest.raises(UserError, match=r"no study database at .*run a search first"):
        open_storage(url, create=False)
    assert not list(tmp_path.iterdir())


def test_a_database_of_another_optuna_is_refused(tmp_path: Path) -> None:
    import sqlite3

    url = f"sqlite:///{tmp_path}/studies.db"
    open_storage(url)
    with sqlite3.connect(tmp_path / "studies.db") as database:
        database.execute("UPDATE version_info SET schema_version = 3")
        database.execute("UPDATE alembic_version SET version_num = 'v0.1'")
    database.close()
    with pytest.raises(UserError, match="cannot open the storage"):
        open_storage(url)


def test_loading_names_the_studies_that_exist(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    for name in ("one", "two"):
        optuna.create_study(study_name=name, storage=open_storage(url))
    assert load_study("two", url).study_name == "two"
    with pytest.raises(UserError, match=r"no study 'three'.*\(there: one, two\)"):
        load_study("three", url)


def test_a_database_that_stops_working_is_one_line() -> None:
    cause = RuntimeError("disk I/O\nerror")
    with (
        pytest.raises(StorageError) as caught,
        watched("postgresql://user:secret@host/db"),
    ):
        raise OperationalError("SELECT 1", {}, cause)
    text = one_line(caught.value)
    assert "stopped working: disk I/O error; what was reported is kept" in text
    assert "secret" not in text


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_a_search_goes_on_in_a_file(tmp_path: Path, open_desk: Desks, kind: str) -> None:
    url = f"sqlite:///{tmp_path}/studies.db" if kind == "sqlite" else f"{tmp_path}/study.journal"
    first = open_desk(open_storage(url), n_trials=2)
    first.report(first.next_task(), 50.0, 60.0)
    first.runner.close()
    first.lease.__exit__()
    second = open_desk(open_storage(url), n_trials=2)
    task = second.next_task()
    assert (task.number, task.reported) == (0, 2)
    second.report(task, 70.0, first=3)
    second.runner.finish(0, Completed({"test_top1": 66.0}))
    assert open_desk(open_storage(url)).trial(0).intermediate_values == {1: 50.0, 2: 60.0, 3: 70.0}


def test_two_studies_share_a_database_without_meeting(tmp_path: Path, open_desk: Desks) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/studies.db")
    other = optuna.create_study(study_name="other", storage=storage, direction="maximize")
    other.ask()
    desk = open_desk(storage, n_trials=1)
    assert desk.next_task().number == 0
    assert desk.runner.ask() is None
    assert len(desk.study.get_trials()) == 1
    assert len(other.get_trials()) == 1


def test_reading_all_the_time_does_not_stop_the_writer(tmp_path: Path, open_desk: Desks) -> None:
    """As the dashboard does: a connection of its own, everything read again and again."""
    url = f"sqlite:///{tmp_path}/studies.db"
    desk = open_desk(open_storage(url), n_trials=6)
    done, seen, problems = threading.Event(), [], []

    def read() -> None:
        try:
            while not done.is_set():
                study = optuna.load_study(study_name="study", storage=url)
                seen.append(len(study.get_trials()))
        except Exception as error:
            problems.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    while (task := desk.runner.ask()) is not None:
        if desk.report(task, *[50.0 + task.number] * 4):
            desk.runner.finish(task.number, Completed({}))
    done.set()
    reader.join()
    assert not problems
    assert seen
    assert desk.runner.is_met()


def test_an_at_in_a_password_is_refused_unwritten_and_unseen() -> None:
    with pytest.raises(UserError) as caught:
        open_storage("postgresql+psycopg://user:se@cret@127.0.0.1:1/db")
    assert "must be written %40" in str(caught.value)
    assert "cret" not in str(caught.value)


def test_a_port_that_is_none_is_not_quoted() -> None:
    """What stands there may be the end of a password."""
    with pytest.raises(UserError) as caught:
        open_storage("postgresql+psycopg://user:a:b@host:se/cret@there/db")
    assert "se/cret" not in str(caught.value)
    assert "invalid literal" not in str(caught.value)


@pytest.mark.parametrize("command", ["report", "replay", "run"])
def test_a_database_that_is_damaged_is_one_line_at_every_door(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from importlib import import_module

    from search.common.errors import run_main

    monkeypatch.chdir(tmp_path)
    study = optuna.create_study(study_name="wrn_sam-quick", storage="sqlite:///studies.db")
    for number in range(200):
        study.set_user_attr(f"key {number}", "x" * 500)
    study.tell(study.ask(), 1.0)
    whole = (tmp_path / "studies.db").read_bytes()
    readable = len(whole) // 2  # it can be opened, and its studies listed
    (tmp_path / "studies.db").write_bytes(whole[:readable] + b"\xff" * (len(whole) - readable))
    flags = {
        "report": ["--study-name", "wrn_sam-quick"],
        "replay": ["--study-name", "wrn_sam-quick", "--trial", "0"],
        "run": ["--space", "wrn_sam", "--preset", "quick", "--dry-run"],
    }[command]
    main = import_module(f"search.{command}").main
    assert run_main(lambda: main([*flags, "--storage", "sqlite:///studies.db"])) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "malformed; the file is damaged: restore a copy of it" in error
