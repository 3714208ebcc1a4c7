"""The Ray worker that stays warm from trial to trial. It imports neither Optuna nor the ledger:
every worker would have to load them before its first trial."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ray import tune

from search.ledger.messages import DeviceLost, Message, Task
from trainers.parallel.parent_process import die_with_parent

TASK, MESSAGE = "task", "message"

Work = Callable[[Task], Iterator[Message]]


@dataclass(frozen=True)
class Began:
    """A worker is at a trial now; its process number."""

    pid: int


def make_worker(work: Work) -> type[tune.Trainable]:
    """A Ray worker that stays warm from trial to trial and steps through ``work``'s messages."""

    class Worker(tune.Trainable):
        _messages: Iterator[Message | Began]

        def setup(self, config: dict[str, Any]) -> None:
            die_with_parent()
            self._messages = _announced(work, config[TASK])

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self._messages.close()  # type: ignore[attr-defined]  # ends a pruned trial's monitor
            self.setup(new_config)
            return True

        def step(self) -> dict[str, Any]:
            return {MESSAGE: next(self._messages)}

    return Worker


def _announced(work: Work, task: Task) -> Iterator[Message | Began]:
    yield Began(os.getpid())
    for message in work(task):
        yield message
        if isinstance(message, DeviceLost):
            os._exit(1)  # asked for the next message, the driver has heard why
