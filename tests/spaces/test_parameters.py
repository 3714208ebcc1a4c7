"""Parameters: closed intervals, steps, log scales, grids worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spaces.parameters.architecture import depths, dropout, wide_resnet_depth, width
from spaces.parameters.optimization import (
    batch_size,
    batch_sizes,
    learning_rate,
    sam_rho,
    weight_decay,
)
from spaces.params import Categorical, Float, Int, Parameter, SpaceError

INSIDE = [
    (Float("x", 0.1, 0.5), [0.1, 0.3, 0.5]),
    (Float("x", 0, 1), [0, 1, 0.5]),
    (Float("x", 2.0, 2.0), [2.0]),
    (Int("x", 1, 5), [1, 3, 5]),
    (Int("x", 10, 40, step=6), [10, 16, 40]),
    (Int("x", 3, 3), [3]),
    (Categorical("x", ("a", 2, True)), ["a", 2, True]),
]

OUTSIDE = [
    (Float("x", 0.1, 0.5), 0.0999, "x must be in [0.1, 0.5], got 0.0999"),
    (Float("x", 0.1, 0.5), 0.501, "x must be in [0.1, 0.5], got 0.501"),
    (Float("x", 0, 1), math.nan, "x must be a number, got nan"),
    (Float("x", 0, 1), math.inf, "x must be a number, got inf"),
    (Float("x", 0, 1), "0.5", "x must be a number, got '0.5'"),
    (Float("x", 0, 1), True, "x must be a number, got True"),
    (Int("x", 1, 5), 0, "x must be in [1, 5], got 0"),
    (Int("x", 1, 5), 6, "x must be in [1, 5], got 6"),
    (Int("x", 1, 5), 2.5, "x must be in [1, 5], got 2.5"),
    (Int("x", 10, 40, step=6), 12, "x must be in [10, 40] in steps of 6, got 12"),
    (Int("x", 0, 1), False, "x must be a number, got False"),
    (Int("x", 0, 1), None, "x must be a number, got None"),
    (Categorical("x", ("a", "b")), "c", "x must be one of a, b, got 'c'"),
]

IMPOSSIBLE: list[tuple[Callable[[], Parameter], str]] = [
    (lambda: Float("x", 1, 0), "x: needs finite low <= high, got [1, 0]"),
    (lambda: Float("x", 0, math.inf), "x: needs finite low <= high, got [0, inf]"),
    (lambda: Float("x", math.nan, 1), "x: needs finite low <= high, got [nan, 1]"),
    (lambda: Float("x", 0, 1, log=True), "x: a log scale needs low above 0, got 0"),
    (lambda: Int("x", 5, 1), "x: needs finite low <= high, got [5, 1]"),
    (lambda: Int("x", 1, 6, step=2), "x: step must divide high - low = 5, got 2"),
    (lambda: Int("x", 1, 6, step=0), "x: step must divide high - low = 5, got 0"),
    (lambda: Int("x", 0, 8, log=True), "x: a log scale needs low of at least 1 and step 1"),
    (lambda: Int("x", 1, 9, step=2, log=True), "x: a log scale needs low of at least 1 and step 1"),
    (lambda: Categorical("x", ()), "x: choices must be distinct and not empty"),
    (lambda: Categorical("x", (1, True)), "x: choices must be distinct and not empty"),
    (lambda: Categorical("x", ((64, 64), (32,))), "x: a choice must be None, a bool, a finite num"),
    (lambda: Categorical("x", ([64], "a")), "x: a choice must be None, a bool, a finite number or"),
    (lambda: Categorical("x", (math.nan, 1.0)), "x: a choice must be None, a bool, a finite numbe"),
    (lambda: Float("x", "0", 1), "x: needs finite low <= high, got ['0', 1]"),
    (lambda: Int("x", 0, 1.5), "x: high must be a whole number, got 1.5"),  # type: ignore[arg-type]
    (lambda: Categorical("x", (1, 1)), "x: choices must be distinct and not empty"),
]


@pytest.mark.parametrize(("parameter", "values"), INSIDE)
def test_both_ends_and_what_lies_between_are_inside(parameter: Parameter, values) -> None:
    for value in values:
        parameter.check(value)


@pytest.mark.parametrize(("parameter", "value", "message"), OUTSIDE)
def test_outside_is_refused_with_one_line(parameter: Parameter, value: Any, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        parameter.check(value)
    assert str(caught.value) == message


@pytest.mark.parametrize(("make", "message"), IMPOSSIBLE)
def test_an_impossible_parameter_is_refused_where_it_is_made(make, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        make()
    assert str(caught.value).startswith(message)


def test_numpys_scalars_are_pythons_own() -> None:
    choices = Categorical("x", (np.int64(4), np.float32(0.5), np.bool_(True))).choices
    assert [type(choice) for choice in choices] == [int, float, bool]
    ends = Int("x", np.int64(1), np.int64(5)), Float("x", np.float32(0), np.float32(1))
    assert [type(end.high) for end in ends] == [int, float]


@pytest.mark.parametrize(
    ("parameter", "points", "expected"),
    [
        (Float("x", 0, 1), 3, (0, 0.5, 1)),
        (Float("x", 0, 1), 5, (0, 0.25, 0.5, 0.75, 1)),
        (Float("x", 1, 3), 2, (1, 3)),
        (Float("x", 0.01, 1, log=True), 3, (0.01, 0.1, 1)),
        (Float("x", 1e-5, 1e-1, log=True), 5, (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)),
        (Float("x", 0.5, 0.5), 3, (0.5,)),
    ],
)
def test_grid_of_a_float(parameter: Float, points: int, expected: tuple[float, ...]) -> None:
    grid = parameter.grid(points)
    assert grid == pytest.approx(expected, rel=1e-12)
    assert (grid[0], grid[-1]) == (parameter.low, parameter.high)  # exactly
    for value in grid:
        parameter.check(value)


def test_grid_of_a_float_has_three_points_unless_told() -> None:
    assert len(Float("x", 0, 1).grid()) == 3


@pytest.mark.parametrize("points", [1, 0, -1])
def test_a_grid_of_less_than_both_ends_is_refused(points: int) -> None:
    with pytest.raises(SpaceError, match=f"^x: a grid needs at least 2 points, got {points}$"):
        Float("x", 0, 1).grid(points)


def test_grids_of_the_others_are_every_value() -> None:
    assert Int("x", 10, 28, step=6).grid() == range(10, 29, 6)
    assert Int("x", 1, 3, log=True).grid() == range(1, 4)
    assert Categorical("x", ("b", "a")).grid() == ("b", "a")


@pytest.mark.parametrize(
    ("parameter", "text"),
    [
        (Float("x", 1e-5, 0.5, log=True), "1e-05 … 0.5, log"),
        (Float("x", 0, 0.5), "0 … 0.5"),
        (Int("x", 10, 40, step=6), "10 … 40, step 6"),
        (Int("x", 32, 512, log=True), "32 … 512, log"),
        (Categorical("x", ("a", 2)), "a, 2"),
        (Int("x", 1, 3, condition={"y": "b"}), "1 … 3, only with y=b"),
        (Categorical("x", (1, 2), condition={"y": ("b", "c")}), "1, 2, only with y=b or c"),
        (Float("x", 0, 1, condition={"y": 1, "z": True}), "0 … 1, only with y=1 and z=True"),
    ],
)
def test_describes_itself(parameter: Parameter, text: str) -> None:
    assert parameter.describe() == text


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (batch_size(32, 512), Int("batch_size", 32, 512, log=True)),
        (batch_sizes(100, 200), Categorical("batch_size", (100, 200))),
        (wide_resnet_depth(10, 40), Int("depth", 10, 40, step=6)),
        (depths(18, 50), Categorical("depth", (18, 50))),
        (width(1, 12), Int("width", 1, 12)),
        (dropout(0.5), Float("dropout", 0.0, 0.5)),
        (learning_rate(0.01, 1), Float("lr", 0.01, 1, log=True)),
        (sam_rho(0.01, 0.5), Float("rho", 0.01, 0.5, log=True)),
        (weight_decay(1e-5, 5e-3), Float("weight_decay", 1e-5, 5e-3, log=True)),
    ],
)
def test_the_named_parameters(made: Parameter, expected: Parameter) -> None:
    assert made == expected
