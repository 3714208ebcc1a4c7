"""A report's figures, and what they are to be compared with."""

from __future__ import annotations

from spaces.space import Reference, ResolvedSpace
from trainers.config import TrainConfig

# What may differ from a report's setting without making another experiment of it.
_FREE = ("seed", "split_seed", "val_fraction", "objective")


def references_on(space: ResolvedSpace, dataset: str) -> tuple[Reference, ...]:
    """Return the space's references, which belong to one data set; none on another."""
    return space.definition.references if dataset == space.definition.dataset else ()


def references_for(space: ResolvedSpace, config: TrainConfig, dataset: str) -> list[Reference]:
    """Return the references whose own setting is ``config``; none at the quick preset's scale.

    What a reference's setting names beside hyperparameters, such as a class, is left to the
    reader of the list.
    """
    if space.preset_name != "full":
        return []
    return [r for r in references_on(space, dataset) if _is_setting_of(r, space, config)]


def _is_setting_of(reference: Reference, space: ResolvedSpace, config: TrainConfig) -> bool:
    options = config.to_dict()
    named = {key: value for key, value in reference.setting.items() if key in options}
    wanted = TrainConfig.from_mapping({**space.definition.baseline, **named}).to_dict()
    return all(options[key] == wanted[key] for key in options if key not in _FREE)


def plain_figures(references: list[Reference]) -> dict[str, float]:
    """Return metric → value of the references whose setting names hyperparameters alone, the first
    of each."""
    found: dict[str, float] = {}
    names = TrainConfig().to_dict()
    for item in references:
        if all(key in names for key in item.setting):
            found.setdefault(item.metric, item.value)
    return found


def class_figures(references: list[Reference]) -> list[float]:
    """Return the reference accuracies of the classes, in the order of their labels; may be
    empty."""
    return [item.value for item in references if item.metric == "class_top1"]
