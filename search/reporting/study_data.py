"""Everything a report needs of a study, read once: a running study holds still in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.common.errors import UserError
from search.common.file_store import files_of
from search.common.formatting import settings
from search.common.layout import StudyFolder
from search.record.record import ReferenceFigure, StudyRecord, read_record
from search.record.trials import Spending, ranked, reference_values, spending
from search.reporting.columns import without_empty
from search.reporting.format import figure
from search.reporting.frames import make_epochs_frame, make_trials_frame
from search.strategy.reevaluation import Reevaluation, read_reevaluation, reevaluation_trials
from search.strategy.verdict import Verdict, chosen_trial, judge
from trainers.metrics import MAXIMIZE, METRICS, MINIMIZE, TEST, VALIDATION, Metric, find_metric

ACCURACIES = (("val_top1", VALIDATION), ("test_top1", TEST))


@dataclass(frozen=True)
class StudyData:
    """A study at one moment: what it says of itself, its trials, both tables, its folder.

    ``record`` is None where another program made the study; ``objective`` is then Optuna's value.
    ``confirming`` are the trials of the study that re-evaluates its best, ``storage`` is its URL,
    "" where it is not known.
    """

    name: str
    record: StudyRecord | None
    objective: Metric
    frozen: tuple[FrozenTrial, ...]
    trials: pd.DataFrame
    epochs: pd.DataFrame
    folder: StudyFolder
    confirming: tuple[FrozenTrial, ...] = ()
    storage: str = ""

    @cached_property
    def reevaluation(self) -> Reevaluation | None:
        """What was trained with new seeds; None where nothing is re-evaluated."""
        if self.record is None:
            return None
        return read_reevaluation(self.record, self.frozen, self.confirming)

    @cached_property
    def verdict(self) -> Verdict | None:
        """The verdict of the re-evaluation; None where there is none, or trainings are still to
        come."""
        return judge(self.reevaluation, self.frozen) if self.reevaluation else None

    @property
    def direction(self) -> StudyDirection:
        return StudyDirection[(self.objective.direction or MINIMIZE).upper()]

    @cached_property
    def ranked(self) -> list[FrozenTrial]:
        """The completed trials, the best first, the earlier of equals first."""
        return ranked(self.frozen, self.direction)

    @property
    def best(self) -> FrozenTrial | None:
        """The completed trial with the best value."""
        return self.ranked[0] if self.ranked else None

    @property
    def choice(self) -> FrozenTrial | None:
        """What new seeds chose; the best where there is no verdict, or nothing came of them."""
        return chosen_trial(self.verdict, self.frozen, self.best)

    @property
    def baseline(self) -> FrozenTrial | None:
        """Trial 0 where it is the baseline."""
        first = self.frozen[0]
        return first if self.record and first.params == dict(self.record.space.baseline) else None

    def is_baseline(self, number: int) -> bool:
        return self.baseline is not None and number == self.baseline.number

    def changed(self, number: int) -> dict[str, Any]:
        """Return what a trial changed from the baseline; all of its parameters where there is
        none."""
        old = self.baseline.params if self.baseline else {}
        params = self.frozen[number].params
        return {name: value for name, value in params.items() if old.get(name) != value}

    def changed_in_words(self, number: int) -> str:
        """Return what a trial changed from the baseline, as ``lr=0.05 depth=16``."""
        return "baseline" if self.is_baseline(number) else settings(self.changed(number))

    @property
    def full_epochs(self) -> int | None:
        """Epochs of a trial that runs to its end, where all have the same."""
        return self.record.space.fixed.get("epochs") if self.record else None

    @property
    def at_report_scale(self) -> bool:
        """Return whether the reference figures were measured at this study's scale."""
        return self.record is not None and self.record.space.preset == "full"

    @property
    def validation_images(self) -> int | None:
        """About how many images select; None where the record does not say."""
        return self.record.images(VALIDATION) if self.record else None

    def images(self, metric: str) -> int | None:
        """Return about how many images an accuracy is measured on, while weights stand still; None
        for another figure, and where the record does not say."""
        found = find_metric(metric)
        if found.unit != "%" or self.record is None:
            return None
        return self.record.images(found.split)

    def figure(self, metric: str, value: Any) -> str:
        """Return a figure of one run in this study, with its interval where it is an accuracy."""
        return figure(metric, value, self.images(metric))

    @property
    def interval_note(self) -> str:
        """The sentence that explains the brackets beside accuracies."""
        counts = [(self.images(name), split) for name, split in ACCURACIES]
        known = " and ".join(f"{n:,} {split}" for n, split in counts if n)
        return f"In brackets: 95 % CI of one run, on {known} images." if known else ""

    @property
    def is_running(self) -> bool:
        return any(trial.state == TrialState.RUNNING for trial in self.frozen)

    @cached_property
    def spent(self) -> Spending:
        return spending(self.frozen, self.record.space.fixed if self.record else {})

    @cached_property
    def common_epoch(self) -> int | None:
        """The last epoch that every trial reached unless it failed: all can be compared there."""
        ended = self.trials[self.trials["state"].isin(["COMPLETE", "PRUNED"])]
        reached = ended.loc[ended["best_value"].notna() & (ended["epochs"] > 0), "epochs"]
        return None if reached.empty else int(reached.min())

    @property
    def references(self) -> tuple[ReferenceFigure, ...]:
        return self.record.references if self.record else ()

    @property
    def baseline_references(self) -> dict[str, float]:
        """The reference figures of the baseline's own setting, by metric."""
        return reference_values(self.references)

    @cached_property
    def values(self) -> list[float | None]:
        """Each trial's best value so far; None where it has none that is a finite number."""
        return [v if math.isfinite(v) else None for v in self.trials["best_value"].tolist()]

    def mark(self, number: int) -> str:
        """Return what a trial stands out for in tables and figures: best, baseline or nothing."""
        if self.best is not None and number == self.best.number:
            return "best"
        return "baseline" if self.is_baseline(number) else ""

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Both tables by name, without the columns that nobody measured."""
        return {"trials": without_empty(self.trials), "epochs": without_empty(self.epochs)}

    def row(self, trial: FrozenTrial) -> pd.Series:
        """Return a trial's row of ``trials``."""
        return self.trials.iloc[trial.number]

    def curve(self, trial: FrozenTrial) -> pd.DataFrame:
        """Return a trial's rows of ``epochs``."""
        return self.epochs[self.epochs["number"] == trial.number]


