"""The two thin adapters between Ray Tune's controller and the runner.

Tune's controller asks the scheduler first; when that says STOP, the searcher hears of the last
result in ``on_trial_complete`` only. So the scheduler hands every message to the runner, and the
searcher asks for tasks and hears of trials that Ray gave up.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from search.common.layout import HEARTBEAT
from search.study.events import Note
from search.study.messages import DeviceLost, EpochDone, Failed, Message, OutOfMemory, Remark, Task
from search.workers.nodes import Capacity
from search.workers.ray_internals import error_of, is_of_node, lost_process, unstage
from search.workers.watchdog import Watchdog
from search.workers.worker import MESSAGE, PLACES, TASK, Began

if TYPE_CHECKING:
    from search.workers.driver import Phases

LOW_ON_MEMORY = "low on memory"  # how Ray says that its memory monitor ended a worker
SECONDS_BETWEEN_LOOKS = 1.0


@dataclass
class Session:
    """What the adapters share while one Ray runs. ``max_retries``: how often a trial whose worker
    died is asked for again."""

    phases: Phases
    capacity: Capacity
    watchdog: Watchdog
    should_stop: Callable[[], bool]
    max_retries: int


class Adapter:
    """A part of a session. Ray's snapshot keeps nothing of it: the study is the only truth."""

    def __init__(self, session: Session):
        super().__init__()
        self.session = session
        self.phases = session.phases

    def __getstate__(self) -> dict[str, Any]:
        return {}


class NoReporter(tune.ProgressReporter):
    """Stands in for Ray's display, which in a notebook would clear away the search's."""

    def should_report(self, trials: list[Trial], done: bool = False) -> bool:
        return False


class RunnerSearcher(Adapter, Searcher):
    """Gives Ray one task at a time, never more at once than there is capacity for."""

    _next_look = 0.0

    def suggest(self, trial_id: str) -> Any:
        """Return a configuration; None to wait; FINISHED when all is met, nothing fits into the
        time that is left, or the runner is closed."""
        runner = self.phases.runner
        if runner.closed:
            return Searcher.FINISHED
        at_once = self.session.capacity.at_once()
        if len(runner.live) >= at_once or time.monotonic() < self._next_look:
            return None
        task = runner.ask(workers=max(1, at_once))
        if task is not None:
            return {TASK: task, PLACES: self.session.capacity.places()}
        if self.phases.are_met() or (runner.out_of_time and not runner.live):
            return Searcher.FINISHED
        if self.phases.runner is not runner:
            return self.suggest(trial_id)
        self._next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS  # another driver is at work
        return None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Take note that a trial is over; the scheduler has heard of it. If it was the last, Ray
        need not wait to be told so."""
        self._next_look = 0.0

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: there is nothing to keep."""

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a search resumes from its study, not from Ray's snapshot")


class RunnerScheduler(Adapter, FIFOScheduler):
    """Hands each message to the runner and passes its decision on.

    A trial whose worker died is asked for again. Where one of Ray's own processes died, or a node,
    no trial is to blame.
    """

    def __init__(self, session: Session):
        super().__init__(session)
        self.deaths: Counter[str] = Counter()  # by a trial's folder
        self.reasons: dict[int, str] = {}  # why a worker said that it must end
        self.nodes: dict[int, str] = {}  # by name, of trials at work on a cluster
        self._places: tuple[str, ...] = ()  # that pending trials may go to
        self._chosen: set[str] = set()  # ids of trials that a free worker was given to

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        places = self.session.capacity.places()
        if places != self._places:
            self._take_back(tune_controller, places)
            self._places = places
        return self._new_one(tune_controller) or super().choose_trial_to_run(tune_controller)

    def _new_one(self, tune_controller: Any) -> Trial | None:
        """Return the trial that has waited for a worker the least; it gets a free one. Who waits
        longer has one that is about to start, and Tune would end that. Where trials are shorter
        than a worker takes to start, no second one ever would."""
        for trial in tune_controller.get_live_trials():
            if trial.status == Trial.PENDING and trial.trial_id not in self._chosen:
                self._chosen.add(trial.trial_id)
                return trial
        return None

    def _take_back(self, tune_controller: Any, places: tuple[str, ...]) -> None:
        """Take back trials that wait for a node that is gone, or may not train them now."""
        for trial in list(tune_controller.get_live_trials()):
            if trial.status == Trial.PENDING and not {*trial.config[PLACES]} <= {*places}:
                tune_controller.stop_trial(trial)
                unstage(tune_controller, trial)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """Release a trial that was taken back before it had a worker."""
        task = trial.config[TASK]
        if self.phases.has_issued(task):
            self.phases.runner.release(task.number)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        task: Task = trial.config[TASK]
        self.session.watchdog.heard(task.number)
        if self.phases.has_issued(task) and self._goes_on(task, result[MESSAGE]):
            return TrialScheduler.CONTINUE
        self.session.watchdog.ended(task.number)
        return TrialScheduler.STOP

    def _goes_on(self, task: Task, message: Message | Began) -> bool:
        """Takes a message in; False when the worker is free for another task."""
        number, runner = task.number, self.phases.runner
        if isinstance(message, Began):
            heartbeat = Path(message.folder or task.folder) / HEARTBEAT
            self.session.watchdog.began(number, message.pid, heartbeat, message.node_id)
            self.nodes[number] = message.node
            runner.began(number, message.node, self.session.capacity.kind(message.node))
        elif isinstance(message, DeviceLost):
            self.reasons[number] = f"the GPU does not answer any more ({message.reason})"
        elif isinstance(message, Remark):
            runner.observe(Note(message.text, warning=True))
        elif isinstance(message, EpochDone):
            self.session.watchdog.epoch()
            return runner.report(number, message)
        else:
            runner.finish(number, message)
            return False
        return True

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Release or finish a trial whose worker died."""
        task, runner = trial.config[TASK], self.phases.runner
        number = task.number
        silent, said = self.session.watchdog.ended(number), error_of(trial)
        reason = self.reasons.pop(number, silent) or "its worker died"
        if lost_process() or not self.phases.has_issued(task):
            return
        if LOW_ON_MEMORY in said.lower():
            runner.finish(number, OutOfMemory("host memory: Ray ended the worker"))
            return
        if trial.config[PLACES] and is_of_node(said):
            reason = f"its node {self.nodes.get(number, '')} is gone or cannot be reached"
        else:
            self.deaths[task.folder] += 1
        if self.deaths[task.folder] <= self.session.max_retries:
            text = f"trial {number}: {reason}; another worker resumes it"
            runner.observe(Note(text, warning=True))
            runner.release(number)
        else:
            runner.finish(number, Failed(f"{reason}, {self.deaths[task.folder]} times", said))


class StopNow(BaseException):
    """Leaves Tune at once. Its own way to stop waits for every worker, half a minute for one that
    is just starting; nothing is gained by that, since study and checkpoints are always whole."""


class RunnerStopper(Adapter, tune.Stopper):
    """Leaves Tune when the session is to stop, after the runner has been closed, or when all
    workers are lost; looks after them and the nodes meanwhile."""

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        runner = self.phases.runner
        if self.session.should_stop():
            runner.close()
            raise StopNow
        if lost_process():
            raise StopNow
        if quiet := self.session.watchdog.look():
            runner.observe(Note(quiet))
        self.session.capacity.look()
        runner.keep_lease()
        return False
