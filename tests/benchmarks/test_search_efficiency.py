"""Replays on tables made up such that the best possible is known."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.pruners import NopPruner
from optuna.samplers import RandomSampler

from benchmarks.search_efficiency import BUDGETS, COMPARED, POLICIES, RULE, SAMPLER, Job, main
from benchmarks.search_replay import Rows, Spend, Table, read_tables, replay
from search.strategy.pruners import PROMOTION, make_pruner

NAN = math.nan


def table(curves: Any, parameters: int = 2) -> Table:
    curves = np.array(curves, float)
    shares = np.linspace(0.1, 0.9, len(curves))
    return Table("made up", curves, np.stack([shares] * parameters, axis=1))


def honest(rows: int, epochs: int) -> Table:
    """A configuration's value is its number, from the first epoch on."""
    return table(np.arange(rows)[:, None] + np.zeros(epochs))


def save(folder: Path, made: Table) -> Path:
    log = np.zeros(made.points.shape[1], bool)
    np.savez(folder / "made_up.npz", curves=made.curves, params=made.points, log=log)
    return folder


def order_of(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(count)


def test_the_json_has_every_policy_with_its_mean_and_worst_by_budget(tmp_path: Path) -> None:
    curves = np.random.default_rng(0).random((8, 2)).cumsum(1)
    curves[3] = NAN
    curves[5, 1:] = NAN
    file, figure = tmp_path / "out.json", tmp_path / "out.png"
    flags = ["--orders", "1", "--workers", "1,2", "--processes", "1"]
    flags += ["--json", str(file), "--figure", str(figure)]
    assert main(["--tables", str(save(tmp_path, table(curves))), *flags]) == 0
    found = json.loads(file.read_text())
    assert list(found) == [RULE, SAMPLER]
    for policies in found.values():
        assert list(policies) == COMPARED
        for by_workers in policies.values():
            assert list(by_workers) == ["1", "2"]
            for results in by_workers.values():
                assert len(results["mean"]) == len(BUDGETS)
                assert results["mean"] == results["worst"]  # of one table
                assert all(0 <= regret <= 1 for regret in results["mean"])
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_named_policies_alone_are_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out.json"
    flags = ["--tables", str(save(tmp_path, honest(8, 2))), "--orders", "1", "--workers", "1"]
    flags += ["--mode", SAMPLER, "--processes", "1", "--json", str(file), "--policies"]
    assert main([*flags, "uniform,random"]) == 0
    assert list(json.loads(file.read_text())[SAMPLER]) == ["uniform", "random"]
    with pytest.raises(SystemExit):
        main([*flags, "random,best"])
    assert "must be of default, stop_2_2, optuna_median" in capsys.readouterr().err


@pytest.mark.parametrize("mode", [RULE, SAMPLER])
@pytest.mark.parametrize("policy", POLICIES)
def test_a_budget_for_every_configuration_finds_the_best(policy: str, mode: str) -> None:
    assert Job(policy, mode, honest(8, 4), 1, seed=0).regrets()[1:] == [0, 0, 0]


def test_random_search_finds_the_best_of_the_first() -> None:
    made = honest(40, 3)
    order = order_of(5, 40)
    expected = [np.clip((39 - order[:n].max()) / (39 - 19.5), 0, 1) for n in BUDGETS]
    for workers in (1, 4):
        assert Job("random", RULE, made, workers, seed=5).regrets() == pytest.approx(expected)


def test_one_epoch_for_all_then_the_best_to_their_end() -> None:
    """40 rows of 3 epochs, 8 trainings: 22 for one epoch, 1 to its end; 32: all 40, then 28."""
    made, order = honest(40, 3), order_of(1, 40)
    found = Job("one_epoch", RULE, made, 1, seed=1).regrets()
    assert found[1] == pytest.approx(np.clip((39 - order[:22].max()) / 19.5, 0, 1))
    assert found[3] == 0


def test_where_first_epochs_tell_all_the_default_finds_more_than_random_and_stopping() -> None:
    made = honest(100, 9)
    default, stopping, random = (
        np.mean([Job(policy, RULE, made, 1, seed).regrets() for seed in range(3)])
        for policy in ("default", "stop_2_2", "random")
    )
    assert default < stopping < random


def test_what_diverges_is_never_found_and_frees_its_time() -> None:
    """Of four trainings' time, 12 epochs, the diverged take 1 and 2: three others fit."""
    curves = np.arange(10.0)[:, None] + np.zeros(3)
    order = order_of(0, 10)
    curves[order[0]], curves[order[1], 1:] = NAN, NAN
    made = table(curves)
    best = made.final.max()
    found = max(order[2:5])
    expected = np.clip((best - found) / (best - np.median(made.final)), 0, 1)
    assert Job("random", RULE, made, 1, seed=0).regrets()[0] == pytest.approx(expected)


def test_a_table_of_which_most_diverged_has_a_regret() -> None:
    made = table([[1.0, 2.0], [NAN, NAN], [NAN, NAN], [NAN, NAN], [1.0, 4.0]])
    assert [made.regret(value) for value in (4.0, 3.5, 2.0, -math.inf)] == [0, 0.5, 1, 1]


@pytest.mark.parametrize("workers", [1, 3])
def test_the_time_is_kept_and_planned_for(workers: int) -> None:
    """Twice the time: more trials begin, and the last completes in the second half of it."""
    made = honest(300, 9)
    begun = []
    for trainings in (6, 12):
        rows = Rows(made, order_of(0, 300), None)
        spend = Spend(trainings, workers, planned=True)
        completed = replay(made, rows, make_pruner(PROMOTION, 9), spend)
        assert spend.time(made) / 2 < completed[-1][0] <= spend.time(made)
        begun.append(len(rows.used))
    assert begun[0] < begun[1] < 12 * 9


class Always(RandomSampler):
    """Proposes the same point each time."""

    def sample_independent(self, *asked: Any) -> float:
        return 0.5


def test_a_proposal_becomes_the_nearest_row_that_was_not_used() -> None:
    made = honest(5, 1)  # at 0.1, 0.3, 0.5, 0.7, 0.9
    rows = Rows(made, order_of(0, 5), Always())
    replay(made, rows, NopPruner(), Spend(5, 1, planned=False))
    assert rows.used[0] == 2
    assert set(rows.used[1:3]) == {1, 3}
    assert set(rows.used[3:]) == {0, 4}


def test_one_epoch_and_one_parameter_are_a_table_too(tmp_path: Path) -> None:
    made = honest(9, 1)
    (read,) = read_tables(save(tmp_path, table(made.curves, parameters=1)))
    assert Job("default", RULE, read, 1, seed=0).regrets()[-1] == 0


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ({}, "no .npz file"),
        ({"curves": np.ones((3, 2))}, "has no log, params"),
        (
            {"curves": np.ones((3, 2)), "params": np.ones((4, 1)), "log": np.ones(1)},
            "shapes do not fit",
        ),
        (
            {"curves": np.full((3, 2), NAN), "params": np.ones((3, 1)), "log": np.ones(1)},
            "every configuration diverged",
        ),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(
    arrays: dict[str, Any], fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if arrays:
        np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(SystemExit) as exit_:
        main(["--tables", str(tmp_path)])
    assert exit_.value.code == 2
    assert fault in capsys.readouterr().err.splitlines()[-1]
