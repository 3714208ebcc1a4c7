"""Spaces: what must fit together, presets, fixed values and constraints."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from spaces import SPACES, named_space
from spaces.params import Categorical, Float, Int, Parameter, SpaceError
from spaces.space import PRESETS, Constraint, Preset, ResolvedSpace, Space

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
            "baseline": {"depth": 10, "width": 4, "lr": 0.1},
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
        ({"baseline": {"depth": 10, "width": 4}}, "the baseline must have a value for 'lr'"),
        ({"baseline": {"depth": 10, "width": 9, "lr": 0.1}}, "width must be in [1, 8], got 9"),
        (
            {"baseline": {"depth": 40, "width": 4, "lr": 0.1}},
            "the baseline breaks a constraint: width · depth must be at most 100",
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


def test_a_preset_replaces_baseline_and_parameters() -> None:
    quick, full = make().at("quick"), make().at("full")
    assert quick.baseline == {"objective": "val_top1", "depth": 4, "width": 4, "lr": 0.1}
    assert full.baseline == {"objective": "val_top1", "depth": 10, "width": 4, "lr": 0.1}
    assert quick.parameters[0] == Int("depth", 4, 10)
    assert full.parameters[0] == Int("depth", 4, 40)
    assert quick.parameters[1:] == full.parameters[1:]
    assert (quick.preset.dataset, quick.preset.n_trials, quick.preset.pruner) == (
        "digits",
        4,
        "none",
    )
    assert (full.preset.sampler, full.preset.pruner) == ("tpe", "promotion")


def test_the_objective_reaches_the_baseline() -> None:
    assert make(objective="val_loss").at("full").baseline["objective"] == "val_loss"
    baseline = {"depth": 10, "width": 4, "lr": 0.1, "objective": "val_top5"}
    assert make(objective="val_loss", baseline=baseline).at("full").baseline == baseline


def test_the_first_trial_has_the_baselines_values_of_what_varies() -> None:
    assert make().at("full").baseline_params() == {"depth": 10, "width": 4, "lr": 0.1}
    assert make().at("quick").baseline_params() == {"depth": 4, "width": 4, "lr": 0.1}


def test_what_is_fixed_no_longer_varies() -> None:
    fixed = make().at("full").fix({"depth": 5, "seed": 3})
    assert [parameter.name for parameter in fixed.parameters] == ["width", "lr"]
    assert fixed.baseline == {"objective": "val_top1", "depth": 5, "width": 4, "lr": 0.1, "seed": 3}
    assert fixed.baseline_params() == {"width": 4, "lr": 0.1}
    assert fixed.preset_name == "full"


def test_a_value_may_be_fixed_outside_its_interval() -> None:
    assert make().at("full").fix({"depth": 2}).baseline["depth"] == 2


def test_fixing_what_breaks_a_constraint_is_refused() -> None:
    with pytest.raises(SpaceError, match="the baseline breaks a constraint: width · depth must be"):
        make().at("full").fix({"depth": 30})


def test_fixing_leaves_the_space_as_it_was() -> None:
    space = make()
    space.at("full").fix({"depth": 5})
    assert space.baseline == {"depth": 10, "width": 4, "lr": 0.1}
    assert len(space.at("full").parameters) == 3


def test_constraints_see_baseline_and_values_together() -> None:
    scaled = make().at("full")
    assert scaled.broken_constraint({}) is None
    assert scaled.broken_constraint({"depth": 25}) is None  # 25 · 4
    assert scaled.broken_constraint({"depth": 26}) == FITS.description
    assert scaled.broken_constraint({"depth": 40, "width": 2}) is None


OPTIMIZER = Categorical("optimizer", ("sgd", "adamw"))
MOMENTUM = Float("momentum", 0, 0.99, condition={"optimizer": "sgd"})
DECAY = Float("decay", 0, 1, condition={"momentum": 0.5})


def conditional(*parameters: Parameter, **baseline: Any) -> ResolvedSpace:
    baseline = {"optimizer": "sgd", "momentum": 0.9, "decay": 0.5, **baseline}
    presets = {"quick": Preset("digits", 4), "full": Preset("digits", 4)}
    parameters = parameters or (OPTIMIZER, MOMENTUM)
    return make(baseline=baseline, parameters=parameters, presets=presets, constraints=()).at(
        "full"
    )


def test_a_parameter_exists_only_with_a_value_of_another() -> None:
    space = conditional()
    assert space.baseline_params() == {"optimizer": "sgd", "momentum": 0.9}
    assert space.active({"optimizer": "adamw", "momentum": 0.3}) == {"optimizer": "adamw"}
    assert space.active({"momentum": 0.3}) == {}
    assert space.is_complete({"optimizer": "adamw"})
    assert not space.is_complete({"optimizer": "sgd"})
    assert not space.is_complete({})
    setting = space.setting({"optimizer": "adamw"})
    assert setting == {"objective": "val_top1", "optimizer": "adamw", "decay": 0.5}


def test_where_a_parameter_does_not_exist_none_that_hangs_on_it_does() -> None:
    space = conditional(OPTIMIZER, MOMENTUM, DECAY, momentum=0.5)
    assert space.baseline_params() == {"optimizer": "sgd", "momentum": 0.5, "decay": 0.5}
    everything = {"optimizer": "adamw", "momentum": 0.5, "decay": 0.1}
    assert space.active(everything) == {"optimizer": "adamw"}
    assert conditional(optimizer="adamw").baseline_params() == {"optimizer": "adamw"}


def test_fixing_what_others_hang_on_settles_them() -> None:
    space = conditional(OPTIMIZER, MOMENTUM, DECAY, momentum=0.5)
    with_it = space.fix({"optimizer": "sgd"})
    assert with_it.parameters == (replace(MOMENTUM, condition={}), DECAY)
    assert space.fix({"optimizer": "adamw"}).parameters == ()
    assert with_it.fix({"momentum": 0.1}).parameters == ()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            (MOMENTUM, OPTIMIZER),
            "momentum exists only with optimizer, so it must come after it",
        ),
        (
            (OPTIMIZER, Float("momentum", 0, 1, condition={"optimizer": "adam"})),
            "optimizer must be one of sgd, adamw, got 'adam'",
        ),
        (
            (OPTIMIZER, Float("momentum", 0, 1, condition={"optimiser": "sgd"})),
            "momentum: condition names 'optimiser', which the baseline has not",
        ),
    ],
)
def test_conditions_that_do_not_fit_are_refused(parameters: Any, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        conditional(*parameters)
    assert str(caught.value) == message


def test_an_interval_is_narrowed() -> None:
    space = make().at("full")
    narrow = space.narrow({"lr": (0.05, 1), "depth": (8, 16)})
    assert narrow.parameters == (
        Int("depth", 8, 16),
        Int("width", 1, 8),
        Float("lr", 0.05, 1.0, log=True),
    )
    assert space.narrow({}) == space


def test_a_range_may_leave_out_the_baseline_whose_value_stays_its_own() -> None:
    space = make().at("full").narrow({"lr": (0.2, 0.5)})
    assert space.baseline_params()["lr"] == 0.1
    space.check("lr", 0.1)
    space.check("lr", 0.3)
    with pytest.raises(SpaceError, match=r"lr must be in \[0.2, 0.5\], got 0.11"):
        space.check("lr", 0.11)
    assert replace(space, preset_name="full") == space  # still checked, and still allowed


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"rho": (0, 1)}, "'rho' does not vary here (varies: depth, width, lr)"),
        ({"lr": (0.001, 0.5)}, "lr must be in [0.01, 1], got 0.001"),
        ({"depth": (8, 16.5)}, "depth must be in [4, 40], got 16.5"),
        ({"lr": (0.1, 0.1)}, "lr needs low < high, got 0.1 and 0.1"),
    ],
)
def test_a_range_that_is_no_part_of_the_interval_is_refused(ranges: Any, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        make().at("full").narrow(ranges)
    assert str(caught.value) == message


def test_a_choice_has_no_range() -> None:
    with pytest.raises(SpaceError, match="a choice has no interval; fix it with --set"):
        conditional().narrow({"optimizer": (0, 1)})


def test_a_space_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        make().baseline = {}  # type: ignore[misc]


def test_the_table_gives_each_space_under_its_own_name() -> None:
    for name in SPACES:
        space = named_space(name)
        assert space.name == name
        assert all(space.at(preset).preset.n_trials >= 1 for preset in PRESETS)


def test_an_unknown_space_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        named_space("nowhere")
