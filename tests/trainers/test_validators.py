"""Rules for one value: what passes, in which type, and the sentence for what does not."""

from __future__ import annotations

import math
from typing import Any

import pytest

from trainers.validators import (
    Choice,
    ConfigError,
    Flag,
    Fractions,
    Integer,
    Multiple,
    Number,
    Rule,
    suggest,
)

PASSES = [
    (Integer(1, 3), 1, 1),
    (Integer(1, 3), 3, 3),
    (Integer(1, 3), 2.0, 2),
    (Integer(0), 10**30, 10**30),
    (Number(0, 1), 0, 0.0),
    (Number(0, 1), 1, 1.0),
    (Number(0, 1, open_high=True), 0.999, 0.999),
    (Number(0, open_low=True), 5e-324, 5e-324),
    (Number(-2), -2, -2.0),
    (Multiple(6, 4), 10, 10),
    (Multiple(6, 4), 34.0, 34),
    (Flag(), False, False),
    (Choice(("a", "b")), "b", "b"),
    (Choice((18, 34)), 34, 34),
    (Fractions(), [0.2, 0.5], (0.2, 0.5)),
    (Fractions(), (), ()),
]

REFUSED = [
    (Integer(1, 3), 0, "x must be in [1, 3], got 0"),
    (Integer(1, 3), 4, "x must be in [1, 3], got 4"),
    (Integer(1), 0, "x must be at least 1, got 0"),
    (Integer(1, 3), 1.5, "x must be a whole number in [1, 3], got 1.5"),
    (Integer(1), 1.5, "x must be a whole number at least 1, got 1.5"),
    (Integer(1), True, "x must be a whole number at least 1, got True"),
    (Integer(1), "2", "x must be a whole number at least 1, got '2'"),
    (Integer(1), None, "x must be a whole number at least 1, got None"),
    (Integer(1), math.nan, "x must be a whole number at least 1, got nan"),
    (Integer(1), math.inf, "x must be a whole number at least 1, got inf"),
    (Number(0, 1), -0.1, "x must be in [0, 1], got -0.1"),
    (Number(0, 1), 1.1, "x must be in [0, 1], got 1.1"),
    (Number(0, 1, open_high=True), 1, "x must be in [0, 1), got 1"),
    (Number(0, 1, open_low=True), 0, "x must be in (0, 1], got 0"),
    (Number(0, open_low=True), 0.0, "x must be above 0, got 0.0"),
    (Number(0), -1, "x must be at least 0, got -1"),
    (Number(0), math.nan, "x must be at least 0, got nan"),
    (Number(0), math.inf, "x must be at least 0, got inf"),
    (Number(0), True, "x must be a number at least 0, got True"),
    (Number(0, 1), "0.5", "x must be a number in [0, 1], got '0.5'"),
    (Multiple(6, 4), 12, "x must be 4 plus a multiple of 6, got 12; try 10 or 16"),
    (Multiple(6, 4), 4, "x must be 4 plus a multiple of 6, got 4; try 10 or 16"),
    (Multiple(6, 4), 1, "x must be 4 plus a multiple of 6, got 1; try 10 or 16"),
    (Multiple(6, 4), 33, "x must be 4 plus a multiple of 6, got 33; try 28 or 34"),
    (Multiple(6, 4), 0, "x must be at least 1, got 0"),
    (Flag(), 1, "x must be true or false, got 1"),
    (Flag(), "true", "x must be true or false, got 'true'"),
    (Choice(("sgd", "sam")), "sgdd", "x must be one of sgd, sam, got 'sgdd'; did you mean 'sgd'?"),
    (Choice(("sgd", "sam")), "adam", "x must be one of sgd, sam, got 'adam'; did you mean 'sam'?"),
    (Choice(("sgd", "sam")), "lion", "x must be one of sgd, sam, got 'lion'"),
    (Choice((18, 34, 50)), 35, "x must be one of 18, 34, 50, got 35"),
    (Fractions(), 0.5, "x must be a list of numbers in (0, 1), got 0.5"),
    (Fractions(), "0.2", "x must be a list of numbers in (0, 1), got '0.2'"),
    (Fractions(), [0.0], "x must be in (0, 1), got 0.0"),
    (Fractions(), [0.5, 1.0], "x must be in (0, 1), got 1.0"),
    (Fractions(), [0.5, 0.2], "x must rise from one number to the next, got [0.5, 0.2]"),
    (Fractions(), [0.5, 0.5], "x must rise from one number to the next, got [0.5, 0.5]"),
]


@pytest.mark.parametrize(("rule", "value", "expected"), PASSES)
def test_passes_in_its_proper_type(rule: Rule, value: Any, expected: Any) -> None:
    checked = rule.check("x", value)
    assert checked == expected
    assert type(checked) is type(expected)


@pytest.mark.parametrize(("rule", "value", "message"), REFUSED)
def test_refused_with_one_line(rule: Rule, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rule.check("x", value)
    assert str(caught.value) == message


@pytest.mark.parametrize("rule", [Integer(1, 3), Number(0)])
def test_a_number_beyond_floats_is_refused_too(rule: Rule) -> None:
    with pytest.raises(ConfigError, match=r"^x must be "):
        rule.check("x", 10**400)


def test_suggests_the_nearest_name_only_where_one_is_near() -> None:
    known = ("batch_size", "epochs", "lr")
    assert suggest("batchsize", known) == "; did you mean 'batch_size'?"
    assert suggest("momentum", known) == ""
