"""All that a study says of itself: one frozen, versioned record, written and read here alone.

The record is one attribute of the Optuna study. Version 1, of the first release, was a set of
attributes without a version; it is read as what it would be today, and what it lacks has the
default that it had.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from optuna.study import Study

from search.common.errors import UserError
from search.record.version_1 import as_version_2
from trainers.execution import Execution
from trainers.metrics import DEFAULT_OBJECTIVE, TEST, VALIDATION

VERSION = 2
RECORD = "sharpsearch"  # the study's attribute
EXACT = "exact"  # of ``resume_check``

Part = TypeVar("Part")


@dataclass(frozen=True)
class SpaceFacts:
    """The space that the study searches. ``constraints`` are descriptions, None in studies of
    version 1; ``parameters`` Optuna's distributions as JSON texts, ``recipe`` what is fixed,
    ``baseline`` the recipe's own values of what varies: trial 0's. ``conditions``: a parameter that
    does not always exist, and the values of others with which it does; ``ranges``: intervals that
    were narrowed on the command line, [low, high]."""

    name: str
    title: str = ""
    source: str = ""
    preset: str = "full"
    recipe: Mapping[str, Any] = field(default_factory=dict)
    baseline: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    constraints: tuple[str, ...] | None = None
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ranges: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ReferenceFigure:
    """A figure that a report published; ``setting`` as in ``spaces.space.Reference``."""

    metric: str
    value: float
    source: str = ""
    setting: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataFacts:
    """The data set: ``given`` is how it was named on the command line, ``shapes`` of its arrays,
    ``data_dir`` where it was prepared, ``image_size`` what its images were resized to."""

    fingerprint: str
    name: str = ""
    given: str = ""
    data_dir: str = ""
    image_size: int | None = None
    classes: tuple[str, ...] = ()
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class StrategyFacts:
    """Which settings are tried: names of the tables of samplers and pruners; the sampler's seed.
    And whose weights are kept, ``all`` of them in studies that do not say. ``epoch_budget``: of all
    trials together, None where there is no such limit."""

    sampler: str = "tpe"
    pruner: str = "halving"
    seed: int = 0
    n_trials: int | None = None
    keep_weights: str = "all"
    epoch_budget: int | None = None


@dataclass(frozen=True)
class ConfirmationFacts:
    """How the best are confirmed: so many ``settings`` beside the recipe; the seeds that choose one
    of them, and those by which it and the recipe are judged."""

    settings: int
    choosing: tuple[int, ...]
    judging: tuple[int, ...]

    def part(self, settings: int, judging: int) -> ConfirmationFacts:
        """With fewer settings and seeds."""
        choosing = self.choosing[: (judging + 1) // 2]
        return ConfirmationFacts(settings, choosing, self.judging[:judging])


@dataclass(frozen=True)
class LRRangeFacts:
    """What a learning-rate range test came to: the rate at which the loss fell fastest, if it did,
    and the interval that is searched since."""

    low: float
    high: float
    suggestion: float | None = None
    start: float = 1e-5
    end: float = 1.0
    steps: int = 0


@dataclass(frozen=True)
class StartingPoint:
    """Parameters that are tried first: those of ``trial`` of another ``study``."""

    study: str
    trial: int
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Provenance:
    """Where the study began: command without passwords, package versions, machine."""

    command: str = ""
    storage: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    python: str = ""
    machine: str = ""


@dataclass(frozen=True)
class StudyRecord:
    """Everything that a reader of a study needs beside its trials.

    ``folder`` is where its trials' files lie, ``folder_token`` what that folder holds too, so that
    another disk's folder of the same name is not taken for it ("" in studies of version 1).
    ``confirmation`` is None where nothing is confirmed, as in studies that do not say; ``confirms``
    names the study whose best settings this one's trials are, "" in any other. ``resume_check``:
    of a training function of the user's own, ``EXACT`` or the first value that differs after a
    restart; "" in any other study. ``gpus_per_trial`` is what a trial had of a card's time and
    memory, 0 without a GPU and in studies that do not say.
    """

    space: SpaceFacts
    data: DataFacts
    execution: Execution
    objectives: tuple[str, ...] = (DEFAULT_OBJECTIVE,)
    strategy: StrategyFacts = field(default_factory=StrategyFacts)
    references: tuple[ReferenceFigure, ...] = ()
    lr_range: LRRangeFacts | None = None
    starts: tuple[StartingPoint, ...] = ()
    confirmation: ConfirmationFacts | None = None
    confirms: str = ""
    resume_check: str = ""
    gpus_per_trial: float = 0.0
    provenance: Provenance = field(default_factory=Provenance)
    folder: str = ""
    folder_token: str = ""

    def images(self, split: str) -> int | None:
        """About how many images a metric of ``split`` is measured on while weights stand still;
        None where the record does not say."""
        shape = self.data.shapes.get("test_images" if split == TEST else "train_images")
        if shape is None or split == TEST:
            return shape[0] if shape else None
        fraction = self.space.recipe.get("val_fraction")
        return round(shape[0] * fraction) if split == VALIDATION and fraction else None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StudyRecord:
        """The record in ``values``; what a later release added and this one does not know is
        left out, what is missing has its default."""
        lr_range, confirmation = values.get("lr_range"), values.get("confirmation")
        return cls(
            space=_part(SpaceFacts, values["space"]),
            data=_part(DataFacts, values["data"]),
            execution=_part(Execution, values["execution"]),
            objectives=tuple(values.get("objectives", (DEFAULT_OBJECTIVE,))),
            strategy=_part(StrategyFacts, values.get("strategy", {})),
            references=tuple(_part(ReferenceFigure, r) for r in values.get("references", ())),
            lr_range=None if lr_range is None else _part(LRRangeFacts, lr_range),
            starts=tuple(_part(StartingPoint, start) for start in values.get("starts", ())),
            confirmation=confirmation and _part(ConfirmationFacts, confirmation),
            confirms=values.get("confirms", ""),
            resume_check=values.get("resume_check", ""),
            gpus_per_trial=values.get("gpus_per_trial", 0.0),
            provenance=_part(Provenance, values.get("provenance", {})),
            folder=values.get("folder", ""),
            folder_token=values.get("folder_token", ""),
        )


def read_record(study: Study) -> StudyRecord | None:
    """What ``study`` says of itself; None where another program made it.

    Raises ``UserError`` where a newer release wrote it.
    """
    attributes = study.user_attrs
    values = attributes.get(RECORD) or as_version_2(attributes)
    if values is None:
        return None
    if values["version"] > VERSION:
        raise UserError(
            f"study {study.study_name!r} was written by a newer release (record version "
            f"{values['version']}, this one reads up to {VERSION}); upgrade sharpsearch"
        )
    return StudyRecord.from_dict(values)


def write_record(study: Study, record: StudyRecord) -> None:
    """Writes all of it at once, if it says anything new: a crash leaves the old or the new."""
    values = json.loads(json.dumps(record.to_dict()))  # lists, as they are read again
    if study.user_attrs.get(RECORD) != values:
        study.set_user_attr(RECORD, values)


def _part(kind: type[Part], values: Mapping[str, Any]) -> Part:
    known = {item.name: item.type for item in fields(kind)}  # type: ignore[arg-type]
    kept = {name: value for name, value in values.items() if name in known}
    for name, value in kept.items():
        if isinstance(value, list) and str(known[name]).startswith("tuple"):
            kept[name] = tuple(value)
    return kind(**kept)
