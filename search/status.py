"""python -m search.status --study-name NAME: how far a study is, and who works on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from search.common.errors import UserError, run_main
from search.common.locations import default_storage, results_folder
from search.settings.run_settings import StudySettings
from search.settings.setting import setting

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from search.record.record import StudyRecord


@dataclass(frozen=True, kw_only=True)
class StatusSettings(StudySettings):
    """Settings of ``search.status``: which study."""

    command = "status"
    description = "Show how far a study is and which drivers work on it, on any node."

    study_name: str | None = setting(
        "may be left out where the storage has one study", None, metavar="NAME"
    )


def main(argv: list[str] | None = None) -> int:
    """Prints the status; nothing is written. Exit code 2: wrong input."""
    settings = StatusSettings.parse(argv)
    results_dir = results_folder(settings.results_dir)
    storage = settings.storage or default_storage(results_dir)
    from search.storage.storage import load_study, only_study, watched

    with watched(storage):
        name = settings.study_name
        study = load_study(name, storage) if name else only_study(storage)
        for each in (study, _reevaluation(study)):
            for line in status(each, results_dir) if each is not None else ():
                print(line)
    return 0


@dataclass(frozen=True)
class Work:
    """The trials of one driver that lives, and when it began (None: not known)."""

    driver: str
    since: datetime | None
    trials: list[FrozenTrial]

    def __str__(self) -> str:
        numbers = ", ".join(
            f"{trial.number} (epoch {trial.last_step or 0})" for trial in self.trials
        )
        began = f", since {self.since:%Y-%m-%d %H:%M}" if self.since else ""
        return f"at work: {self.driver}{began}: trials {numbers}"


def status(study: Study, results_dir: Path) -> Iterator[str]:
    """Yield the lines about ``study``. Raises ``UserError`` if another program made it."""
    from search.record.record import read_record

    record = read_record(study)
    if record is None:
        raise UserError(
            f"study {study.study_name!r} was not made by this program; choose another --study-name"
        )
    trials = study.get_trials(deepcopy=False)
    at_work, left_behind = find_work(study, record, results_dir, trials)
    yield _counts(study.study_name, record, trials, sum(len(work.trials) for work in at_work))
    if record.strategy.epoch_budget is not None:
        yield f"epochs: {_epochs(trials)} of {record.strategy.epoch_budget}"
    if not record.reevaluates:
        yield _best(study, record, trials)
    yield from map(str, at_work)
    if left_behind:
        numbers = ", ".join(str(trial.number) for trial in left_behind)
        yield f"left behind by drivers that are gone: trials {numbers}; the next one resumes them"


def find_work(
    study: Study, record: StudyRecord, results_dir: Path, trials: Sequence[FrozenTrial]
) -> tuple[list[Work], list[FrozenTrial]]:
    """Return what each driver that lives has at work, and the trials of those that are gone.

    Only drivers that own a trial are asked for: each of them held its lock before.
    """
    from optuna.trial import TrialState

    from search.common.layout import StudyFolder
    from search.record.trials import is_paused
    from search.storage.lease import locks_of
    from search.storage.optuna_internals import storage_of
    from search.study.acquire import OWNER

    owned: dict[str, list[FrozenTrial]] = {}
    for trial in trials:
        if trial.state == TrialState.RUNNING and not is_paused(trial):
            owned.setdefault(trial.user_attrs.get(OWNER, ""), []).append(trial)
    folder = StudyFolder(results_dir, study.study_name)
    if not folder.path.is_dir() and "://" not in record.folder:
        folder = StudyFolder(Path(record.folder).parent, study.study_name)
    locks = locks_of(folder, storage_of(study))
    try:
        alive = {driver for driver in owned if driver and locks.is_held(driver)}
        at_work = [Work(d, locks.held_since(d), own) for d, own in owned.items() if d in alive]
    finally:
        locks.close()
    return at_work, [trial for d, own in owned.items() if d not in alive for trial in own]


def _counts(name: str, record: StudyRecord, trials: Sequence[FrozenTrial], at_work: int) -> str:
    from optuna.trial import TrialState

    from search.record.trials import counted, is_paused

    begun = counted(trials)
    ended = [trial for trial in begun if trial.state.is_finished()]
    total = record.strategy.n_trials
    failed = sum(trial.state == TrialState.FAIL for trial in ended)
    words = [
        f"{len(ended)}{f' of {total}' if total else ''} trials finished",
        *([f"{failed} of them failed"] if failed else []),
        f"{sum(map(is_paused, begun))} paused",
        f"{at_work} running",
        *([f"{max(0, total - len(begun))} not begun"] if total else []),
    ]
    return f"study {name}: {', '.join(words)}"


def _epochs(trials: Sequence[FrozenTrial]) -> int:
    """Return how many all trials trained, those of one that was resumed as another counted once."""
    from search.record.trials import continued, is_copy

    resumed = continued(trials)
    trained = [t for t in trials if not is_copy(t) and t.number not in resumed]
    return sum(len(trial.intermediate_values) for trial in trained)


def _best(study: Study, record: StudyRecord, trials: Sequence[FrozenTrial]) -> str:
    from search.common.formatting import settings
    from search.record.trials import best_completed
    from trainers.metrics import METRICS

    best = best_completed(trials, study.direction)
    if best is None or best.value is None:
        return "best so far: none, no trial is complete"
    value = METRICS[record.objectives[0]].described(best.value)
    return f"best so far: trial {best.number}, {value}, {settings(best.params)}"


def _reevaluation(study: Study) -> Study | None:
    """Return the study that re-evaluates the best of ``study``, if it has begun."""
    import optuna

    from search.common.layout import CONFIRMATION
    from search.storage.optuna_internals import storage_of

    name = f"{study.study_name}{CONFIRMATION}"
    if name not in optuna.get_all_study_names(storage_of(study)):
        return None
    return optuna.load_study(study_name=name, storage=storage_of(study))


if __name__ == "__main__":
    sys.exit(run_main(main))
