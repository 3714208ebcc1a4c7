"""What the probe of a GPU tries, keeps and chooses; the processes that time it are a stand-in."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search.autotune.gpu_probe import GpuProbe, counts_of, probe_gpu, ways_of
from search.autotune.gpus import Gpus
from search.autotune.probe import Timing
from search.autotune.resources import Resources
from search.common.errors import UserError
from trainers.config import TrainConfig
from trainers.data.prepared import Meta
from trainers.execution import Execution

CARD = Gpus("Card", "9.0", 80e9, tf32=True, bfloat16=True, driver="580.1")
DATA = Meta(1, "", (), {"train_images": (50_000, 32, 32, 3)}, (), (), "")
EAGER, GRAPH = Execution("cuda"), Execution("cuda", graph=True)
SLOW = Execution("cuda", channels_last=False)
OUT_OF_MEMORY = (None, "CUDA out of memory")
Speed = float | tuple[None, str]
Table = dict[int, dict[Execution, Speed]]  # of one process, by how many are side by side


class Children:
    """Stand in for the processes of a round; ``rounds`` are the ways that each was to time."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.rounds: list[tuple[int, list[Execution]]] = []

    def __call__(self, arguments: Sequence[str], count: int, *said: str) -> list[str]:
        task = json.loads(arguments[1])
        ways = [Execution.from_mapping(way) for way in task["ways"]]
        assert arguments[0] == "trainers.gpu_probe"
        assert task["count"] == count
        self.rounds.append((count, ways))
        if count not in self.table:
            raise UserError("a process was ended by signal 9")
        speeds = [self.table[count][way] for way in ways]
        return [
            json.dumps([speed if isinstance(speed, tuple) else (speed, "") for speed in speeds])
        ] * count


Run = Callable[..., tuple[Timing, Children]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    def probe(table: Table, counts: Sequence[int] = (1, 2, 4, 8), **changes: Any) -> Any:
        children = Children(table)
        monkeypatch.setattr("search.autotune.gpu_probe.run_module", children)
        monkeypatch.setattr("search.autotune.gpu_probe.version", lambda name: changes.get("torch"))
        asked = GpuProbe(changes.get("config", TrainConfig()), tuple(table[counts[0]]), (*counts,))
        gpus, said = changes.get("gpus", CARD), changes.get("said", [])
        return probe_gpu(asked, gpus, DATA, tmp_path, tmp_path, said.append), children

    return probe


def test_ways_are_what_the_cards_compute_in_each_layout_with_and_without_a_graph() -> None:
    found = ways_of(Execution("cuda", threads=3), CARD, None, None)
    assert len(set(found)) == 3 * 2 * 2
    assert {way.threads for way in found} == {3}
    old = replace(CARD, tf32=False, bfloat16=False)
    assert {way.precision for way in ways_of(EAGER, old, None, None)} == {"float32"}


def test_ways_are_as_asked() -> None:
    assert {way.precision for way in ways_of(EAGER, CARD, "tf32", None)} == {"tf32"}
    assert {way.graph for way in ways_of(EAGER, CARD, None, True)} == {True}
    assert {way.graph for way in ways_of(EAGER, CARD, None, False)} == {False}
    exact = ways_of(Execution("cuda", deterministic=True), CARD, None, None)
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
    best, children = run(table)
    assert (best.execution, best.at_once) == (GRAPH, count)
    assert best.speed == count * table[count][GRAPH]  # type: ignore[operator]
    assert [n for n, _ in children.rounds] == [1, 2, 4, 8][:rounds]


def test_what_is_the_fastest_alone_may_not_be_so_with_others(run: Run) -> None:
    """A graph leaves no gaps for others to fill."""
    best, _ = run({1: {EAGER: 60, GRAPH: 100}, 2: {EAGER: 59, GRAPH: 52}}, counts=(1, 2))
    assert (best.execution, best.at_once, best.speed) == (EAGER, 2, 118)


def test_a_way_that_is_half_as_fast_is_not_tried_with_others(run: Run) -> None:
    table: Table = {n: {EAGER: 51, GRAPH: 100, SLOW: 49} for n in (1, 2)}
    _, children = run(table, counts=(1, 2))
    assert [ways for _, ways in children.rounds] == [[EAGER, GRAPH, SLOW], [EAGER, GRAPH]]


def test_a_way_that_runs_out_of_memory_is_no_candidate(run: Run) -> None:
    table: Table = {
        1: {EAGER: 50, GRAPH: OUT_OF_MEMORY, SLOW: 45},
        2: {EAGER: OUT_OF_MEMORY, SLOW: 44},
        4: {SLOW: OUT_OF_MEMORY},
    }
    best, children = run(table)
    assert (best.execution, best.at_once) == (SLOW, 2)
    assert [n for n, _ in children.rounds] == [1, 2, 4]


def test_a_round_that_fails_ends_the_probe_with_what_it_found(run: Run) -> None:
    best, _ = run({1: {EAGER: 50}})
    assert (best.execution, best.at_once) == (EAGER, 1)
    with pytest.raises(UserError, match=r"could not train: CUDA out of memory; computing goes by"):
        run({1: {GRAPH: OUT_OF_MEMORY}})


def test_a_finding_is_kept_for_the_same_card_driver_torch_and_setting(run: Run) -> None:
    table: Table = {1: {EAGER: 50, GRAPH: 60}}
    best, _ = run(table, counts=(1,))
    again, none = run(table, counts=(1,), config=replace(TrainConfig(), seed=7))
    assert (again, none.rounds) == (best, [])
    others = (
        {"gpus": replace(CARD, name="Other")},
        {"gpus": replace(CARD, driver="590.2")},
        {"torch": "3.0"},
        {"config": replace(TrainConfig(), batch_size=7)},
    )
    for change in others:
        assert run(table, counts=(1,), **change)[1].rounds, change


@pytest.mark.parametrize(
    ("cores", "most", "gigabytes", "counts"),
    [
        (16, 100, 80, [1, 2, 4, 8]),
        (5, 100, 80, [1, 2, 4]),  # each trial keeps a core busy
        (16, 3, 80, [1, 2]),  # no more than there are trials
        (16, 100, 0.7, [1, 2]),  # all have their images on the card: 0.15 GB
        (1, 1, 0.1, [1]),
    ],
)
def test_as_many_trials_as_there_are_trials_cores_and_memory_for(
    monkeypatch, cores: int, most: int, gigabytes: float, counts: list[int]
) -> None:
    monkeypatch.setattr("search.autotune.machine.cpu_count", lambda: cores)
    gpus, alone = replace(CARD, free=gigabytes * 1e9), Resources(1, 1, gpus_per_trial=1.0)
    assert counts_of(alone, True, most, gpus, DATA) == counts
    assert counts_of(alone, False, most, gpus, DATA) == [1]
    assert counts_of(Resources(4, 1, 0.25), False, most, gpus, DATA) == [4], "as asked"


def test_two_cards_have_half_of_the_cores_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.autotune.machine.cpu_count", lambda: 8)
    assert counts_of(Resources(2, 1, gpus_per_trial=1.0), True, 99, CARD, DATA) == [1, 2, 4]
