"""What a study says of itself from the start, and what changes when it resumes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from optuna.distributions import distribution_to_json

from search.common.secrets import without_secrets
from search.record.record import (
    DataFacts,
    LRRangeFacts,
    Provenance,
    ReevaluationFacts,
    ReferenceFigure,
    SpaceFacts,
    StrategyFacts,
    StudyRecord,
)
from search.settings.references import references_on
from search.settings.request import Request
from search.strategy.distributions import distributions
from spaces.space import ResolvedSpace
from trainers.data import DATASETS
from trainers.data.prepared import Meta
from trainers.data.sources import TORCHVISION
from trainers.execution import Execution


def new_record(
    request: Request,
    data: Meta,
    space: ResolvedSpace,
    execution: Execution,
    strategy: StrategyFacts,
    lr_range: LRRangeFacts | None,
    reevaluation: ReevaluationFacts | None,
    resume_check: str,
) -> StudyRecord:
    """Return what a new study says of itself."""
    return StudyRecord(
        space=_describe_space(request, data, space),
        data=DataFacts(
            fingerprint=data.fingerprint,
            name=data.name,
            given=_absolute(request.dataset),
            data_dir=str(request.data_dir.resolve()),
            image_size=request.settings.image_size,
            classes=data.classes,
            shapes=data.shapes,
        ),
        execution=execution,
        objectives=request.objectives,
        strategy=strategy,
        references=tuple(
            ReferenceFigure(item.metric, item.value, item.source, dict(item.setting))
            for item in references_on(space, request.dataset)
        ),
        lr_range=lr_range,
        reevaluation=reevaluation,
        resume_check=resume_check,
        provenance=Provenance.here(request.settings.as_command(), without_secrets(request.storage)),
        folder=request.folder.address,
    )


def _describe_space(request: Request, data: Meta, space: ResolvedSpace) -> SpaceFacts:
    varies = distributions(space.parameters)
    baseline, definition = request.config.to_dict(), space.definition
    return SpaceFacts(
        name=definition.name,
        title=", on ".join(filter(None, (definition.title or definition.name, data.name))),
        source=definition.source,
        preset=space.preset_name,
        fixed={name: value for name, value in baseline.items() if name not in varies},
        baseline=space.baseline_params(),
        parameters={name: distribution_to_json(kind) for name, kind in varies.items()},
        constraints=tuple(item.description for item in definition.constraints),
        conditions={
            parameter.name: {name: list(values) for name, values in parameter.conditions.items()}
            for parameter in space.parameters
            if parameter.condition
        },
        ranges={name: tuple(ends) for name, ends in request.settings.range.items()},
    )


def continued_record(found: StudyRecord, now: StudyRecord) -> StudyRecord:
    """Return ``found`` with what a run or a release may change, and the command that resumes."""
    title, constraints, command = now.space.title, now.space.constraints, now.provenance.command
    return replace(
        found,
        space=replace(found.space, title=title, constraints=constraints),
        references=now.references,
        strategy=now.strategy,
        reevaluation=now.reevaluation,
        gpus_per_trial=now.gpus_per_trial,
        provenance=replace(found.provenance, command=command, storage=now.provenance.storage),
        folder=now.folder,
    )


def _absolute(dataset: str) -> str:
    """Return a name unchanged, and a path in a form that can be found from any folder."""
    named = not dataset or dataset in DATASETS or dataset.startswith(TORCHVISION)
    return dataset if named else str(Path(dataset).expanduser().resolve())
