"""A named space searched from the command line: report B's batch-size table, all of its grid."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.trial import TrialState

from search import run
from search.record.record import read_record


def test_the_batch_size_table_has_all_its_rows(tmp_path: Path) -> None:
    places = ("--results-dir", str(tmp_path / "results"), "--data-dir", str(tmp_path / "data"))
    flags = ("--preset", "quick", "--epochs", "1", "--threads", "1", "--concurrency", "2")
    assert run.main(["--space", "lenet_batch", *flags, *places]) == 0
    url = f"sqlite:///{tmp_path / 'results' / 'studies.db'}"
    study = optuna.load_study(study_name="lenet_batch-quick", storage=url)
    trials = study.get_trials()
    assert [trial.params for trial in trials] == [{"batch_size": n} for n in (100, 200, 300)]
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    record = read_record(study)
    assert record is not None
    assert record.strategy.pruner == "none"
    # What the table publishes, and what a machine without a GPU can say of it, stands beside it.
    for metric in ("test_top1", "wall_seconds", "cpu_utilization"):
        assert all(trial.user_attrs[metric] >= 0 for trial in trials)
    assert record.references == ()  # they belong to CIFAR-10
