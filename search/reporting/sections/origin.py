"""Where the figures come from: command, versions, machine, data, seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search.common.secrets import command_without_secrets, without_secrets
from search.reporting.section import Facts, Section, section
from search.reporting.study_data import StudyData
from search.reporting.texts import missing, setting


def origin(data: StudyData) -> Section | None:
    """Section 7 of the page."""
    fixed = _fixed(data)
    recipe = Facts("What did not vary", fixed) if fixed else None
    return section("origin", "Provenance", [Facts("Study", _study(data)), recipe])


def _study(data: StudyData) -> tuple[tuple[str, str], ...]:
    attributes = data.attributes
    provenance: Mapping[str, Any] = attributes.get("provenance", {})
    search: Mapping[str, Any] = attributes.get("search", {})
    dataset: Mapping[str, Any] = attributes.get("dataset", {})
    execution: Mapping[str, Any] = attributes.get("execution", {})
    identity: Mapping[str, Any] = attributes.get("identity", {})
    recipe: Mapping[str, Any] = identity.get("recipe", {})
    starts = data.trials["start"].dropna()
    ends = data.trials["end"].dropna()
    shapes = dataset.get("shapes", {})
    items = {
        "study": data.name,
        "space": attributes.get("space", {}).get("name"),
        "preset": attributes.get("preset"),
        "command": command_without_secrets(provenance.get("command", "")),
        "storage": without_secrets(search.get("storage", "")),
        "data set": dataset.get("name"),
        "data fingerprint": identity.get("dataset"),
        "training images": _shape(shapes.get("train_images")),
        "test images": _shape(shapes.get("test_images")),
        "sampler": _seeded(search.get("sampler"), search.get("seed")),
        "pruner": search.get("pruner"),
        "trainer's seed": recipe.get("seed"),
        "seed of the validation split": recipe.get("split_seed"),
        "computed on": ", ".join(f"{k} {setting(v)}" for k, v in execution.items()),
        "versions": ", ".join(f"{k} {v}" for k, v in provenance.get("versions", {}).items()),
        "Python": provenance.get("python"),
        "machine": provenance.get("machine"),
        "first trial began": None if starts.empty else f"{starts.min():%Y-%m-%d %H:%M:%S}",
        "last trial ended": None if ends.empty else f"{ends.max():%Y-%m-%d %H:%M:%S}",
    }
    return tuple(
        (name, str(value)) for name, value in items.items() if not missing(value) and value != ""
    )


def _shape(shape: Any) -> str | None:
    return None if not shape else f"{shape[0]:,} of {' × '.join(map(str, shape[1:]))}"


def _seeded(name: Any, seed: Any) -> str | None:
    return None if name is None else f"{name}, seed {seed}"


def _fixed(data: StudyData) -> tuple[tuple[str, str], ...]:
    recipe: Mapping[str, Any] = data.attributes.get("identity", {}).get("recipe", {})
    return tuple((name, setting(value)) for name, value in recipe.items())
