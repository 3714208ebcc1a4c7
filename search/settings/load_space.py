"""The space that settings ask for: from the table or a user's file, at its preset, with what is
set in it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from search.autotune import devices
from search.common.errors import UserError, one_line
from search.settings.run_settings import SpaceSettings
from search.settings.setting import known
from spaces import SPACES, named_space
from spaces.params import Categorical, SpaceError
from spaces.space import PRESETS, ResolvedSpace, Space
from trainers.config import config_from_mapping, option_names
from trainers.custom.loop_config import TRAIN
from trainers.models import MODELS
from trainers.models.external import is_outside
from trainers.user_code import names_file, pinned
from trainers.validators import suggest


def load_space(settings: SpaceSettings) -> tuple[ResolvedSpace, str]:
    """Return the space with what is set, and why it has this preset. Raises ``UserError``."""
    definition = find_space(settings.space)
    preset, reason = choose_preset(settings.preset, devices.gpu_count(), tuple(definition.presets))
    return _fixed(settings, definition.at(preset)), reason


def find_space(name_or_path: str | Space) -> Space:
    """Return the named space, or ``SPACE`` of a Python file. The file's code is run, by design. In
    Python it may be the space itself."""
    if isinstance(name_or_path, Space):
        return _with_file(name_or_path, Path())
    if name_or_path in SPACES:
        return named_space(name_or_path)
    path = Path(name_or_path).expanduser()
    if path.suffix == ".py" or path.is_file():
        return _space_of_file(path)
    raise UserError(
        f"unknown space {name_or_path!r}{suggest(name_or_path, SPACES)} "
        f"(known: {', '.join(SPACES)}; or the path of a .py file with a SPACE in it)"
    )


def _space_of_file(path: Path) -> Space:
    if not path.is_file():
        raise UserError(f"no such space file: {path}")
    module = ModuleType(f"user_space_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up by name
    try:
        # Not imported: that would leave a __pycache__ beside the user's file.
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except SpaceError as error:
        raise UserError(f"{path}: {error}") from None
    except (Exception, SystemExit) as error:
        raise UserError(
            f"{path} cannot be run: {type(error).__name__}: {one_line(error)}"
        ) from None
    space = getattr(module, "SPACE", None)
    if not isinstance(space, Space):
        raise UserError(f"{path} must define SPACE as a spaces.space.Space, got {space!r:.60}")
    return _with_file(space, path.parent)


def _with_file(space: Space, folder: Path) -> Space:
    """Return ``space`` whose training function, if it has one, is named by its file."""
    return replace(space, train=_file_of(space.train, folder)) if space.train else space


def _file_of(train: str, folder: Path) -> str:
    """Return ``module:function`` as path/to/module.py:function: beside the space's file, or
    installed."""
    if names_file(train):
        return str(folder / train)
    module, colon, name = train.partition(":")
    if not colon or not name.isidentifier():
        raise UserError(f"train must be of the form module:function, got {train!r}")
    beside = folder.joinpath(*module.split(".")).with_suffix(".py")
    if beside.is_file():
        return f"{beside}:{name}"
    try:
        found = find_spec(module)
    except (ImportError, ValueError):
        found = None
    if found is None or not found.origin or not found.origin.endswith(".py"):
        raise UserError(
            f"train={train!r}: there is no {beside}, nor an installed module {module!r}"
        )
    return f"{found.origin}:{name}"


def choose_preset(asked: str, gpus: int, presets: tuple[str, ...] = PRESETS) -> tuple[str, str]:
    """Return the preset's name, and the sentence that says why and how to get the other."""
    known("preset", asked, ("auto", *presets))
    if len(presets) == 1:
        return presets[0], f"preset {presets[0]}, the only one"
    if asked != "auto":
        return asked, f"preset {asked}, from --preset"
    if gpus:
        return "full", f"preset full: found {gpus} GPU(s); for the small one: --preset quick"
    return "quick", "preset quick: no GPU found; for the report's own scale: --preset full"


def _fixed(asked: SpaceSettings, space: ResolvedSpace) -> ResolvedSpace:
    """Return ``space`` with what --set, --epochs and --objective fix."""
    names = _settable(space)
    for key in asked.set:
        if key not in names:
            raise UserError(
                f"unknown key {key!r} in --set{suggest(key, names)} (known: {', '.join(names)})"
            )
    values = {name: _none_if_meant(space, name, value) for name, value in asked.set.items()}
    for name, value in (("epochs", asked.epochs), ("objective", asked.objective)):
        if value is not None and values.setdefault(name, value) != value:
            raise UserError(f"--{name} {value} and --set {name}={values[name]} disagree")
    if space.definition.train:
        # Its function is the one that its file holds now.
        values[TRAIN] = pinned(str(space.baseline[TRAIN]))
    else:
        space = _with_pinned_models(space)
        if "model" in values:
            values["model"] = pinned(str(values["model"]))
    config_from_mapping({**space.baseline, **values})  # its rules speak before the space's
    space = space.fix(values)
    return space if space.definition.train else space.fix(_without_effect(space))


def _none_if_meant(space: ResolvedSpace, name: str, value: Any) -> Any:
    """Return None for the text "none" where the space knows None there, and no such text."""
    known = [space.baseline.get(name, "")]
    for parameter in space.parameters:
        if parameter.name == name and isinstance(parameter, Categorical):
            known += parameter.choices
    meant = isinstance(value, str) and value.lower() == "none" and None in known
    return None if meant and value not in known else value


def _settable(space: ResolvedSpace) -> tuple[str, ...]:
    """Return the names that --set may give."""
    if not space.definition.train:
        return option_names()
    names = dict.fromkeys((*space.baseline, "seed", "split_seed"))
    return tuple(name for name in names if name != TRAIN)


def _with_pinned_models(space: ResolvedSpace) -> ResolvedSpace:
    """Return ``space`` whose models from files are those that the files hold now."""
    parameters = tuple(
        replace(p, choices=tuple(pinned(str(choice)) for choice in p.choices))
        if p.name == "model" and isinstance(p, Categorical)
        else p
        for p in space.parameters
    )
    model = {"model": pinned(str(space.baseline["model"]))} if "model" in space.baseline else {}
    return replace(space, baseline={**space.baseline, **model}, parameters=parameters)


def _without_effect(space: ResolvedSpace) -> Mapping[str, Any]:
    """Return what varies in ``space`` but is an option of this package's models alone, where
    another's is trained: the baseline's values of it."""
    varies = {parameter.name for parameter in space.parameters}
    if "model" in varies or not is_outside(str(space.baseline.get("model", ""))):
        return {}
    options = {name for entry in MODELS.values() for name in entry.options}
    return {name: space.baseline[name] for name in options & varies}


def refuse_own_loop(space: ResolvedSpace) -> None:
    """Raises ``UserError`` where ``space`` has a training function of its own."""
    if space.definition.train:
        raise UserError(
            f"space {space.definition.name!r} has a training function of its own, which "
            "search.run trains; its baseline alone: search.run with --n-trials 1 --no-confirm"
        )
