"""What a calibration times, keeps and chooses; the processes that time are a stand-in."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search.autotune.calibrate import (
    Calibration,
    Round,
    Timing,
    calibrate,
    candidates,
    rounds_on_cpu,
    rounds_on_gpu,
)
from search.autotune.devices import Gpus
from search.autotune.resources import ComputeOptions, Resources
from search.autotune.timing import Workload
from search.common.errors import UserError
from trainers.config import TrainConfig
from trainers.data.prepared import Meta
from trainers.execution import Execution

CARD = Gpus("Card", "9.0", 80e9, tf32=True, bfloat16=True, driver="580.1")
DATA = Meta(1, "", (), {"train_images": (50_000, 32, 32, 3)}, (), (), "")
OPEN = ComputeOptions()
EAGER, GRAPH = Execution("cuda"), Execution("cuda", graph=True)
SLOW = Execution("cuda", channels_last=False)
OUT_OF_MEMORY = (None, "CUDA out of memory")
Speed = float | tuple[None, str]
Table = dict[int, dict[Execution, Speed]]  # of one process, by how many are side by side


class Children:
    """Stand in for the processes of a round; ``rounds`` are the executions that each timed."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.rounds: list[tuple[int, list[Execution]]] = []

    def __call__(self, arguments: Sequence[str], count: int, *said: str) -> list[str]:
        task = json.loads(arguments[1])
        executions = [Execution.from_mapping(values) for values in task["executions"]]
        assert arguments[0] == "trainers.timing"
        assert task["count"] == count
        self.rounds.append((count, executions))
        if count not in self.table:
            raise UserError("a process was ended by signal 9")
        speeds = [self.table[count][execution] for execution in executions]
        return [
            json.dumps([speed if isinstance(speed, tuple) else (speed, "") for speed in speeds])
        ] * count


