"""Spaces: what must fit together, presets, fixed values and constraints."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from spaces import SPACES, named_space
from spaces.params import Float, Int, SpaceError
from spaces.space import PRESETS, Constraint, Preset, Space

FITS = Constraint(
    "width · depth must be at most 100", lambda values: values["width"] * values["depth"] <= 100
)


def make(**changes: Any) -> Space:
    """A small space: depth and width vary, and only some of them go together."""
    return Space(
        **{
            "name": "small",
            "title": "A small space",
            "source": "nowhere",
            "recipe": {"depth": 10, "width": 4, "lr": 0.1},
            "parameters": (Int("depth", 4, 40), Int("width", 1, 8), Float("lr", 0.01, 1, log=True)),
            "presets": {
                "quick": Preset("digits", 4, {"depth": 4}, (Int("depth", 4, 10),), pruner="none"),
                "full": Preset("cifar10", 50),
            },
            "constraints": (FITS,),
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"presets": {"full": Preset("cifar10", 50)}}, "space 'small' must have a preset 'quick'"),
        ({"recipe": {"depth": 10, "width": 4}}, "the recipe must have a value for 'lr'"),
        ({"recipe": {"depth": 10, "width": 9, "lr": 0.1}}, "width must be in [1, 8], got 9"),
        (
            {"recipe": {"depth": 40, "width": 4, "lr": 0.1}},
            "the recipe breaks a constraint: width · depth must be at most 100",
        ),
        (
            {"presets": {"quick": Preset("digits", 4, {"width": 0}), "full": Preset("c", 5)}},
            "width must be in [1, 8], got 0",
        ),
        (
            {
                "presets": {
                    "quick": Preset("digits", 4, parameters=(Int("rho", 0, 1),)),
                    "full": Preset("cifar10", 50),
                }
            },
            "preset 'quick' replaces 'rho', which does not vary",
        ),
        (
            {"parameters": (Int("depth", 4, 40), Int("depth", 4, 10))},
            "space 'small' has two parameters named 'depth'",
        ),
    ],
)
def test_a_space_that_does_not_fit_together_is_refused(changes, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        make(**changes)
    assert str(caught.value) == message


def test_a_preset_replaces_recipe_and_parameters() -> None:
    quick, full = make().at("quick"), make().at("full")
    assert quick.recipe == {"objective": "val_top1", "depth": 4, "width": 4, "lr": 0.1}
    assert full.recipe == {"objective": "val_top1", "depth": 10, "width": 4, "lr": 0.1}
    assert quick.parameters[0] == Int("depth", 4, 10)
    assert full.parameters[0] == Int("depth", 4, 40)
    assert quick.parameters[1:] == full.parameters[1:]
    assert (quick.preset.dataset, quick.preset.n_trials, quick.preset.pruner) == (
        "digits",
        4,
        "none",
    )
    assert (full.preset.sampler, full.preset.pruner) == ("tpe", "halving")


def test_the_objective_reaches_the_recipe() -> None:
    assert make(objective="val_loss").at("full").recipe["objective"] == "val_loss"
    recipe = {"depth": 10, "width": 4, "lr": 0.1, "objective": "val_top5"}
    assert make(objective="val_loss", recipe=recipe).at("full").recipe == recipe


def test_the_baseline_is_the_recipes_own_values_of_what_varies() -> None:
    assert make().at("full").baseline() == {"depth": 10, "width": 4, "lr": 0.1}
    assert make().at("quick").baseline() == {"depth": 4, "width": 4, "lr": 0.1}


def test_what_is_fixed_no_longer_varies() -> None:
    fixed = make().at("full").fix({"depth": 5, "seed": 3})
    assert [parameter.name for parameter in fixed.parameters] == ["width", "lr"]
    assert fixed.recipe == {"objective": "val_top1", "depth": 5, "width": 4, "lr": 0.1, "seed": 3}
    assert fixed.baseline() == {"width": 4, "lr": 0.1}
    assert fixed.preset_name == "full"


def test_a_value_may_be_fixed_outside_its_interval() -> None:
    assert make().at("full").fix({"depth": 2}).recipe["depth"] == 2


def test_fixing_what_breaks_a_constraint_is_refused() -> None:
    with pytest.raises(SpaceError, match="the recipe breaks a constraint: width · depth must be"):
        make().at("full").fix({"depth": 30})


def test_fixing_leaves_the_space_as_it_was() -> None:
    space = make()
    space.at("full").fix({"depth": 5})
    assert space.recipe == {"depth": 10, "width": 4, "lr": 0.1}
    assert len(space.at("full").parameters) == 3


def test_constraints_see_recipe_and_values_together() -> None:
    scaled = make().at("full")
    assert scaled.broken_constraint({}) is None
    assert scaled.broken_constraint({"depth": 25}) is None  # 25 · 4
    assert scaled.broken_constraint({"depth": 26}) == FITS.description
    assert scaled.broken_constraint({"depth": 40, "width": 2}) is None


def test_a_space_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        make().recipe = {}  # type: ignore[misc]


def test_the_table_gives_each_space_under_its_own_name() -> None:
    for name in SPACES:
        space = named_space(name)
        assert space.name == name
        assert all(space.at(preset).preset.n_trials >= 1 for preset in PRESETS)


def test_an_unknown_space_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        named_space("nowhere")
