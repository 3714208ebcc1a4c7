"""The Ray worker that stays warm from trial to trial. It imports neither Optuna nor the ledger:
every worker would have to load them before its first trial."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ray import tune

from search.study.messages import EpochDone, Message, Task
from trainers.parent import die_with_parent

TASK, MESSAGES = "task", "messages"
SHORT = 0.02  # s; epochs that take no longer are told together

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
            return {MESSAGES: told_together(self._messages)}

    return Worker


def told_together(messages: Iterator[Message | Began]) -> list[Message | Began]:
    """The next message, and those after it for as long as they come at once: a round through
    Ray costs more than a very short epoch. The driver hears of them in their order."""
    told: list[Message | Began] = []
    quick = True
    while quick:
        start = time.monotonic()
        told.append(next(messages))
        quick = time.monotonic() - start < SHORT and isinstance(told[-1], EpochDone)
    return told


def _announced(work: Work, task: Task) -> Iterator[Message | Began]:
    yield Began(os.getpid())
    yield from work(task)
