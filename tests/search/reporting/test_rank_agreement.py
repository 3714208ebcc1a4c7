"""How well early epochs told the end."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.trial import TrialState

from search.reporting.rank_agreement import agreement_line, rank_agreement
from search.reporting.sections.diagnostics import agreement_table
from search.reporting.study_data import read_study
from tests.search.reporting import studies


def test_an_order_at_each_early_epoch_against_the_last() -> None:
    """Six trials: at epoch 2 in the order of the end but for one pair of fifteen, at epoch 4 turned
    round; whoever was cut, diverged or is a copy is left out."""
    ends = [50.0, 60.0, 70.0, 80.0, 90.0, 95.0]
    second = [5.0, 6.0, 8.0, 7.0, 9.0, 10.0]
    curves = [[1.0, b, 2.0, -e, e] for b, e in zip(second, ends, strict=True)]
    trials = [studies.trial(i, values) for i, values in enumerate(curves)]
    others = [
        studies.trial(6, [99.0, 99.0], TrialState.PRUNED),
        studies.trial(7, [1.0, 1.0, 1.0, 1.0, 99.0], recorded={"copy_of": 0}),
    ]
    found = {a.epoch: a.tau for a in rank_agreement([*trials, *others])}
    assert sorted(found) == [2, 4]
    assert found[2].estimate == pytest.approx(13 / 15)
    assert found[4].estimate == pytest.approx(-1)
    assert found[2].n == 6


def test_few_trials_say_nothing() -> None:
    trials = [studies.trial(i, [1.0, float(i), 3.0 + i]) for i in range(4)]
    assert rank_agreement(trials) == []
    assert agreement_line(trials) == ""


def test_the_report_and_the_terminal_say_how_many_and_how_sure(tmp_path: Path) -> None:
    study = studies.our_study()
    study.add_trials([studies.trial(i, [1.0, 2.0 * i, 3.0 * i]) for i in range(6)])
    table = agreement_table(read_study(study, tmp_path))
    assert table is not None
    (row,) = table.rows
    assert row.cells[:3] == ("2", "6", "1.00")
    assert "survivor bias" in table.caption
    line = agreement_line(study.get_trials())
    assert "n = 6" in line
    assert "epoch 2 1.00 (" in line
