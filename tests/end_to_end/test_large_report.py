"""A large study: read once, written in all formats, with a page that stays small."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from pathlib import Path

import optuna
import pandas as pd
import pytest
from optuna.study import Study
from optuna.trial import TrialState

from search.reporting.export import write
from search.reporting.sections import sections_of
from search.reporting.study_data import read_study
from search.reporting.trial_points import spread
from tests.search.reporting import studies

EPOCHS = 30
MEGABYTE = 1_000_000


def large_study(trials: int, storage: object = None) -> Study:
    """Every fourth trial runs to its end, the others are cut at a rung."""
    draw = random.Random(0)
    study = studies.our_study(epochs=EPOCHS, storage=storage)
    made = []
    for number in range(trials):
        whole = number % 4 == 0
        length = EPOCHS if whole else draw.choice([2, 4, 8, 16])
        top = draw.uniform(40, 95)
        values = [top * (1 - math.exp(-epoch / 5)) for epoch in range(1, length + 1)]
        state = TrialState.COMPLETE if whole else TrialState.PRUNED
        changes = {"lr": 10 ** draw.uniform(-3, 0), "width": draw.randint(1, 4)} if number else {}
        made.append(studies.trial(number, values, state, epochs=EPOCHS, **changes))
    study.add_trials(made)
    return study


class Counting(optuna.storages.InMemoryStorage):
    """Counts how often all trials are asked for."""

    reads = 0

    def get_all_trials(self, *args: object, **kwargs: object) -> list[optuna.trial.FrozenTrial]:
        self.reads += 1
        return super().get_all_trials(*args, **kwargs)  # type: ignore[arg-type]


def test_the_storage_is_asked_for_its_trials_once(tmp_path: Path) -> None:
    storage = Counting()
    study = large_study(20, storage)
    storage.reads = 0
    data = read_study(study, tmp_path)
    write("study", "", data.tables, sections_of(data), tmp_path / "out", ("csv", "html"))
    assert storage.reads == 1


@pytest.mark.slow
def test_a_thousand_trials_in_all_formats(tmp_path: Path) -> None:
    data = read_study(large_study(1000), tmp_path)
    formats = ("csv", "parquet", "xlsx", "md", "html")
    paths = write("study", "", data.tables, sections_of(data), tmp_path / "out", formats)
    sizes = {path.name: path.stat().st_size for path in paths}
    assert sizes["index.html"] < 4 * MEGABYTE
    assert sizes["report.md"] < 0.1 * MEGABYTE
    assert len(pd.read_parquet(tmp_path / "out" / "trials.parquet")) == 1000
    assert len(pd.read_csv(tmp_path / "out" / "epochs.csv")) == len(data.epochs) > 10_000


def test_what_is_drawn_goes_by_trials_of_the_whole_study() -> None:
    assert spread([3, 5, 9], 3) == [3, 5, 9]
    chosen = spread(range(2000), 300)
    assert len(chosen) == len(set(chosen)) == 300
    assert (chosen[0], chosen[-1]) == (0, 1999)
    gaps = {b - a for a, b in pairwise(chosen)}
    assert gaps <= {6, 7}
