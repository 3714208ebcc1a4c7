"""Each benchmark runs at its smallest size and ends with its line of JSON. No time is asserted."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

import benchmarks
from benchmarks import BENCHMARKS
from benchmarks.harness import Aim, Case, Options, alternate, main

FOLDER = Path(benchmarks.__file__).parent
SHARED = {"__init__", "__main__", "data", "harness", "jobs", "machine", "studies", "search_replay"}
APART = {"search_efficiency"}  # a command line of its own


def test_the_table_names_every_benchmark() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")}
    assert set(BENCHMARKS) == files - SHARED - APART


def test_samples_are_taken_in_turn() -> None:
    order: list[str] = []

    def take(name: str) -> float:
        order.append(name)
        return float(len(order))

    assert alternate(lambda: take("ours"), lambda: take("peer"), turns=2) == [[1, 3], [2, 4]]
    assert order == ["ours", "peer", "ours", "peer"]


def test_the_ratio_is_the_median_of_the_pairs() -> None:
    case = Case.of_pairs("", "s", Aim("≥", 2), [2, 9, 4], [1, 3, 4])
    assert (case.ratio, case.low, case.high) == (2, 1, 3)
    assert (case.ours, case.peer) == (4, 3)


@pytest.mark.parametrize(
    ("aim", "met"),
    [
        (Aim("≥", 2), True),
        (Aim("≥", 2.1), False),
        (Aim("≤", 2), True),
        (Aim("≤", 1.9), False),
        (Aim("≈", 1.5), True),  # between low and high
        (Aim("≈", 0.9), False),
    ],
)
def test_an_aim_is_met_or_not(aim: Aim, met: bool) -> None:
    case = Case("", "s", 2, 1, ratio=2, low=1, high=3, aim=aim)
    assert (aim.margin(case) >= 1) is met


def test_the_json_line_holds_the_case_furthest_from_its_aim(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def cases(options: Options) -> list[Case]:
        return [
            Case("good", "s", 9, 1, ratio=9, low=8, high=10, aim=Aim("≥", 3)),
            Case("bad", "s", 4, 1, ratio=4, low=3, high=5, aim=Aim("≥", 5)),
        ]

    assert main("two", "a title", cases, ["--size", "smallest"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["ratio"], result["low"], result["high"], result["aim"]) == (4, 3, 5, "≥ 5")
    assert result["cases"]["good"]["ratio"] == 9


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("data"))


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHMARKS)
def test_it_runs_at_its_smallest_size(
    name: str, data_dir: str, capfd: pytest.CaptureFixture[str]
) -> None:
    cases = importlib.import_module(f"benchmarks.{name}").cases
    assert main(name, BENCHMARKS[name], cases, ["--size", "smallest", "--data-dir", data_dir]) == 0
    result = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert result["benchmark"] == name
    assert 0 < result["low"] <= result["ratio"] <= result["high"]
    assert {"torch", "optuna", "ray"} <= set(result["versions"])
    assert result["machine"]["cores"] >= 1
