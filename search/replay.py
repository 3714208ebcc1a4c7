"""python -m search.replay --study-name NAME --trial N: one recorded trial, trained once more.

Outside the search, in a scratch folder, with the precision and threads that the study recorded.
On a CPU with the same versions the curve comes out bit for bit.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.common.errors import UserError, run_main
from search.common.file_store import files_of
from search.common.layout import StudyFolder
from search.common.locations import default_storage, results_folder
from search.settings.run_settings import StudySettings, TrustSettings
from search.settings.setting import setting
from trainers.metrics import same
from trainers.user_code import refuse_code

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from search.record.record import DataFacts, Provenance, StudyRecord

DIFFERENT = 1
CLOCKS = ("seconds", "val_seconds")


@dataclass(frozen=True, kw_only=True)
class ReplaySettings(TrustSettings, StudySettings):
    """Settings of ``search.replay``: which trial."""

    command = "replay"
    description = (
        "Train one recorded trial again, outside the search, and compare the curves. "
        "Exit code 0: the same bit for bit; 1: they differ, and it says in what."
    )

    study_name: str = setting("the trial's study", metavar="NAME")
    trial: int = setting("its number", metavar="N")
    dataset: str | None = setting("default: as recorded", None, metavar="NAME_OR_PATH")
    data_dir: str | None = setting("default: as recorded", None)
    out: Path | None = setting("keep the run there, its best weights too (default: nowhere)", None)


def main(argv: list[str] | None = None) -> int:
    """Run the command. Returns exit code 0: the same curve; 1: another; 2: wrong input."""
    settings = ReplaySettings.parse(argv)
    from search.record.record import read_record
    from search.storage.storage import load_study, watched

    results_dir = results_folder(settings.results_dir)
    if settings.out and settings.out.exists():
        raise UserError(f"--out {settings.out} is there already; choose another")
    storage = settings.storage or default_storage(results_dir)
    with watched(storage):
        study = load_study(settings.study_name, storage)
        record = read_record(study)
        if record is None:
            raise UserError(f"study {study.study_name!r} was not made by this program")
        trial = recorded_trial(study, settings.trial)
    if not settings.trust_code:
        refuse_code({**record.space.fixed, **trial.params}, f"study {study.study_name!r}")
    data_folder = find_data(record.data, settings.dataset, settings.data_dir)
    kept = StudyFolder(results_dir, study.study_name)
    files_of(kept).refresh()
    history = kept.trial(trial.number)
    differences = []
    with tempfile.TemporaryDirectory(prefix="sharpsearch-replay-") as scratch:
        folder = settings.out or Path(scratch)
        for line, differs in replay(record, trial, data_folder, history, folder):
            print(line, flush=True)
            differences += [line] if differs else []
    if not differences:
        print(f"trial {trial.number}: the same bit for bit")
        return 0
    print(f"trial {trial.number}: not the same, first at {differences[0]}")
    for line in surroundings(record):
        print(line)
    return DIFFERENT


def recorded_trial(study: Study, number: int) -> FrozenTrial:
    """Raises ``UserError`` where there is nothing to compare with."""
    trials = study.get_trials(deepcopy=False)
    if not 0 <= number < len(trials):
        raise UserError(f"--trial must be in [0, {len(trials) - 1}], got {number}")
    if not trials[number].intermediate_values:
        raise UserError(f"trial {number} has no epoch on record; choose another --trial")
    return trials[number]


def find_data(recorded: DataFacts, dataset: str | None, data_dir: str | None) -> Path:
    """Return the study's own data set, prepared; nothing where a training function has data of its
    own. Raises ``UserError`` if it is another."""
    if not recorded.fingerprint:
        return Path()
    from trainers.data import prepare, verify_prepared
    from trainers.data.prepared import read_meta

    name, folder = dataset or recorded.given, data_dir or recorded.data_dir
    if not name or not folder:
        raise UserError("this study does not say where its data lie: give --dataset and --data-dir")
    prepared = prepare(name, folder, image_size=recorded.image_size)
    verify_prepared(prepared)
    found, wanted = read_meta(prepared).fingerprint, recorded.fingerprint
    if found != wanted:
        raise UserError(
            f"--dataset must be the study's own, with fingerprint {wanted[:12]}…, "
            f"got {name!r} with {found[:12]}…"
        )
    return prepared


def replay(
    record: StudyRecord, trial: FrozenTrial, data_folder: Path, kept: Path, scratch: Path
) -> Iterator[tuple[str, bool]]:
    """Yield a line for each epoch on record, at last for the test set, and whether the figures
    differ."""
    from search.autotune.devices import gpu_count
    from trainers.config import config_from_mapping
    from trainers.epoch_result import DivergedError
    from trainers.runs.history import read_history
    from trainers.runs.open_run import open_run

    if record.execution.device == "cuda" and not gpu_count():
        raise UserError(
            "this study was trained on a GPU, and there is none here; replay it where there is one"
        )
    config = config_from_mapping({**record.space.fixed, **trial.params})
    run = open_run(config, data_folder, record.execution, scratch, number=trial.number)
    rows = {int(row["epoch"]): row for row in read_history(kept)}
    results = run.results()
    for epoch, value in sorted(trial.intermediate_values.items()):
        try:
            result = next(results, None)
        except DivergedError as error:
            yield f"epoch {epoch}: {error}", not math.isnan(value)
            return
        if result is None:
            yield f"epoch {epoch}: on record, but training ends before it", True
            return
        recorded = {record.objectives[0]: value} | _curve(rows.get(epoch, {}))
        yield _compare(epoch, recorded, result.to_dict())
    if trial.state.name == "COMPLETE":
        if next(results, None) is not None:  # a training function returns its figures at its end
            yield "training continues after the last epoch on record", True
            return
        figures = run.test().figures()
        known = {key: trial.user_attrs[key] for key in figures if key in trial.user_attrs}
        yield _compare("test", {k: v for k, v in known.items() if "seconds" not in k}, figures)


def _curve(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in CLOCKS}


def _compare(epoch: int | str, recorded: dict[str, Any], found: dict[str, Any]) -> tuple[str, bool]:
    """Return a line for an epoch, and whether it differs: every recorded figure must come out again
    as the same number."""
    what = f"epoch {epoch}" if isinstance(epoch, int) else epoch
    for name, value in recorded.items():
        now = found.get(name, math.nan)  # a training function may yield it in some epochs only
        if not same(value, now):
            return f"{what}: {name} was {value!r}, now {now!r}", True
    return f"{what}: {len(recorded)} figures are the same", False


def surroundings(record: StudyRecord) -> list[str]:
    """Return how the study's machine and versions differ from today's."""
    from search.record.record import Provenance

    then, now = _facts(record.provenance), _facts(Provenance.here())
    lines = [
        f"{name} was {then.get(name)}, now {value}"
        for name, value in now.items()
        if then.get(name) != value
    ]
    execution = f"computed with {record.execution}"
    return [execution, *(lines or ["versions and machine are those of the study"])]


def _facts(provenance: Provenance) -> dict[str, str]:
    return {
        **provenance.versions,
        "python": provenance.python,
        "machine": provenance.machine,
    }


if __name__ == "__main__":
    sys.exit(run_main(main))
