"""The space that a command line asks for: found, at its scale, with what is set in it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from search.autotune import machine
from search.common.errors import UserError
from search.settings.flag_values import known, parse_settings
from search.settings.space_file import find_space
from spaces.params import Categorical, SpaceError
from spaces.space import PRESETS, ResolvedSpace
from trainers.config import option_names
from trainers.configs import config_from_mapping
from trainers.custom.loop_config import TRAIN
from trainers.models import MODELS
from trainers.models.external import is_outside
from trainers.user_code import pinned


def asked_space(args: argparse.Namespace) -> tuple[ResolvedSpace, str]:
    """The space of ``args`` with what is set, and why it has this scale."""
    definition = find_space(args.space)
    preset, reason = choose_preset(args.preset, machine.gpu_count(), tuple(definition.presets))
    return fixed_space(args, definition.at(preset)), reason


def choose_preset(asked: str, gpus: int, presets: tuple[str, ...] = PRESETS) -> tuple[str, str]:
    """The preset's name, and the sentence that says why and how to get the other."""
    known("preset", asked, ("auto", *presets))
    if len(presets) == 1:
        return presets[0], f"preset {presets[0]}, the only one"
    if asked != "auto":
        return asked, f"preset {asked}, as asked"
    if gpus:
        return "full", f"preset full: found {gpus} GPU(s); for the small one: --preset quick"
    return "quick", "preset quick: no GPU found; for the report's own scale: --preset full"


def narrowed_space(
    space: ResolvedSpace, ranges: Mapping[str, tuple[float, float]]
) -> ResolvedSpace:
    """``space`` with the intervals of --range."""
    try:
        return space.narrow(ranges)
    except SpaceError as error:
        raise UserError(f"--range: {error}") from None


def fixed_space(args: argparse.Namespace, space: ResolvedSpace) -> ResolvedSpace:
    """``space`` with what --set, --epochs and --objective fix."""
    settings = parse_settings(args.set, settable(space))
    for name in ("epochs", "objective"):
        value = getattr(args, name)
        if value is not None and settings.setdefault(name, value) != value:
            raise UserError(f"--{name} {value} and --set {name}={settings[name]} disagree")
    if space.definition.train:
        return fixed_loop(space, settings)
    space = with_pinned_models(space)
    if "model" in settings:
        settings["model"] = pinned(str(settings["model"]))
    config_from_mapping({**space.baseline, **settings})  # its rules speak before the space's
    space = space.fix(settings)
    return space.fix(without_effect(space))


def settable(space: ResolvedSpace) -> tuple[str, ...]:
    """What --set may name."""
    if not space.definition.train:
        return option_names()
    names = dict.fromkeys((*space.baseline, "seed", "split_seed"))
    return tuple(name for name in names if name != TRAIN)


def fixed_loop(space: ResolvedSpace, settings: Mapping[str, Any]) -> ResolvedSpace:
    """``space``, trained by a function of the user's own, with ``settings``; its function is the
    one that its file holds now."""
    function = {TRAIN: pinned(str(space.baseline[TRAIN]))}
    config_from_mapping({**space.baseline, **function, **settings})
    return space.fix({**function, **settings})


def refuse_own_loop(space: ResolvedSpace) -> None:
    """Raises ``UserError`` where ``space`` has a training function of its own."""
    if space.definition.train:
        raise UserError(
            f"space {space.definition.name!r} has a training function of its own, which "
            "search.run trains; its baseline alone: search.run with --n-trials 1 --no-confirm"
        )


def with_pinned_models(space: ResolvedSpace) -> ResolvedSpace:
    """``space`` whose models from files are those that the files hold now."""
    parameters = tuple(
        replace(p, choices=tuple(pinned(str(choice)) for choice in p.choices))
        if p.name == "model" and isinstance(p, Categorical)
        else p
        for p in space.parameters
    )
    model = {"model": pinned(str(space.baseline["model"]))} if "model" in space.baseline else {}
    return replace(space, baseline={**space.baseline, **model}, parameters=parameters)


def without_effect(space: ResolvedSpace) -> dict[str, Any]:
    """What varies in ``space`` but is an option of this package's models alone, where another's
    is trained: the baseline's values of it."""
    varies = {parameter.name for parameter in space.parameters}
    if "model" in varies or not is_outside(str(space.baseline.get("model", ""))):
        return {}
    options = {name for entry in MODELS.values() for name in entry.options}
    return {name: space.baseline[name] for name in options & varies}
