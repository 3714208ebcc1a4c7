"""Parameters that exist only with a value of another, through every sampler."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import optuna
import pytest

from search.reporting.study_data import read_study
from search.strategy.distributions import draw
from search.strategy.grid import grid_rows
from search.strategy.samplers import SAMPLERS, STARTUP, make_sampler
from search.study.messages import Completed
from spaces.params import Categorical, Float, Int
from spaces.space import Constraint, ResolvedSpace
from tests.search.desk import Desk, Desks
from trainers.config import TrainConfig

SGD, FLIP, RANDOM = {"optimizer": "sgd"}, {"augment": ("flip", "crop_flip")}, "randaugment"
TREE = (
    Float("lr", 0.01, 1.0, log=True),
    Categorical("optimizer", ("sgd", "adamw")),
    Float("momentum", 0.0, 0.9, condition=SGD),
    Float("beta2", 0.9, 0.99, condition={"optimizer": "adamw"}),
    Categorical("augment", ("none", "flip", "crop_flip")),
    Categorical("policy", ("none", RANDOM), condition=FLIP),
    Int("magnitude", 1, 30, condition={"policy": RANDOM}),
)
BASELINE = {
    "momentum": 0.45,
    "beta2": 0.9,
    "augment": "none",
    "policy": "none",
    "magnitude": 9,
}


@pytest.fixture
def space(make_space: Any) -> ResolvedSpace:
    return make_space(BASELINE, TREE)


def expected_names(params: dict[str, Any]) -> set[str]:
    """What exists beside the choices of ``params``, written out."""
    names = {"lr", "optimizer", "augment"}
    names.add("momentum" if params["optimizer"] == "sgd" else "beta2")
    if params["augment"] != "none":
        names.add("policy")
        if params["policy"] == RANDOM:
            names.add("magnitude")
    return names


def run(desk: Desk, total: int) -> list[dict[str, Any]]:
    """All trials, some pruned; their parameters."""
    while (task := desk.runner.ask()) is not None:
        if desk.report(task, 10.0 * task.config["lr"], 50.0 - task.number % 11):
            desk.report(task, 60.0, 60.0, first=3)
            desk.runner.finish(task.number, Completed({}))
    trials = desk.study.get_trials()
    assert len(trials) == total
    return [trial.params for trial in trials]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_trial_has_the_parameters_that_exist_and_no_others(
    open_desk: Desks, space: ResolvedSpace, sampler: str
) -> None:
    total = 12 if sampler == "gp" else 30  # which takes its time; it begins to learn at ten
    drawn = run(open_desk(space=space, n_trials=total, sampler=sampler), total)
    assert drawn[0] == {"lr": 0.1, "optimizer": "sgd", "momentum": 0.45, "augment": "none"}
    for params in drawn:
        assert params.keys() == expected_names(params)
        for parameter in space.parameters:
            if parameter.name in params:
                parameter.check(params[parameter.name])
    assert len({frozenset(params) for params in drawn}) >= 3


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_trial_that_a_crash_left_with_some_parameters_gets_the_rest(
    open_desk: Desks, space: ResolvedSpace, sampler: str
) -> None:
    for count in range(3):
        study = optuna.create_study(sampler=make_sampler(sampler, space, 0))
        study.enqueue_trial({"optimizer": "adamw", "augment": "flip"})
        trial = study.ask()
        for parameter in space.parameters[:count]:
            trial._suggest(parameter.name, _distribution(parameter))
        again = optuna.trial.Trial(study, trial._trial_id)
        draw(again, space)
        assert (again.params["optimizer"], again.params["augment"]) == ("adamw", "flip")
        assert again.params.keys() == expected_names(again.params)


def _distribution(parameter: Any) -> Any:
    from search.strategy.distributions import distribution

    return distribution(parameter)


@pytest.mark.parametrize("sampler", sorted(set(SAMPLERS) - {"grid"}))
def test_no_trial_is_wasted_on_a_constraint(make_space: Any, sampler: str) -> None:
    """It may take another branch to keep it; what is inactive has the baseline's value."""
    rule = Constraint(
        "AdamW needs a small rate, SGD little momentum",
        lambda v: v["lr"] < 0.02 if v["optimizer"] == "adamw" else v["momentum"] < 0.5,
    )
    space = make_space(BASELINE, TREE, (rule,))
    study = optuna.create_study(sampler=make_sampler(sampler, space, 0))
    for _ in range(8):
        trial = study.ask()
        draw(trial, space)
        study.tell(trial, 1.0)
        assert space.broken_constraint(trial.params) is None
        assert trial.params.keys() == expected_names(trial.params)


def test_tpe_learns_a_parameter_from_the_trials_that_have_it(make_space: Any) -> None:
    """SGD is best with a momentum near 0.9, and AdamW without any is of no use."""
    space = make_space(BASELINE, TREE[:3])
    study = optuna.create_study(direction="maximize", sampler=make_sampler("tpe", space, 0))
    for _ in range(STARTUP + 60):
        trial = study.ask()
        draw(trial, space)
        study.tell(trial, trial.params.get("momentum", -1.0))
    late = [trial.params for trial in study.trials[STARTUP + 30 :]]
    momenta = [params["momentum"] for params in late if "momentum" in params]
    assert len(momenta) > 10
    assert sum(momenta) / len(momenta) > 0.6  # 0.45 by chance


def test_a_grid_has_each_row_once(make_space: Any) -> None:
    rows = grid_rows(make_space(BASELINE, TREE[:5]))
    assert len(rows) == 3 * (3 + 3) * 3  # rates, momenta or betas, augmentations
    assert len({tuple(sorted(row.items())) for row in rows}) == len(rows)


def test_the_configuration_has_the_default_of_what_does_not_exist(
    open_desk: Desks, space: ResolvedSpace
) -> None:
    desk = open_desk(space=space, n_trials=2)
    desk.study.enqueue_trial({"lr": 0.5, "optimizer": "adamw", "beta2": 0.95, "augment": "none"})
    desk.next_task()
    config = desk.next_task().config
    assert (config["beta2"], config["momentum"]) == (0.95, TrainConfig().momentum)
    varying = {parameter.name for parameter in space.parameters}
    fixed = {name: value for name, value in space.baseline.items() if name not in varying}
    params = desk.trial(1).params  # a replay has the record's fixed part and these
    assert TrainConfig.from_mapping({**fixed, **params}).to_dict() == config


def test_a_value_given_to_what_does_not_exist_is_refused(
    open_desk: Desks, space: ResolvedSpace
) -> None:
    desk = open_desk(space=space, n_trials=2)
    desk.study.enqueue_trial({"optimizer": "adamw", "momentum": 0.5})
    desk.next_task()
    desk.runner.ask()
    assert desk.states[1] == "FAIL"
    reason = desk.trial(1).user_attrs["reason"]
    assert "momentum exists only with optimizer=sgd" in reason


def test_tables_leave_the_cell_blank(
    open_desk: Desks, space: ResolvedSpace, tmp_path: Path
) -> None:
    desk = open_desk(space=space, n_trials=12)
    drawn = run(desk, 12)
    frame = read_study(desk.study, tmp_path).trials
    for params, (_, row) in zip(drawn, frame.iterrows(), strict=True):
        for name in ("momentum", "beta2"):
            value = row[f"params_{name}"]
            assert value == params[name] if name in params else math.isnan(value)
