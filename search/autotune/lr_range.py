"""The learning-rate range test that a search can run first, and the interval that it leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from search.autotune.child_processes import run_module
from search.autotune.timing import Workload
from search.record.record import LRRangeFacts
from spaces.params import Float
from spaces.space import ResolvedSpace
from trainers.config import TrainConfig
from trainers.execution import Execution

DEFAULT_STEPS = 300  # mini-batches of report C's test
FACTOR = 10.0  # the suggestion is searched around this far, up and down


def lr_parameter(space: ResolvedSpace) -> Float | None:
    """Return the learning rate, where it varies over an interval."""
    found = [p for p in space.parameters if p.name == "lr" and isinstance(p, Float)]
    return found[0] if found else None


def narrowed(space: ResolvedSpace, suggestion: float, config: TrainConfig) -> ResolvedSpace:
    """Return ``space`` with its learning rate in [suggestion / 10, suggestion · 10].

    The interval never leaves the space's own and always holds the baseline's rate, which trial 0
    has. A suggestion that lies too far outside leaves the space as it is. With linear scaling,
    the suggested rate of a step is first turned into the rate that the configuration names.
    """
    lr = lr_parameter(space)
    assert lr is not None
    named = suggestion * config.lr / config.initial_lr
    low, high = max(lr.low, _round(named / FACTOR)), min(lr.high, _round(named * FACTOR))
    if low >= high:
        return space
    return with_interval(space, min(low, space.baseline["lr"]), max(high, space.baseline["lr"]))


def with_interval(space: ResolvedSpace, low: float, high: float) -> ResolvedSpace:
    """Return ``space`` with its learning rate in [low, high]."""
    parameters = tuple(
        replace(p, low=low, high=high) if p.name == "lr" and isinstance(p, Float) else p
        for p in space.parameters
    )
    return replace(space, parameters=parameters)


def run_range_test(
    space: ResolvedSpace,
    workload: Workload,
    execution: Execution,
    steps: int,
    folder: Path,
) -> tuple[ResolvedSpace, LRRangeFacts]:
    """Return ``space`` with its learning rate narrowed by a test over ``steps`` mini-batches.

    The curve goes to ``lr_range.csv`` and ``.png`` in ``folder``. Raises ``UserError``.
    """
    task = {
        "config": workload.config.to_dict(),
        "execution": execution.to_dict(),
        "data": str(workload.data_folder.resolve()),
        "sweep": {"steps": steps},
        "folder": str(folder.resolve()),
    }
    instead = "search without it: --no-lr-range-test"
    arguments = ["trainers.lr_range", json.dumps(task)]
    (output,) = run_module(arguments, 1, "range test", instead)
    suggestion = json.loads(output.splitlines()[-1])["suggestion"]
    found = space if suggestion is None else narrowed(space, suggestion, workload.config)
    lr = lr_parameter(found)
    assert lr is not None
    return found, LRRangeFacts(lr.low, lr.high, suggestion, steps=steps)


def in_words(facts: LRRangeFacts) -> str:
    """Return the result of a range test, in words."""
    interval = f"lr is searched from {facts.low:g} to {facts.high:g}"
    if facts.suggestion is None:
        return f"range test: the loss never falls, so {interval}"
    return f"range test: the loss falls fastest at {facts.suggestion:.3g}; {interval}"


def _round(rate: float) -> float:
    return float(f"{rate:.3g}")
