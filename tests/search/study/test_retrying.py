"""A runner that waits for its database: a SQLite file that another program has locked."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage

from search.common.errors import SearchError, StorageError
from search.storage.storage import open_storage
from search.study import retrying
from search.study.events import Note
from search.study.messages import Blocked, Completed, Failed
from search.study.retrying import RetryingRunner
from search.study.trial_runner import Conditions
from tests.search.desk import Desk, Desks


@pytest.fixture
def desk(open_desk: Desks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(retrying, "SECONDS_BETWEEN_TRIES", 0.01)
    desk = open_desk(open_storage(f"sqlite:///{tmp_path}/studies.db", sqlite_wait=0.01))
    runner = desk.runner
    desk.runner = RetryingRunner(runner.study, runner.plan, desk.lease, desk.events.append)
    return desk


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Locks the database for ``seconds``."""
    with closing(sqlite3.connect(tmp_path / "studies.db", check_same_thread=False)) as other:
        timers = []

        def lock(seconds: float) -> None:
            other.execute("BEGIN EXCLUSIVE")
            timers.append(threading.Timer(seconds, other.rollback))
            timers[-1].start()

        yield lock
        for timer in timers:
            timer.join()


def warnings_of(desk: Desk) -> list[str]:
    return [event.text for event in desk.events if isinstance(event, Note) and event.warning]


def test_a_locked_database_is_waited_for_with_one_warning(desk: Desk, locked: Any) -> None:
    task = desk.next_task()
    locked(0.2)
    assert desk.report(task, 50.0)
    locked(0.2)
    assert desk.report(task, 60.0, first=2)
    locked(0.2)
    desk.runner.finish(0, Completed({"test_top1": 40.0}))
    locked(0.2)
    assert desk.next_task().number == 1
    assert desk.trial(0).state.name == "COMPLETE"
    assert desk.trial(0).intermediate_values == {1: 50.0, 2: 60.0}
    assert len(warnings_of(desk)) == 4
    assert all("database is locked" in text for text in warnings_of(desk))


def test_retrying_ends_with_one_line_and_nothing_is_lost(desk: Desk, locked: Any) -> None:
    task = desk.next_task()
    desk.runner.retry_seconds = 0.05
    locked(0.5)
    with pytest.raises(StorageError, match=r"database is locked; what was trained is kept"):
        desk.report(task, 50.0)
    desk.runner.retry_seconds = 60.0
    assert desk.report(task, 50.0)  # reported again, as the next start does
    assert desk.trial(0).intermediate_values == {1: 50.0}


def test_who_asks_to_stop_is_heard_while_waiting(desk: Desk, locked: Any) -> None:
    task = desk.next_task()
    desk.runner.train_under(Conditions(should_stop=lambda: True))
    locked(0.2)
    with pytest.raises(StorageError):
        desk.report(task, 50.0)


def test_a_folder_that_is_gone_is_not_waited_for(desk: Desk, locked: Any) -> None:
    task = desk.next_task()
    shutil.rmtree(desk.folder.path)
    locked(0.2)
    with pytest.raises(StorageError):
        desk.report(task, 50.0)


def test_a_machines_fault_leaves_the_trial_and_stops_the_search(desk: Desk) -> None:
    task = desk.next_task()
    desk.report(task, 50.0)
    with pytest.raises(SearchError, match="trial 0 cannot continue: No space left on device"):
        desk.runner.finish(0, Blocked("No space left on device"))
    assert desk.runner.closed
    assert desk.trial(0).state.name == "RUNNING"


def test_five_failures_alike_stop_the_search(open_desk: Desks) -> None:
    desk = open_desk(n_trials=20)
    for number in range(4):
        desk.next_task()
        desk.runner.finish(number, Failed(f"RuntimeError: shape ({number}, 3) is wrong", "Trace"))
    desk.next_task()
    with pytest.raises(SearchError, match=r"last 5 trials failed .*: RuntimeError: shape \(0"):
        desk.runner.finish(4, Failed("RuntimeError: shape (4, 3) is wrong", "Trace"))
    assert desk.runner.ask() is None
    assert desk.states == ["FAIL"] * 5


def test_one_early_success_does_not_disarm_that(open_desk: Desks) -> None:
    desk = open_desk(n_trials=30)
    for number in range(2):
        desk.report(desk.next_task(), 50.0)
        desk.runner.finish(number, Completed({}))
    for number in range(2, 11):
        desk.next_task()
        desk.runner.finish(number, Failed("RuntimeError: no kernel"))
    desk.next_task()
    with pytest.raises(SearchError, match="the last 10 trials failed for the same reason"):
        desk.runner.finish(11, Failed("RuntimeError: no kernel"))


@pytest.mark.parametrize("odd", [Failed("KeyError: 'x'"), Completed({})])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_failures_of_several_kinds_do_not(open_desk: Desks, odd: Any, place: int) -> None:
    desk = open_desk(n_trials=20)
    for number in range(6):
        desk.report(desk.next_task(), 50.0)
        desk.runner.finish(number, odd if number == place else Failed("RuntimeError: no"))
    assert not desk.runner.closed


def test_a_trial_whose_commit_failed_is_forgotten(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optuna's cache would hand it out as one that a dead driver left."""
    desk.next_task()
    write = RDBStorage.set_trial_user_attr

    def break_once(*what: Any, **more: Any) -> None:
        monkeypatch.setattr(RDBStorage, "set_trial_user_attr", write)
        raise StorageInternalError("the server went away")

    monkeypatch.setattr(RDBStorage, "set_trial_user_attr", break_once)
    assert desk.next_task().number == 1
    assert desk.states == ["RUNNING", "RUNNING"]


@pytest.mark.parametrize("call", ["next_task", "is_met", "report", "end"])
def test_a_study_that_is_deleted_in_mid_run_is_one_line(
    desk: Desk, tmp_path: Path, call: str
) -> None:
    task = desk.next_task()
    optuna.delete_study(study_name="study", storage=f"sqlite:///{tmp_path}/studies.db")
    calls: dict[str, Callable[[], Any]] = {
        "next_task": desk.runner.ask,
        "is_met": desk.runner.is_met,
        "report": lambda: desk.report(task, 50.0),
        "end": lambda: desk.runner.finish(0, Failed("ValueError: no")),
    }
    with pytest.raises(StorageError, match="study 'study' was deleted while it was searched"):
        calls[call]()


@pytest.mark.parametrize("others", [0, 1], ids=["the same id", "another id"])
def test_so_is_one_that_was_made_again_under_its_name(
    desk: Desk, tmp_path: Path, others: int
) -> None:
    task = desk.next_task()
    storage = f"sqlite:///{tmp_path}/studies.db"
    for i in range(others):
        optuna.create_study(study_name=f"other {i}", storage=storage)
    optuna.delete_study(study_name="study", storage=storage)
    optuna.create_study(study_name="study", storage=storage)
    with pytest.raises(StorageError, match="study 'study' was deleted while it was searched"):
        desk.report(task, 50.0)


def test_a_key_error_of_another_kind_is_not_taken_for_that(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.next_task()

    def broken(*arguments: Any) -> Any:
        raise KeyError("a sampler's own")

    monkeypatch.setattr(desk.study.sampler, "sample_relative", broken)
    with pytest.raises(KeyError):
        desk.runner.ask()