def read_study(study: Study, results_dir: Path | str, storage: str = "") -> StudyData:
    """Return the study's data, after one look at the storage and one at the folders. Raises
    ``UserError`` for what has no report."""
    if len(study.directions) > 1:
        raise UserError(
            f"study {study.study_name!r} has {len(study.directions)} objectives; "
            "a report needs a study with one"
        )
    frozen = tuple(study.get_trials(deepcopy=False))
    if not frozen:
        raise UserError(f"study {study.study_name!r} has no trials yet; nothing to report")
    record = read_record(study)
    objective = _objective(study, record)
    folder = StudyFolder(Path(results_dir), study.study_name)
    files_of(folder).refresh()
    epochs = make_epochs_frame(frozen, folder, objective)
    trials = make_trials_frame(frozen, record, epochs, objective)
    confirming = tuple(reevaluation_trials(study)) if record and record.reevaluation else ()
    return StudyData(
        name=study.study_name,
        record=record,
        objective=objective,
        frozen=frozen,
        trials=trials,
        epochs=epochs,
        folder=folder,
        confirming=confirming,
        storage=storage,
    )


def _objective(study: Study, record: StudyRecord | None) -> Metric:
    """Return the record's first objective; of another program's study, Optuna's value."""
    if record is not None:
        return METRICS[record.objectives[0]]
    minimize = study.direction == StudyDirection.MINIMIZE
    return Metric("value", "value", direction=MINIMIZE if minimize else MAXIMIZE)
