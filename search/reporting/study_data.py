"""Everything a report needs of a study, read once: a running study holds still in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.common.errors import UserError
from search.common.layout import StudyFolder
from search.record.trials import Spending, best_completed, reference_values, spending
from search.reporting.frames import make_epochs_frame, make_trials_frame

OBJECTIVE = "val_top1"


@dataclass(frozen=True)
class StudyData:
    """A study at one moment: its trials, its attributes, both tables, its folder."""

    name: str
    direction: StudyDirection
    attributes: Mapping[str, Any]
    frozen: tuple[FrozenTrial, ...]
    trials: pd.DataFrame
    epochs: pd.DataFrame
    folder: StudyFolder

    @cached_property
    def best(self) -> FrozenTrial | None:
        """The completed trial with the best value."""
        return best_completed(self.frozen, self.direction)

    @property
    def recipe(self) -> FrozenTrial | None:
        """Trial 0 where it is the report's recipe."""
        first = self.frozen[0]
        baseline = self.attributes.get("baseline")
        return first if baseline is not None and first.params == baseline else None

    @property
    def is_accuracy(self) -> bool:
        """Whether the values are this project's validation accuracies in %."""
        return self.attributes.get("identity", {}).get("objective") == OBJECTIVE

    @property
    def metric(self) -> str:
        """What an axis of values is called."""
        return "validation top-1 (%)" if self.is_accuracy else "value"

    @property
    def maximize(self) -> bool:
        return self.direction != StudyDirection.MINIMIZE

    @property
    def full_epochs(self) -> int | None:
        """Epochs of a trial that runs to its end, where all have the same."""
        return self.attributes.get("identity", {}).get("recipe", {}).get("epochs")

    @property
    def at_report_scale(self) -> bool:
        """Whether the published figures were measured at this study's scale."""
        return self.attributes.get("preset") == "full"

    @property
    def is_running(self) -> bool:
        return any(trial.state == TrialState.RUNNING for trial in self.frozen)

    @cached_property
    def spent(self) -> Spending:
        return spending(self.frozen, self.attributes.get("identity", {}).get("recipe", {}))

    @cached_property
    def common_epoch(self) -> int | None:
        """The last epoch that every trial reached unless it failed: all can be compared there."""
        ended = self.trials[self.trials["state"].isin(["COMPLETE", "PRUNED"])]
        reached = ended.loc[ended["val_top1"].notna() & (ended["epochs"] > 0), "epochs"]
        return None if reached.empty else int(reached.min())

    @property
    def references(self) -> list[dict[str, Any]]:
        return self.attributes.get("references", [])

    @property
    def published(self) -> dict[str, float]:
        """The published figures of the recipe's own setting."""
        return reference_values(self.references)

    @cached_property
    def values(self) -> list[float | None]:
        """Each trial's best value so far; None where it has none that is a finite number."""
        return [v if math.isfinite(v) else None for v in self.trials["val_top1"].tolist()]

    def row(self, trial: FrozenTrial) -> pd.Series:
        """A trial's row of ``trials``."""
        return self.trials.iloc[trial.number]

    def curve(self, trial: FrozenTrial) -> pd.DataFrame:
        """A trial's rows of ``epochs``."""
        return self.epochs[self.epochs["number"] == trial.number]


def read_study(study: Study, results_dir: Path | str) -> StudyData:
    """One look at the storage, one at the folders. Raises ``UserError`` for what has no report."""
    if len(study.directions) > 1:
        raise UserError(
            f"study {study.study_name!r} has {len(study.directions)} objectives; "
            "a report needs a study with one"
        )
    frozen = tuple(study.get_trials(deepcopy=False))
    if not frozen:
        raise UserError(f"study {study.study_name!r} has no trials yet; nothing to report")
    folder = StudyFolder(Path(results_dir), study.study_name)
    attributes = study.user_attrs
    epochs = make_epochs_frame(frozen, folder)
    trials = make_trials_frame(frozen, attributes, epochs, study.direction)
    return StudyData(study.study_name, study.direction, attributes, frozen, trials, epochs, folder)
