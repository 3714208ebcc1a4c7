"""A search, fully decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from search.autotune.resources import Resources
from search.common.layout import StudyFolder
from search.record.record import StudyRecord
from spaces.space import ResolvedSpace
from trainers.config import Config
from trainers.execution import Execution

BEST_KEPT = 3  # trials whose weights stay, beside the baseline
MOST_FOR_PAUSED = 20_000_000_000  # bytes of paused trials' checkpoints


@dataclass(frozen=True)
class TrialPlan:
    """What every trial of a study shares. ``objectives`` are names of metrics; ``keep_weights``
    says of which trials (best, all or none) the weights stay when they have ended;
    ``epoch_budget`` is what all trials together may train, None where there is no such limit;
    ``fingerprint`` that of the data, "" where a training function reads its own."""

    space: ResolvedSpace
    n_trials: int
    execution: Execution
    data_folder: Path
    folder: StudyFolder
    objectives: tuple[str, ...]
    keep_weights: str = field(default="best", kw_only=True)
    epoch_budget: int | None = field(default=None, kw_only=True)
    fingerprint: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class SearchPlan(TrialPlan):
    """Everything that a search needs, beside its data and its database.

    ``record`` is what the study will say of itself; ``timeout`` in seconds, from the start of
    the command.
    """

    config: Config
    resources: Resources
    storage: str
    timeout: float | None
    record: StudyRecord
