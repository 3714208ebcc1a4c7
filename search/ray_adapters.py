"""The two thin adapters between Ray Tune's controller and the ledger, and its worker.

Tune's controller asks the scheduler first; when that says STOP, the searcher hears of the last
result in ``on_trial_complete`` only. So the scheduler hands every message to the ledger, and the
searcher asks for tasks and hears of trials that Ray gave up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from search.ledger import Ledger
from search.messages import EpochDone, Failed, Message, Task

TASK, MESSAGE = "task", "message"
SECONDS_BETWEEN_LOOKS = 1.0

Work = Callable[[Task], Iterator[Message]]


class NotSaved:
    """Ray's snapshot of an experiment keeps nothing of this: the study is the only truth."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class LedgerSearcher(NotSaved, Searcher):
    """Gives Ray one task at a time, never more than ``concurrency`` at once."""

    def __init__(self, ledger: Ledger, concurrency: int):
        super().__init__()
        self.ledger = ledger
        self.concurrency = concurrency
        self.numbers: dict[str, int] = {}
        self._next_look = 0.0

    def suggest(self, trial_id: str) -> Any:
        """A configuration; None to wait; FINISHED when the study is met or the ledger closed."""
        if self.ledger.closed:
            return Searcher.FINISHED
        if len(self.ledger.live) >= self.concurrency or time.monotonic() < self._next_look:
            return None
        task = self.ledger.next_task()
        if task is not None:
            self.numbers[trial_id] = task.number
            return {TASK: task}
        if self.ledger.is_met():
            return Searcher.FINISHED
        self._next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS  # another driver is at work
        return None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Only what no message told: a worker that died more often than it may."""
        number = self.numbers.pop(trial_id, None)
        if error and number is not None:
            self.ledger.end(number, Failed("the worker died, also when it was started again"))

    def save(self, checkpoint_path: str) -> None:
        """Nothing to keep."""

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a search goes on from its study, not from Ray's snapshot")


class LedgerScheduler(NotSaved, FIFOScheduler):
    """Hands each message to the ledger and passes its decision on."""

    def __init__(self, ledger: Ledger):
        super().__init__()
        self.ledger = ledger

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        task: Task = trial.config[TASK]
        message: Message = result[MESSAGE]
        if isinstance(message, EpochDone):
            goes_on = self.ledger.report(task.number, message)
            return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP
        self.ledger.end(task.number, message)
        return TrialScheduler.STOP


class StopNow(BaseException):
    """Leaves Tune at once. Its own way to stop waits for every worker, half a minute for one that
    is just starting; nothing is gained by that, since study and checkpoints are always whole."""


class LedgerStopper(NotSaved, tune.Stopper):
    """Ends the experiment when ``stop`` says so, after the ledger has been closed."""

    def __init__(self, ledger: Ledger, stop: Callable[[], bool]):
        self.ledger = ledger
        self.stop = stop

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        if self.stop():
            self.ledger.close()
            raise StopNow
        return False


def make_worker(work: Work) -> type[tune.Trainable]:
    """A Ray worker that stays warm from trial to trial and steps through ``work``'s messages."""

    class Worker(tune.Trainable):
        _messages: Iterator[Message]

        def setup(self, config: dict[str, Any]) -> None:
            self._messages = work(config[TASK])

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self._messages.close()  # type: ignore[attr-defined]  # ends a pruned trial's monitor
            self.setup(new_config)
            return True

        def step(self) -> dict[str, Any]:
            return {MESSAGE: next(self._messages)}

    return Worker
