"""What all benchmarks share: the command line, alternating runs, ratios, a table, one JSON line.

A sample of ours and one of the peer's are taken in turn, A B A B, so that a machine that slows
down slows both. The ratio is the median of the pairs' ratios; low and high are the smallest and
the largest of them (of five pairs, the median lies between those two with 94 % confidence).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine, versions
from search.common.locations import default_data_dir

SIZES = ("smallest", "normal", "full")  # full differs where the real thing takes an hour
TABLE_WIDTH = 120  # in a pipe too, so that no name is broken
PAIRS = {"smallest": 1, "normal": 5, "full": 5}
T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """What a benchmark is given: ``smallest`` only shows that it works."""

    size: str
    dataset: str | None
    data_dir: str
    asked_pairs: int | None = None
    asked_seconds: float | None = None  # of each run of a race

    def of(self, normal: T, smallest: T) -> T:
        """What belongs to the size."""
        return smallest if self.smallest else normal

    @property
    def pairs(self) -> int:
        return self.asked_pairs or PAIRS[self.size]

    @property
    def smallest(self) -> bool:
        return self.size == "smallest"


@dataclass(frozen=True)
class Aim:
    """Where the ratio should lie; ≈ asks whether the value is between low and high."""

    sign: str
    value: float

    def margin(self, case: Case) -> float:
        """1 or more where the aim is met."""
        if self.sign == "≈":
            return float(case.low <= self.value <= case.high)
        share = case.ratio / self.value
        return share if self.sign == "≥" else 1 / max(share, 1e-9)

    def __str__(self) -> str:
        return f"{self.sign} {self.value:g}"


@dataclass(frozen=True)
class Case:
    """One line of the table: medians of both in ``unit``, and the ratio of ours to the peer's."""

    name: str
    unit: str
    ours: float
    peer: float
    ratio: float
    low: float
    high: float
    aim: Aim

    @classmethod
    def of_pairs(
        cls, name: str, unit: str, aim: Aim, ours: Sequence[float], peer: Sequence[float]
    ) -> Case:
        ratios = [a / b for a, b in zip(ours, peer, strict=True)]
        median = statistics.median
        return cls(
            name, unit, median(ours), median(peer), median(ratios), min(ratios), max(ratios), aim
        )


Sample = Callable[[], float]


def alternate(*samples: Callable[[], T], turns: int) -> list[list[T]]:
    """What each of ``samples`` found, one of them after the other, ``turns`` times."""
    found: list[list[T]] = [[] for _ in samples]
    for _ in range(turns):
        for sample, values in zip(samples, found, strict=True):
            values.append(sample())
    return found


def compare(name: str, unit: str, aim: Aim, ours: Sample, peer: Sample, pairs: int) -> Case:
    """The case of two measures taken in turn."""
    return Case.of_pairs(name, unit, aim, *alternate(ours, peer, turns=pairs))


def parse(description: str, argv: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--size", choices=SIZES, default="normal", help="default: normal")
    parser.add_argument(
        "--dataset",
        help="a named data set, an .npz file or an image folder; default: CIFAR-10 from the "
        "folder SHARPSEARCH_TEST_DATA, at the smallest size digits32",
    )
    parser.add_argument("--data-dir", default=default_data_dir(), help="where it is prepared")
    parser.add_argument("--pairs", type=int, metavar="N", help="runs of ours and of the peer each")
    parser.add_argument("--seconds", type=float, metavar="S", help="of each run, in a race")
    args = parser.parse_args(argv)
    data_dir = os.path.expanduser(args.data_dir)
    return Options(args.size, args.dataset, data_dir, args.pairs, args.seconds)


def main(
    benchmark: str,
    description: str,
    cases: Callable[[Options], list[Case]],
    argv: Sequence[str] | None = None,
) -> int:
    """Runs ``cases``, prints their table and, last, one line of JSON; its ratio is the case's
    that is furthest from its aim."""
    options = parse(description, argv)
    here = machine()
    found = cases(options)
    console = Console()
    console.width = max(console.width, TABLE_WIDTH)
    console.print(_table(description, found))
    if here["load"] > 0.5 and not options.smallest:
        console.print(f"the machine was busy before (load {here['load']}): measure again")
    print(json.dumps(_result(benchmark, options, found) | {"machine": here, **versions()}))
    return 0


def _table(title: str, cases: Sequence[Case]) -> Table:
    table = Table(title=title)
    table.add_column("")
    for column in ("unit", "ours", "peer", "ratio", "low", "high", "aim"):
        table.add_column(column, justify="right")
    for case in cases:
        figures = (case.ours, case.peer, case.ratio, case.low, case.high)
        aim = f"{case.aim} {'✓' if case.aim.margin(case) >= 1 else '✗'}"
        table.add_row(case.name, case.unit, *(f"{figure:.4g}" for figure in figures), aim)
    return table


def _result(benchmark: str, options: Options, cases: Sequence[Case]) -> dict[str, object]:
    worst = min(cases, key=lambda case: case.aim.margin(case))
    shown = {case.name: _figures(case) for case in cases}
    chosen = {key: shown[worst.name][key] for key in ("ratio", "low", "high", "aim")}
    return {"benchmark": benchmark, "size": options.size, **chosen, "cases": shown}


def _figures(case: Case) -> dict[str, object]:
    """As they are printed: five digits are more than was measured."""
    values = {key: value for key, value in asdict(case).items() if key not in ("name", "aim")}
    rounded = {k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in values.items()}
    return rounded | {"aim": str(case.aim)}
