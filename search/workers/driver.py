"""Runs a study's trials in Ray Tune workers until it has its total or is asked to stop."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from search.autotune.resources import Resources
from search.common.errors import SearchError
from search.common.layout import origin_of
from search.study.events import FINISHED, INTERRUPTED, TIMED_OUT, Note
from search.study.trial_runner import Conditions, TrialRunner
from search.workers.capacity import Room
from search.workers.open_ray import open_ray
from search.workers.phases import Stages
from search.workers.ray_internals import (
    STOP_SIGNALS,
    RayNotStartedError,
    in_main_thread,
    lost_process,
)
from search.workers.watchdog import Watch

if TYPE_CHECKING:
    from search.workers.worker import Work

MOST_RESTARTS = 3  # of Ray, in one search


def run_search(
    runner: TrialRunner,
    resources: Resources,
    work: Work,
    timeout: float | None = None,
    then: Callable[[], TrialRunner | None] = lambda: None,
) -> str:
    """Trains until the study is met, ``timeout`` seconds have passed or a signal came.

    ``work`` is a function from ``Task`` to messages, as ``search.workers.train_task.train_task``;
    ``then`` opens the runner that the same workers turn to once this one is met, if there is any.
    Returns how it ended; trials that were live then stay RUNNING in the study and on disk.
    """
    with _stop_signals() as stop:
        deadline = _Deadline(stop, timeout)

        def prepare(runner: TrialRunner) -> None:
            shares_gpus = resources.gpus_per_trial < 1
            runner.train_under(Conditions(deadline.reached, deadline.seconds_left, shares_gpus))

        stages = Stages(runner, then, prepare)
        restarts = 0
        while not stages.are_met() and (lost := _with_ray(stages, resources, work, deadline)):
            restarts += 1
            if restarts > MOST_RESTARTS:
                raise SearchError(
                    f"{lost}, {restarts} times; what was recorded is kept, the same command "
                    "resumes it"
                )
            for number in list(stages.runner.live):
                stages.runner.release(number)
            stages.runner.observe(Note(f"{lost}; Ray is started again", warning=True))
    ended = FINISHED if stages.are_met() else INTERRUPTED if stop.asked else TIMED_OUT
    stages.runner.close()
    return ended


def _with_ray(stages: Stages, resources: Resources, work: Work, deadline: _Deadline) -> str:
    """Trains until what all workers need is lost or they are no longer needed; returns a sentence
    about the loss, "" if there was none."""
    if deadline.reached():
        return ""
    try:
        with open_ray(stages, resources, deadline.reached) as (scratch, room):
            if not deadline.reached():
                _tune(stages, resources, work, deadline, scratch, room)
            died = "" if deadline.reached() else lost_process()
            return f"Ray's {died} died" if died else ""
    except RayNotStartedError as error:
        return "" if deadline.reached() else str(error)


class _Stop:
    """Whether a signal asked to stop. The second one ends the process at once; in a notebook or
    another session in which somebody types, the call alone."""

    asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT and hasattr(sys, "ps1"):
            raise KeyboardInterrupt
        if self.asked:
            os._exit(128 + number)
        self.asked = True

    def listen(self) -> None:
        """Takes the signals that are not ignored: nohup means to outlive the terminal."""
        for number in STOP_SIGNALS:
            if in_main_thread() and signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self)


@contextmanager
def _stop_signals() -> Iterator[_Stop]:
    stop = _Stop()
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    stop.listen()
    try:
        yield stop
    finally:
        for number, handler in before.items():
            if in_main_thread():
                signal.signal(number, handler)


class _Deadline:
    """Whether the whole search is to stop now."""

    def __init__(self, stop: _Stop, timeout: float | None):
        self._stop = stop
        self._end = None if timeout is None else time.monotonic() + timeout

    def reached(self) -> bool:
        late = self._end is not None and time.monotonic() >= self._end
        return late or self._stop.asked

    def seconds_left(self) -> float | None:
        """None where there is no end."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def reason(self) -> str:
        """Why the search stops now."""
        if self._stop.asked:
            return "stopping, trials at work are kept (a second signal ends it at once)"
        return "time is up, trials at work are kept"


def _tune(
    stages: Stages,
    resources: Resources,
    work: Work,
    deadline: _Deadline,
    scratch: str,
    room: Room,
) -> None:
    from ray import tune
    from ray.tune import TuneError

    from search.workers.node_data import drivers_data
    from search.workers.ray_adapters import (
        NoReporter,
        RunnerScheduler,
        RunnerSearcher,
        RunnerStopper,
        StopNow,
    )
    from search.workers.remote_heartbeat import FarBeats
    from search.workers.worker import make_worker, placement

    folder = stages.runner.plan.folder
    far = FarBeats() if resources.ray_address and origin_of(folder.results_dir) else None
    watch = Watch(resources.silence, far=far)
    data = drivers_data() if resources.ray_address else None
    cpus = resources.threads * resources.processes
    takes = partial(placement, cpus, resources.gpus_per_trial)
    try:
        tune.run(
            tune.with_resources(make_worker(work, data), takes),
            search_alg=RunnerSearcher(stages, room),
            scheduler=RunnerScheduler(stages, watch, room, resources.max_retries, lost_process),
            stop=RunnerStopper(stages, deadline.reached, watch, room, lost_process),
            num_samples=-1,
            reuse_actors=True,
            raise_on_failed_trial=False,
            storage_path=scratch,
            trial_dirname_creator=lambda trial: trial.trial_id,
            progress_reporter=NoReporter(),
            verbose=0,
        )
    except StopNow:
        if deadline.reached():
            stages.runner.observe(Note(deadline.reason()))
    except TuneError as error:  # the runner's own error, which Ray keeps as a text
        raise error.__context__ or error from None
