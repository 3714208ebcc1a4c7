"""What the runner asks of its database: few commits, and no look at the others without need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from search.storage.storage import open_storage, write_often
from search.study.messages import Completed
from tests.search.desk import Desks

FIGURES = {f"figure_{n}": float(n) for n in range(12)}
Counting = Callable[[], Any]


@pytest.fixture
def storage(tmp_path: Path) -> Any:
    storage = open_storage(f"sqlite:///{tmp_path / 'studies.db'}")
    write_often(storage)
    return storage


@contextmanager
def counted(engine: Engine) -> Iterator[Counter[str]]:
    """Transactions that wrote, and statements by their first word."""
    seen: Counter[str] = Counter()
    wrote = False

    def statement(connection: Any, cursor: Any, text: str, *rest: Any) -> None:
        nonlocal wrote
        word = text.split()[0]
        seen[word] += 1
        wrote = wrote or word in ("INSERT", "UPDATE", "DELETE")

    def commit(connection: Any) -> None:
        nonlocal wrote
        seen["write"] += wrote
        wrote = False

    event.listen(engine, "before_cursor_execute", statement)
    event.listen(engine, "commit", commit)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", statement)
        event.remove(engine, "commit", commit)


def test_a_trial_is_asked_for_reported_and_told_in_a_write_each(
    open_desk: Desks, storage: Any
) -> None:
    desk = open_desk(storage=storage)
    with counted(storage.engine) as asking:
        task = desk.next_task()
    with counted(storage.engine) as reporting:
        desk.report(task, 40.0)
    with counted(storage.engine) as ending:
        desk.runner.finish(task.number, Completed(FIGURES))
    assert (asking["write"], reporting["write"], ending["write"]) == (1, 1, 1)


def test_a_report_off_the_rungs_reads_no_other_trial(open_desk: Desks, storage: Any) -> None:
    desk = open_desk(storage=storage, n_trials=9)
    desk.next_task()
    task = desk.next_task()
    desk.report(task, 10.0, 11.0)
    with counted(storage.engine) as seen:
        desk.report(task, 12.0, first=3)  # the rungs are 2, 4, 8, …
    assert seen["SELECT"] <= 3  # that the trial is ours and open, and the epoch is new
