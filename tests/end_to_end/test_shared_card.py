"""Trials that share a card through MPS, a stand-in for it, and one that breaks the card for all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import ray

from search.autotune.mps import PIPES
from search.autotune.resources import Resources
from search.study.events import FINISHED, Note
from search.study.messages import Completed, DeviceLost, EpochDone, Message, Task
from search.workers.driver import run_search
from tests.search.conftest import Desks
from tests.search.mps_stand_in import stand_in_for_mps

GUILTY = 1
pytestmark = pytest.mark.usefixtures("work_travels_by_value", "workers_without_torch")


def breaks_it_once(task: Task) -> Iterator[Message]:
    """While cards are shared through MPS, a trial breaks one for all; later it trains as others."""
    yield EpochDone({"epoch": 1, "val_top1": 50.0})
    if PIPES in os.environ and task.number == GUILTY:
        yield DeviceLost("CUDA error: device-side assert triggered")
    yield EpochDone({"epoch": 2, "val_top1": 50.0})
    yield Completed({})


def test_all_go_on_without_mps_and_none_is_to_blame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = stand_in_for_mps(tmp_path, monkeypatch)
    monkeypatch.setattr("search.autotune.mps.run_module", lambda *arguments: ["[]"])
    monkeypatch.setattr(ray, "init", partial(ray.init, num_gpus=1))
    desks = Desks(tmp_path)
    with desks.leases:
        desk = desks(n_trials=3)
        resources = Resources(2, 1, gpus_per_trial=0.5, max_retries=0)
        assert run_search(desk.runner, resources, breaks_it_once) == FINISHED
    assert [trial.state.name for trial in desk.study.get_trials()] == ["COMPLETE"] * 3
    assert [line.split()[0] for line in told()] == ["start", "quit"]
    said = [event.text for event in desk.events if isinstance(event, Note)]
    assert any("a card answers none of the trials that share it; Ray is" in text for text in said)
    assert any("no MPS (a trial broke the card for all" in text for text in said)
    assert PIPES not in os.environ
