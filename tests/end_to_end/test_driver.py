"""One study of many kinds of trials through real Ray workers, without any training."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest

from search.autotune.resources import Resources
from search.study.events import FINISHED, INTERRUPTED, TIMED_OUT, Ended, Epoch, Event, Note
from search.study.messages import (
    Completed,
    DeviceLost,
    Diverged,
    EpochDone,
    Failed,
    Message,
    OutOfMemory,
    Task,
)
from search.workers.driver import run_search
from tests.search.desk import Desk, Desks

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("workers_without_torch", "work_travels_by_value"),
]

EPOCHS = 4
PRUNED, DIVERGED, RAISED, DIES, DIES_ONCE, MEMORY, BREAKS, LOSES_GPU, VICTIM = range(1, 10)
TOTAL = 13


class PruneBelowTen(optuna.pruners.BasePruner):
    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return trial.intermediate_values[trial.last_step or 0] < 10


def value_of(number: int, epoch: int) -> float:
    return 5.0 if number == PRUNED and epoch == 2 else 50.0 + number + epoch / 10


def play(task: Task) -> Iterator[Message]:
    """What a worker does with the trial of a number; every epoch is trained, then reported."""
    folder = Path(task.folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "started", "a") as file:
        file.write(f"{os.getpid()}\n")
    for epoch in range(1, EPOCHS + 1):
        if epoch == 3:
            yield from _fate(task.number, folder)
        if epoch > task.reported:
            yield EpochDone({"epoch": epoch, "val_top1": value_of(task.number, epoch)})
    yield Completed({"test_top1": 40.0 + task.number})


def _fate(number: int, folder: Path) -> Iterator[Message]:
    starts = len((folder / "started").read_text().split())
    if number == DIVERGED:
        yield Diverged("diverged in epoch 3: training loss is nan", 3)
    elif number == RAISED:
        yield Failed("RuntimeError: boom", "Traceback: boom")
    elif number == MEMORY:
        yield OutOfMemory("host memory: ")
    elif number == DIES:
        os._exit(1)
    elif number == DIES_ONCE and starts == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    elif number == VICTIM and starts == 1:
        yield OutOfMemory("host memory: ")
    elif number == LOSES_GPU and starts == 1:
        yield DeviceLost("CUDA error: an illegal memory access was encountered")
        (folder / "went on").touch()
    elif number == BREAKS:
        raise RuntimeError("not even a message")


@pytest.fixture(scope="module")
def module_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    desks = Desks(tmp_path_factory.mktemp("desk"))
    with desks.leases:
        yield desks


@pytest.fixture(scope="module")
def played(module_desk: Desks) -> Desk:
    """The desk of a study that was run to its total, two trials at a time."""
    desk = module_desk(n_trials=TOTAL, pruner=PruneBelowTen())
    desk.ended = run_search(desk.runner, Resources(2, 1, max_retries=1), play)
    return desk


def test_the_search_ends_with_one_terminal_state_for_each_trial(played: Desk) -> None:
    assert played.ended == FINISHED
    assert played.runner.is_met()
    assert len(played.states) == TOTAL
    assert all(trial.state.is_finished() for trial in played.study.get_trials())
    ended = [event.number for event in played.events if isinstance(event, Ended)]
    assert sorted(ended) == list(range(TOTAL))


def test_ordinary_trials_complete_with_every_epoch(played: Desk) -> None:
    for number in (0, 10, 11, 12):
        trial = played.trial(number)
        assert trial.state.name == "COMPLETE"
        assert trial.intermediate_values == {
            epoch: value_of(number, epoch) for epoch in range(1, EPOCHS + 1)
        }
        assert trial.value == value_of(number, EPOCHS)
        assert trial.user_attrs["test_top1"] == 40.0 + number


@pytest.mark.parametrize(
    ("number", "state", "epochs", "reason"),
    [
        (PRUNED, "PRUNED", 2, "pruned at epoch 2 of 4"),
        (DIVERGED, "PRUNED", 3, "diverged in epoch 3"),
        (MEMORY, "PRUNED", 2, "out_of_memory"),
        (RAISED, "FAIL", 2, "RuntimeError: boom"),
    ],
)
def test_a_trial_that_ends_early_says_why_and_keeps_its_reports(
    played: Desk, number: int, state: str, epochs: int, reason: str
) -> None:
    trial = played.trial(number)
    assert trial.state.name == state
    assert list(trial.intermediate_values) == list(range(1, epochs + 1))
    assert trial.user_attrs["reason"].startswith(reason)
    assert trial.constraints == ({"memory": 1.0} if number == MEMORY else {})
    assert math.isnan(trial.intermediate_values[epochs]) is (number == DIVERGED)
    assert played.folder.failure(number).exists() is (number == RAISED)


@pytest.mark.parametrize("number", [DIES, BREAKS])
def test_a_worker_that_dies_again_and_again_fails_its_trial(played: Desk, number: int) -> None:
    trial = played.trial(number)
    assert trial.state.name == "FAIL"
    assert trial.user_attrs["reason"]
    assert trial.intermediate_values == {1: value_of(number, 1), 2: value_of(number, 2)}
    assert len(started(played, number)) == 2  # once, and once more


def test_a_worker_that_dies_once_goes_on_and_completes(played: Desk) -> None:
    trial = played.trial(DIES_ONCE)
    assert len(started(played, DIES_ONCE)) == 2
    assert trial.state.name == "COMPLETE"
    assert trial.intermediate_values == {
        epoch: value_of(DIES_ONCE, epoch) for epoch in range(1, EPOCHS + 1)
    }


def test_a_worker_whose_gpu_is_lost_ends_and_another_goes_on(played: Desk) -> None:
    assert len(set(started(played, LOSES_GPU))) == 2
    assert not (played.folder.trial(LOSES_GPU) / "went on").exists()
    assert played.trial(LOSES_GPU).state.name == "COMPLETE"
    notes = [event.text for event in played.events if isinstance(event, Note)]
    assert any("the GPU does not answer any more (CUDA error: an illegal" in note for note in notes)


def test_a_neighbours_victim_completes_alone(played: Desk) -> None:
    """Its neighbour is at work when it runs out of memory, unless it ended just then."""
    trial = played.trial(VICTIM)
    assert (trial.state.name, len(started(played, VICTIM))) in (("COMPLETE", 2), ("PRUNED", 1))


def test_workers_stay_warm(played: Desk) -> None:
    """A trial that ends in good order leaves its process to the next one: only a death, of which
    there are 6, makes a new one."""
    pids = [pid for number in range(TOTAL) for pid in started(played, number)]
    assert len(set(pids)) <= 2 + 6 < TOTAL + 4 <= len(pids)


def test_no_ray_is_left(played: Desk) -> None:
    import ray

    assert not ray.is_initialized()


def started(desk: Desk, number: int) -> list[str]:
    """The processes that began a trial, in turn."""
    return (desk.folder.trial(number) / "started").read_text().split()


def endless(task: Task) -> Iterator[Message]:
    yield EpochDone({"epoch": 1, "val_top1": 50.0})
    threading.Event().wait()


def test_a_time_out_in_another_thread_leaves_live_trials_to_the_next_run(
    module_desk: Desks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread as in a notebook: signals can be taken in the main thread only."""
    storage = optuna.storages.InMemoryStorage()
    desk = module_desk(storage, n_trials=3)

    def monotonic() -> float:  # the time has come when an epoch has
        return time.monotonic() + 1000 * any(isinstance(event, Epoch) for event in desk.events)

    monkeypatch.setattr("search.workers.stop_signals.time", SimpleNamespace(monotonic=monotonic))
    ended: list[str] = []
    thread = threading.Thread(
        target=lambda: ended.append(run_search(desk.runner, Resources(1, 1), endless, 500.0))
    )
    thread.start()
    thread.join(timeout=600)
    assert ended == [TIMED_OUT]
    assert desk.states == ["RUNNING"]
    desk.lease.__exit__()
    task = module_desk(storage, n_trials=3).next_task()
    assert (task.number, task.reported) == (0, 1)


def play_briefly(task: Task) -> Iterator[Message]:
    """Over long before another worker has started."""
    yield EpochDone({"epoch": 1, "val_top1": 50.0}, {"worker": float(os.getpid())})
    yield Completed({})


def test_a_second_worker_comes_though_trials_are_shorter_than_its_start(tmp_path: Path) -> None:
    desks, seen = Desks(tmp_path), set()
    with desks.leases:
        desk = desks(n_trials=100_000)

        def observe(event: Event) -> None:
            if isinstance(event, Epoch):
                seen.add((desk.runner.live[event.number].usage or {})["worker"])
                if len(seen) == 2:
                    os.kill(os.getpid(), signal.SIGTERM)

        desk.runner.observe = observe
        ended = run_search(desk.runner, Resources(2, 1), play_briefly, timeout=150.0)
    assert ended == INTERRUPTED
