"""Where the figures come from: command, versions, machine, data, seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from search.common.secrets import command_without_secrets, without_secrets
from search.record.record import StudyRecord
from search.reporting.blocks import Facts, Section, section
from search.reporting.format import missing, setting
from search.reporting.study_data import StudyData


def provenance(data: StudyData) -> Section | None:
    record = data.record
    fixed = {} if record is None else record.space.fixed
    items = {"study": data.name, **({} if record is None else _recorded(record)), **_times(data)}
    shown = [(name, value) for name, value in items.items() if not missing(value) and value != ""]
    study = Facts("Study", tuple((name, str(value)) for name, value in shown))
    settings = Facts("Fixed settings", tuple((n, setting(v)) for n, v in fixed.items()))
    return section("provenance", "Provenance", [study, settings if fixed else None], folded=True)


def _recorded(record: StudyRecord) -> dict[str, Any]:
    origin, strategy, fixed = record.provenance, record.strategy, record.space.fixed
    return {
        "space": record.space.name,
        "preset": record.space.preset,
        "objective": ", ".join(record.objectives),
        "command": command_without_secrets(origin.command),
        "storage": without_secrets(origin.storage),
        "data set": record.data.name,
        "data fingerprint": record.data.fingerprint,
        "training images": _shape(record.data.shapes.get("train_images")),
        "test images": _shape(record.data.shapes.get("test_images")),
        "sampler": f"{strategy.sampler}, seed {strategy.seed}",
        "pruner": strategy.pruner,
        "training seed": fixed.get("seed"),
        "seed of the validation split": fixed.get("split_seed"),
        "resume after a restart": record.resume_check,
        "computed on": _pairs({k: setting(v) for k, v in asdict(record.execution).items()}),
        "versions": _pairs(origin.versions),
        "Python": origin.python,
        "machine": origin.machine,
    }


def _times(data: StudyData) -> dict[str, str | None]:
    starts, ends = data.trials["start"].dropna(), data.trials["end"].dropna()
    return {
        "first trial began": None if starts.empty else f"{starts.min():%Y-%m-%d %H:%M:%S}",
        "last trial ended": None if ends.empty else f"{ends.max():%Y-%m-%d %H:%M:%S}",
    }


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _shape(shape: Any) -> str | None:
    return None if not shape else f"{shape[0]:,} of {' × '.join(map(str, shape[1:]))}"
