"""All that a study says of itself: one frozen, versioned record, written and read here alone.

The record is one attribute of the Optuna study. Each part reads itself; what a record lacks has its
default.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar, Self

from optuna.distributions import json_to_distribution
from optuna.study import Study

from search.common.errors import UserError, one_line
from spaces.kinds import LARGEST, wrong_kind
from trainers.execution import Execution
from trainers.metrics import DEFAULT_OBJECTIVE, TEST, VALIDATION, objective_metric
from trainers.validators import Integer, Number, Rule

VERSION = 1
RECORD = "sharpsearch"  # the study's attribute
EXACT = "exact"  # of ``resume_check``
# What reports compute with, of the values that do not vary.
FIXED: Mapping[str, Rule] = {
    "epochs": Integer(1, LARGEST),
    "seed": Integer(0, LARGEST),
    "val_fraction": Number(0, 1),
}
IMAGE_AXES = 4  # images, height, width, channels
PACKAGES = ("sharpsearch", "torch", "torchvision", "optuna", "ray", "numpy")


Read = Callable[[Any], Any]


class Part:
    """A part of the record, which reads itself from a mapping."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Returns the part in ``values``: what is missing has its default, what a later release
        added is left out, and the lists that JSON made of tuples are tuples again. Raises
        ``ValueError`` where one is not of its declared type, ``TypeError`` where one lacks."""
        known = {item.name for item in fields(cls)}  # type: ignore[arg-type]
        found = {name: value for name, value in values.items() if name in known}
        if fault := wrong_kind(cls, found):
            raise ValueError(fault)
        return cls(**{n: tuple(v) if isinstance(v, list) else v for n, v in found.items()})

    @classmethod
    def each(cls, values: Sequence[Mapping[str, Any]]) -> tuple[Self, ...]:
        return tuple(map(cls.from_dict, values))

    @classmethod
    def if_any(cls, values: Mapping[str, Any] | None) -> Self | None:
        return None if values is None else cls.from_dict(values)


@dataclass(frozen=True)
class SpaceFacts(Part):
    """The space that the study searches. ``fixed`` holds the values of what does not vary,
    ``baseline`` the baseline's own values of what does; ``parameters`` are Optuna's distributions
    as JSON texts, ``constraints`` descriptions. ``conditions``: a parameter that does not always
    exist, and the values of others with which it does; ``ranges``: intervals that were narrowed on
    the command line, [low, high]."""

    name: str
    title: str = ""
    source: str = ""
    preset: str = "full"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    baseline: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, rule in FIXED.items():
            if name in self.fixed:
                rule.check(name, self.fixed[name])
        for text in self.parameters.values():
            json_to_distribution(text)
        for name, ends in self.ranges.items():
            if len(ends) != 2:
                raise ValueError(f"the range of {name} must have two ends, got {ends!r:.60}")


@dataclass(frozen=True)
class ReferenceFigure(Part):
    """A figure that a report published; ``setting`` as in ``spaces.space.Reference``."""

    metric: str
    value: float
    source: str = ""
    setting: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataFacts(Part):
    """The data set: ``given`` is how it was named on the command line, ``shapes`` of its arrays,
    ``data_dir`` where it was prepared, ``image_size`` what its images were resized to."""

    fingerprint: str
    name: str = ""
    given: str = ""
    data_dir: str = ""
    image_size: int | None = None
    classes: tuple[str, ...] = ()
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, shape in self.shapes.items():
            if not shape or (name.endswith("images") and len(shape) != IMAGE_AXES):
                raise ValueError(f"{name} cannot have the shape {shape!r:.60}")


@dataclass(frozen=True)
class StrategyFacts(Part):
    """How settings are chosen: names in the tables of samplers and pruners, and the sampler's seed.
    ``keep_weights`` says whose weights are kept: best, all or none. ``epoch_budget`` is that of all
    trials together, None where there is no such limit."""

    sampler: str = "tpe"
    pruner: str = "halving"
    seed: int = 0
    n_trials: int | None = None
    keep_weights: str = "best"
    epoch_budget: int | None = None


@dataclass(frozen=True)
class ReevaluationFacts(Part):
    """How the best are re-evaluated: the number of ``settings`` beside the baseline, the selection
    seeds and the evaluation seeds."""

    settings: int
    choosing: tuple[int, ...]
    judging: tuple[int, ...]

    def part(self, settings: int, judging: int) -> ReevaluationFacts:
        """Returns the same with fewer settings and seeds."""
        choosing = self.choosing[: (judging + 1) // 2]
        return ReevaluationFacts(settings, choosing, self.judging[:judging])


@dataclass(frozen=True)
class LRRangeFacts(Part):
    """What a learning-rate range test came to: the rate at which the loss fell fastest, if it did,
    and the interval that is searched since."""

    low: float
    high: float
    suggestion: float | None = None
    start: float = 1e-5
    end: float = 1.0
    steps: int = 0


@dataclass(frozen=True)
class StartingPoint(Part):
    """Parameters that are tried first: those of ``trial`` of another ``study``."""

    study: str
    trial: int
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Provenance(Part):
    """Where the study began: command without passwords, package versions, machine."""

    command: str = ""
    storage: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    python: str = ""
    machine: str = ""

    @classmethod
    def here(cls, command: str = "", storage: str = "") -> Provenance:
        """Returns that of this process; ``command`` and ``storage`` are without passwords."""
        machine = f"{platform.node()}, {platform.machine()}, {platform.system()}"
        return cls(command, storage, _package_versions(), platform.python_version(), machine)


def _package_versions() -> dict[str, str]:
    """Returns the installed versions of what a curve depends on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class StudyRecord(Part):
    """Everything that a reader of a study needs beside its trials.

    ``folder`` is where its trials' files lie, ``folder_token`` what that folder holds too, so that
    another disk's folder of the same name is not taken for it. ``reevaluation`` is None where
    nothing is re-evaluated; ``reevaluates`` names the study whose best settings this one's trials
    are, "" in any other. ``resume_check``: of a training function of the user's own, ``EXACT`` or
    the first value that differs after a restart; "" in any other study. ``gpus_per_trial`` is what
    a trial had of a card's time and memory, 0 without a GPU.
    """

    space: SpaceFacts
    data: DataFacts
    execution: Execution
    objectives: tuple[str, ...] = (DEFAULT_OBJECTIVE,)
    strategy: StrategyFacts = field(default_factory=StrategyFacts)
    references: tuple[ReferenceFigure, ...] = ()
    lr_range: LRRangeFacts | None = None
    starts: tuple[StartingPoint, ...] = ()
    reevaluation: ReevaluationFacts | None = None
    reevaluates: str = ""
    resume_check: str = ""
    gpus_per_trial: float = 0.0
    provenance: Provenance = field(default_factory=Provenance)
    folder: str = ""
    folder_token: str = ""

    parts: ClassVar[Mapping[str, Read]] = {
        "space": SpaceFacts.from_dict,
        "data": DataFacts.from_dict,
        "execution": Execution.from_mapping,
        "strategy": StrategyFacts.from_dict,
        "references": ReferenceFigure.each,
        "lr_range": LRRangeFacts.if_any,
        "starts": StartingPoint.each,
        "reevaluation": ReevaluationFacts.if_any,
        "provenance": Provenance.from_dict,
    }

    def __post_init__(self) -> None:
        if not self.objectives:
            raise ValueError("objectives must not be empty")
        for name in self.objectives:
            objective_metric(name)

    def images(self, split: str) -> int | None:
        """Return about how many images a metric of ``split`` is measured on while weights stand
        still; None where the record does not say."""
        shape = self.data.shapes.get("test_images" if split == TEST else "train_images")
        if shape is None or split == TEST:
            return shape[0] if shape else None
        fraction = self.space.fixed.get("val_fraction")
        return round(shape[0] * fraction) if split == VALIDATION and fraction else None

    def to_dict(self) -> dict[str, Any]:
        """Returns the record as JSON holds it."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        read = {name: read(values[name]) for name, read in cls.parts.items() if name in values}
        return super().from_dict({**values, **read})


def read_record(study: Study) -> StudyRecord | None:
    """Return what ``study`` says of itself; None where another program made it.

    Raises ``UserError`` where a newer release wrote it, or it is no record of this program.
    """
    values = study.user_attrs.get(RECORD)
    if values is None:
        return None
    try:
        found = values["version"]
        if isinstance(found, int) and found > VERSION:
            raise UserError(
                f"study {study.study_name!r} was written by a newer release (record version "
                f"{found}, this one reads up to {VERSION}); upgrade sharpsearch"
            )
        return StudyRecord.from_dict(values)
    except UserError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"study {study.study_name!r}: its record {RECORD!r} cannot be read "
            f"({type(error).__name__}: {one_line(error)}); choose another --study-name"
        ) from None


def write_record(study: Study, record: StudyRecord) -> None:
    """Writes all of it at once, if it says anything new: a crash leaves the old or the new."""
    values = json.loads(json.dumps(record.to_dict()))  # lists, as they are read again
    if study.user_attrs.get(RECORD) != values:
        study.set_user_attr(RECORD, values)
