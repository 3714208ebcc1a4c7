"""The learning-rate range test that a search can run first."""

from __future__ import annotations

import json
from pathlib import Path

from search.autotune.child_processes import run_module
from search.autotune.lr_interval import lr_parameter, narrowed
from search.record.record import LRRangeFacts
from spaces.space import ResolvedSpace
from trainers.config import TrainConfig
from trainers.execution import Execution


def run_range_test(
    space: ResolvedSpace,
    config: TrainConfig,
    execution: Execution,
    data_folder: Path,
    steps: int,
    folder: Path,
) -> tuple[ResolvedSpace, LRRangeFacts]:
    """``space`` with its learning rate narrowed by a test over ``steps`` mini-batches.

    The curve goes to ``lr_range.csv`` and ``.png`` in ``folder``. Raises ``UserError``.
    """
    task = {
        "config": config.to_dict(),
        "execution": execution.to_dict(),
        "data": str(data_folder.resolve()),
        "sweep": {"steps": steps},
        "folder": str(folder.resolve()),
    }
    instead = "search without it: --no-lr-range-test"
    arguments = ["trainers.lr_range", json.dumps(task)]
    (output,) = run_module(arguments, 1, "range test", instead)
    suggestion = json.loads(output.splitlines()[-1])["suggestion"]
    found = space if suggestion is None else narrowed(space, suggestion, config)
    lr = lr_parameter(found)
    assert lr is not None
    return found, LRRangeFacts(lr.low, lr.high, suggestion, steps=steps)


def in_words(facts: LRRangeFacts) -> str:
    """What a test came to."""
    interval = f"lr is searched from {facts.low:g} to {facts.high:g}"
    if facts.suggestion is None:
        return f"range test: the loss never falls, so {interval}"
    return f"range test: the loss falls fastest at {facts.suggestion:.3g}; {interval}"
