"""The Optuna study of a job: made with everything a reader needs, or checked to be the same."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.study import Study, StudyDirection

from search.common.errors import UserError
from search.common.secrets import without_secrets
from search.ledger.ledger import Plan
from search.planning.job import Job, plain
from search.storage.lease import Lease
from search.storage.storage import open_storage
from search.strategy.distributions import distributions
from search.strategy.pruners import make_pruner
from search.strategy.samplers import make_sampler
from trainers.data import DATASETS
from trainers.data.prepared import Meta
from trainers.failpoints import failpoint
from trainers.metrics import DEFAULT_OBJECTIVE

IDENTITY, REFERENCES, EXECUTION, PROVENANCE, FOLDER, LR_RANGE = (
    "identity",
    "references",
    "execution",
    "provenance",
    "folder",
    "lr_range",
)
SECONDS_BETWEEN_WARNINGS = 10  # of waiting for a locked database, once the search is on
_PACKAGES = ("sharpsearch", "torch", "torchvision", "optuna", "ray", "numpy")


def open_study(job: Job, data: Meta, lease: Lease, command: str) -> Study:
    """The job's study, with its recipe as trial 0. Raises ``UserError`` if it is another's."""
    storage = open_storage(job.storage, sqlite_wait=SECONDS_BETWEEN_WARNINGS, for_writing=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with lease.claiming():
        study = optuna.create_study(
            study_name=job.study_name,
            storage=storage,
            direction="maximize",
            sampler=make_sampler(job.sampler, job.space, job.seed),
            pruner=make_pruner(job.pruner, job.config.epochs),
            load_if_exists=True,
        )
        failpoint("study created")
        _identify(study, job, data, command)
        failpoint("study identified")
        if not study.get_trials(deepcopy=False):
            study.enqueue_trial(job.space.baseline())
    return study


def check_study(job: Job, data: Meta) -> None:
    """Raises ``UserError`` if the job's study exists and is another's. Makes no study."""
    storage = open_storage(job.storage)
    if job.study_name in optuna.get_all_study_names(storage):
        _check_identity(optuna.load_study(study_name=job.study_name, storage=storage), job, data)


def make_plan(job: Job, study: Study, data_folder: Path) -> Plan:
    """What the trials share. How a study began to compute is how it goes on: threads and
    precision change the bits of a curve."""
    return Plan(
        space=job.space,
        distributions=distributions(job.space.parameters),
        n_trials=job.n_trials,
        execution=study.user_attrs[EXECUTION],
        data_folder=data_folder,
        folder=job.folder,
    )


def identity(job: Job, data: Meta) -> dict[str, Any]:
    """What must not change within a study."""
    fixed = {**job.config.to_dict(), **dict.fromkeys(job.space.baseline(), None)}
    return {
        "space": job.space.definition.name,
        "dataset": data.fingerprint,
        "objective": DEFAULT_OBJECTIVE,
        "parameters": {
            name: distribution_to_json(distribution)
            for name, distribution in distributions(job.space.parameters).items()
        },
        "recipe": {name: value for name, value in fixed.items() if value is not None},
    }


def _identify(study: Study, job: Job, data: Meta, command: str) -> None:
    _check_identity(study, job, data)
    if IDENTITY not in study.user_attrs:
        for key, value in _description(job, data, command).items():
            study.set_user_attr(key, value)
            failpoint("study described")
        # Last: it says that the others are there.
        study.set_user_attr(IDENTITY, identity(job, data))
    folder = str(job.folder.path.resolve())
    if study.user_attrs.get(FOLDER) != folder:
        study.set_user_attr(FOLDER, folder)


def _check_identity(study: Study, job: Job, data: Meta) -> None:
    wanted, found = identity(job, data), study.user_attrs.get(IDENTITY)
    if found is None:
        if study.get_trials(deepcopy=False) or study.directions != [StudyDirection.MAXIMIZE]:
            raise UserError(
                f"study {study.study_name!r} was not made by this program; "
                "choose another --study-name"
            )
        return
    for part, value in wanted.items():
        if found.get(part) != value:
            raise UserError(
                f"study {study.study_name!r} was made for another {part}: "
                f"{_difference(found.get(part), value)}; choose another --study-name, "
                "or give the same settings to go on with it"
            )
    _check_folder(study, job.folder.path.resolve())


def _check_folder(study: Study, ours: Path) -> None:
    """Drivers of one study know of each other, and find its checkpoints, in one folder only. A
    folder that is gone was moved."""
    recorded = study.user_attrs.get(FOLDER)
    if recorded and Path(recorded) != ours and Path(recorded).is_dir():
        raise UserError(
            f"study {study.study_name!r} keeps its trials in {recorded!r}, not in {str(ours)!r}; "
            f"give --results-dir {str(Path(recorded).parent)!r}, or choose another --study-name"
        )


def _difference(found: Any, wanted: Any) -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted(found.keys() | wanted.keys()):
            if found.get(key) != wanted.get(key):
                return f"{key} was {found.get(key)!r}, now {wanted.get(key)!r}"
    return f"it was {found!r}, now {wanted!r}"


def _description(job: Job, data: Meta, command: str) -> dict[str, Any]:
    """What reports and the dashboard show of a study; written once."""
    space = job.space.definition
    return {
        **({LR_RANGE: dict(job.lr_range)} if job.lr_range else {}),
        EXECUTION: job.execution.to_dict(),
        REFERENCES: [
            {**asdict(reference), "setting": plain(reference.setting)}
            for reference in space.references
        ],
        "space": {"name": space.name, "title": space.title, "source": space.source},
        "preset": job.space.preset_name,
        "baseline": job.space.baseline(),
        "dataset": {
            "name": data.name,
            "classes": list(data.classes),
            "shapes": data.shapes,
            "given": _absolute(job.dataset),
            "data_dir": str(job.data_dir.resolve()),
        },
        "search": {
            "sampler": job.sampler,
            "pruner": job.pruner,
            "seed": job.seed,
            "n_trials": job.n_trials,
            "storage": without_secrets(job.storage),
        },
        PROVENANCE: {
            "command": command,
            "versions": package_versions(),
            "python": platform.python_version(),
            "machine": f"{platform.node()}, {platform.machine()}, {platform.system()}",
        },
    }


def _absolute(dataset: str) -> str:
    """A name as it is, a path such that it can be found from anywhere."""
    return dataset if dataset in DATASETS else str(Path(dataset).expanduser().resolve())


def package_versions() -> dict[str, str]:
    """Installed versions of what a curve depends on."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