Run = Callable[..., tuple[Calibration, Children, list[str]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    def calibrated(table: Table, counts: Sequence[int] = (1, 2, 4, 8), **changes: Any) -> Any:
        children, said = Children(table), list[str]()
        monkeypatch.setattr("search.autotune.timing.run_module", children)
        monkeypatch.setattr("search.autotune.calibrate.version", lambda name: changes.get("torch"))
        workload = Workload(changes.get("config", TrainConfig()), DATA, tmp_path, tmp_path)
        rounds = [Round(count, 1) for count in counts]
        gpus = changes.get("gpus", CARD)
        ways = list(table[min(table)])
        return calibrate(workload, ways, rounds, gpus, said.append), children, said

    return calibrated


def test_candidates_are_what_the_device_computes_in_each_layout_and_on_a_gpu_as_a_graph() -> None:
    on_cpu = candidates(OPEN, Execution(threads=3), None)
    assert {(way.precision, way.channels_last) for way in on_cpu} == {
        (precision, layout) for precision in ("float32", "bfloat16") for layout in (True, False)
    }
    assert {(way.threads, way.graph) for way in on_cpu} == {(3, False)}
    on_gpu = candidates(OPEN, GRAPH, CARD)
    assert len(set(on_gpu)) == 3 * 2 * 2
    assert on_gpu[0] == EAGER, "the plainest first: an error may break the GPU for all later ones"
    old = replace(CARD, tf32=False, bfloat16=False)
    assert {way.precision for way in candidates(OPEN, GRAPH, old)} == {"float32"}


def test_candidates_are_as_asked() -> None:
    asked = ComputeOptions(precision="tf32")
    assert {way.precision for way in candidates(asked, GRAPH, CARD)} == {"tf32"}
    for graph in (True, False):
        asked, execution = ComputeOptions(graph=graph), replace(EAGER, graph=graph)
        assert {way.graph for way in candidates(asked, execution, CARD)} == {graph}
    exact = candidates(OPEN, replace(EAGER, deterministic=True), CARD)
    assert {(way.deterministic, way.graph) for way in exact} == {(True, False)}


@pytest.mark.parametrize(
    ("speeds", "count", "rounds"),
    [
        ([100, 54, 99, 99], 1, 2),  # 108 of two together are not clearly more
        ([100, 90, 47, 40], 2, 3),
        ([100, 90, 80, 70], 8, 4),
    ],
)
def test_more_trials_on_a_card_must_be_clearly_worth_it(
    run: Run, speeds: list[float], count: int, rounds: int
) -> None:
    """Speeds of each process; no more are tried once more did not pay."""
    table: Table = {
        n: {EAGER: 0.8 * speed, GRAPH: speed} for n, speed in zip((1, 2, 4, 8), speeds, strict=True)
    }
    found, children, _ = run(table)
    speed = count * table[count][GRAPH]  # type: ignore[operator]
    assert found.best == Timing(GRAPH, count, speed)
    assert [n for n, _ in children.rounds] == [1, 2, 4, 8][:rounds]


@pytest.mark.parametrize(("one", "all_cores", "threads"), [(50, 109, 1), (50, 111, 2), (50, 90, 1)])
def test_more_threads_a_trial_must_be_clearly_worth_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one: float, all_cores: float, threads: int
) -> None:
    table: Table = {2: {Execution(): one}, 1: {Execution(threads=2): all_cores}}
    monkeypatch.setattr("search.autotune.timing.run_module", Children(table))
    workload = Workload(TrainConfig(), DATA, tmp_path, tmp_path)
    rounds = [Round(2, 1), Round(1, 2)]
    best = calibrate(workload, [Execution()], rounds, None, print).best
    assert (best.execution.threads, best.at_once) == (threads, 3 - threads)


def test_what_is_the_fastest_alone_may_not_be_so_with_others(run: Run) -> None:
    """A graph leaves no gaps for others to fill."""
    found, _, _ = run({1: {EAGER: 60, GRAPH: 100}, 2: {EAGER: 59, GRAPH: 52}}, counts=(1, 2))
    assert found == Calibration(Timing(EAGER, 2, 118), tried=4)


def test_what_is_less_than_half_as_fast_is_not_tried_with_others(run: Run) -> None:
    table: Table = {n: {EAGER: 51, GRAPH: 100, SLOW: 49} for n in (1, 2)}
    _, children, _ = run(table, counts=(1, 2))
    assert [ways for _, ways in children.rounds] == [[EAGER, GRAPH, SLOW], [EAGER, GRAPH]]


def test_a_candidate_that_cannot_train_is_left_out_and_named(run: Run) -> None:
    table: Table = {
        1: {EAGER: 50, GRAPH: (None, "ValueError: an index"), SLOW: 45},
        2: {EAGER: OUT_OF_MEMORY, SLOW: 44},
        4: {SLOW: OUT_OF_MEMORY},
    }
    found, children, said = run(table)
    assert (found.best.execution, found.best.at_once) == (SLOW, 2)
    assert [n for n, _ in children.rounds] == [1, 2, 4]
    assert said[1:] == [
        "calibrating: 1 at once without float32, CUDA graph: ValueError: an index",
        "calibrating: 2 at once without float32, no CUDA graph: CUDA out of memory",
        "calibrating: 4 at once without float32, no CUDA graph, contiguous: CUDA out of memory",
    ]


def test_where_nothing_trains_no_search_begins(run: Run) -> None:
    with pytest.raises(UserError, match=r"cannot be trained here: CUDA out of memory; change it"):
        run({1: {GRAPH: OUT_OF_MEMORY}})
    with pytest.raises(UserError, match="ended by signal 9"):
        run({1: {GRAPH: 1}}, counts=(2,))


def test_a_round_that_fails_ends_the_calibration_with_what_it_found(run: Run) -> None:
    found, _, said = run({1: {EAGER: 50}})
    assert (found.best.execution, found.best.at_once) == (EAGER, 1)
    assert said[-1] == "calibrating: 2 at once are left out: a process was ended by signal 9"


def test_a_finding_is_kept_for_the_same_card_driver_torch_and_setting(run: Run) -> None:
    table: Table = {1: {EAGER: 50, GRAPH: 60}}
    first, _, _ = run(table, counts=(1,))
    again, none, said = run(table, counts=(1,), config=replace(TrainConfig(), seed=7))
    assert (again, none.rounds, said) == (first, [], [])
    others = (
        {"gpus": replace(CARD, name="Other")},
        {"gpus": replace(CARD, driver="590.2")},
        {"torch": "3.0"},
        {"config": replace(TrainConfig(), batch_size=7)},
    )
    for change in others:
        assert run(table, counts=(1,), **change)[1].rounds, change


@pytest.mark.parametrize(
    ("cards", "cores", "most", "gigabytes", "counts"),
    [
        (1, 16, 100, 80, [1, 2, 4, 8]),
        (1, 5, 100, 80, [1, 2, 4]),  # each trial keeps a core busy
        (2, 8, 100, 80, [1, 2, 4]),  # two cards have half of the cores each
        (1, 16, 3, 80, [1, 2]),  # no more than there are trials
        (1, 16, 100, 0.7, [1, 2]),  # all have their images on the card: 0.15 GB
        (1, 1, 1, 0.1, [1]),
    ],
)
def test_as_many_trials_as_there_are_trials_cores_and_memory_for(
    monkeypatch, cards: int, cores: int, most: int, gigabytes: float, counts: list[int]
) -> None:
    monkeypatch.setattr("search.autotune.devices.cpu_count", lambda: cores)
    gpus, alone = replace(CARD, free=gigabytes * 1e9), Resources(cards, 1, gpus_per_trial=1.0)
    assert rounds_on_gpu(OPEN, alone, gpus, most, DATA) == [Round(n, 1) for n in counts]
    asked = ComputeOptions(gpus_per_trial=0.25)
    assert rounds_on_gpu(asked, Resources(4, 1, 0.25), gpus, most, DATA) == [Round(4, 1)]


def test_a_cpu_is_shared_by_one_thread_trials_or_given_to_one(monkeypatch) -> None:
    monkeypatch.setattr("search.autotune.devices.cpu_count", lambda: 4)
    assert rounds_on_cpu(OPEN, Resources(4, 1)) == [Round(4, 1), Round(1, 4)]
    assert rounds_on_cpu(ComputeOptions(threads=2), Resources(2, 2)) == [Round(2, 2)]
    assert rounds_on_cpu(ComputeOptions(concurrency=2), Resources(2, 2)) == [Round(2, 2)]
