"""Whatever values a space is made of, it is made, and then works, or is refused in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
from hypothesis import given
from hypothesis import strategies as st

from search.strategy.distributions import distributions, draw
from search.strategy.samplers import make_sampler
from spaces.params import Categorical, Float, Int, Parameter, SpaceError
from spaces.space import Constraint, Preset, Reference, Space
from tests.fuzzing import fuzzed

NAMES = ("lr", "x", "y")
ODD = [
    10**400,
    np.int64(3),
    np.float32(0.5),
    np.zeros(2),
    np.array(3),
    np.bool_(True),
    np.str_("a"),
]
ODD += [float, print, object(), {"a"}, range(3), float("nan"), b"\n", "\n", 1j, Constraint]
PLAIN = st.none() | st.booleans() | st.integers(-5, 50) | st.floats() | st.text(max_size=5)
VALUES: st.SearchStrategy[Any] = st.recursive(
    PLAIN | st.sampled_from(ODD),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


def mostly(likely: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Something else in one case of twelve."""
    return st.integers(0, 11).flatmap(lambda roll: VALUES if roll == 7 else likely)


CONDITIONS = st.dictionaries(st.sampled_from(NAMES), PLAIN | st.tuples(PLAIN), max_size=1)
NUMBERS = mostly(st.integers(-3, 30) | st.floats(-1, 30))
FIELDS: dict[type, dict[str, st.SearchStrategy[Any]]] = {
    Float: {"low": NUMBERS, "high": NUMBERS, "log": mostly(st.booleans())},
    Int: {
        "low": mostly(st.integers(-3, 9)),
        "high": mostly(st.integers(9, 30)),
        "step": mostly(st.just(1)),
        "log": mostly(st.booleans()),
    },
    Categorical: {"choices": mostly(st.lists(mostly(PLAIN), min_size=1, max_size=4).map(tuple))},
}


def made_of(kind: type, values: dict[str, Any]) -> Any:
    """It, or None where it is refused in one line."""
    said = ""
    try:
        return kind(**values)
    except SpaceError as error:
        said = str(error)
    assert "\n" not in said
    return None


@st.composite
def parameters(given_by: st.DrawFn, name: str) -> Parameter | None:
    """One of them; None where it was refused."""
    kind = given_by(st.sampled_from(list(FIELDS)))
    values = {field: given_by(inner) for field, inner in FIELDS[kind].items()}
    values["name"] = given_by(mostly(st.just(name)))
    values["condition"] = given_by(mostly(st.just({}) | CONDITIONS))
    return made_of(kind, values)  # type: ignore[no-any-return]


@st.composite
def parts(given_by: st.DrawFn) -> dict[str, Any]:
    """What a space is made of."""
    made = [p for name in NAMES if (p := given_by(parameters(name))) is not None]
    baseline: dict[str, Any] = {"epochs": 2}
    for p in made:
        baseline[p.name] = given_by(mostly(st.just(p.grid()[0])))
    preset: Any = Preset("digits", 2, given_by(st.just({}) | st.just({"epochs": 1})))
    reference = Reference("test_top1", 80.0, "here")
    whole = Constraint("is always so", lambda values: True)
    likely = {
        "name": "odd",
        "title": "",
        "source": "",
        "baseline": baseline,
        "parameters": tuple(made),
        "presets": {"quick": preset, "full": preset},
        "references": (reference,),
        "constraints": (whole,),
        "objective": "val_top1",
        "train": "",
    }
    likely["train"] = given_by(st.sampled_from(["", "task:train"]))
    other = given_by(st.sampled_from([*likely, *[""] * 10]))
    return likely | ({other: given_by(VALUES)} if other else {})


@fuzzed(150)
@given(made=parts())
def test_a_space_is_made_or_refused(made: dict[str, Any]) -> None:
    space = made_of(Space, made)
    if space is None:
        return
    resolved = space.at(next(iter(space.presets)))
    for distribution in distributions(resolved.parameters).values():
        text = optuna.distributions.distribution_to_json(distribution)
        assert optuna.distributions.json_to_distribution(text) == distribution
    study = optuna.create_study(sampler=make_sampler("random", resolved, 0))
    trial = study.ask()
    draw(trial, resolved)
    assert resolved.holds(trial.params)
    assert all(isinstance(parameter.describe(), str) for parameter in resolved.parameters)


@fuzzed(60)
@given(field=st.sampled_from(list(Preset.__dataclass_fields__)), value=VALUES)
def test_a_preset_is_made_or_refused(field: str, value: Any) -> None:
    made_of(Preset, {field: value})
