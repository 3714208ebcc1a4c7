"""A space: a baseline, what may vary, which combinations make sense, and what was published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from spaces.kinds import wrong_kind
from spaces.params import Parameter, SpaceError, as_python

PRESETS = ("quick", "full")


@dataclass(frozen=True)
class Constraint:
    """A rule over several values at once: ``holds`` gets all of them by name."""

    description: str
    holds: Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Reference:
    """A published figure: ``metric`` as studies name it, such as ``test_top1`` (in %).

    ``setting`` holds the values it belongs to where they differ from the baseline; ``source`` says
    which report, and what else is to be known of the figure.
    """

    metric: str
    value: float
    source: str
    setting: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Preset:
    """How much to spend: baseline values and parameters that replace the space's own.

    ``dataset`` is "" where a function of the user's own trains, on whatever it likes.
    ``minutes`` > 0: where trials pause, as many epochs as that takes on the machine at hand,
    re-evaluation included, and not ``n_trials``, unless a budget is asked for.
    ``lr_range_steps`` > 0: a learning-rate range test over so many mini-batches comes first. After
    the search the best ``confirm`` settings are trained again, and the chosen one and the baseline
    judged by ``confirm_seeds`` seeds; 0 settings for none.
    """

    dataset: str = ""
    n_trials: int = 30
    baseline: Mapping[str, Any] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    sampler: str = "tpe"
    pruner: str = "promotion"
    lr_range_steps: int = 0
    minutes: float = 0
    confirm: int = 3
    confirm_seeds: int = 5

    def __post_init__(self) -> None:
        _check_kinds(self, "a preset's ")


@dataclass(frozen=True)
class Space:
    """What a search is about.

    ``baseline`` is the report's own setting, complete in what differs from the trainer's defaults;
    it becomes trial 0. Each of ``parameters`` varies one of the baseline's values. ``objective``
    is the metric that the search optimises and that chooses a trial's best epoch, as the trainer
    names it. ``train`` names a function of the user's own that trains a setting, "module:function"
    of a module beside the space's file; such a space needs no presets. Raises ``SpaceError`` where
    these do not fit together.
    """

    name: str
    title: str = ""
    source: str = ""
    baseline: Mapping[str, Any] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    presets: Mapping[str, Preset] = field(default_factory=dict)
    references: tuple[Reference, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    objective: str = "val_top1"
    train: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.train, str):
            raise SpaceError(
                "train must be a text, module:function, of a file that every worker can import, "
                f"got {self.train!r:.80}; write the function to a file, also where it is a "
                "notebook's"
            )
        _check_kinds(self, "a space's ")
        if self.train and not self.presets:
            object.__setattr__(self, "presets", {"full": Preset()})
        names = [parameter.name for parameter in self.parameters]
        for name in names:
            if names.count(name) > 1:
                raise SpaceError(f"space {self.name!r} has two parameters named {name!r}")
        for preset in self.presets if self.train else PRESETS:
            if preset not in self.presets:
                raise SpaceError(f"space {self.name!r} must have a preset {preset!r}")
            if not (self.train or self.presets[preset].dataset):
                raise SpaceError(f"space {self.name!r}: preset {preset!r} must name a dataset")
            self.at(preset)

    @property
    def dataset(self) -> str:
        """The data set that ``references`` belong to: the full preset's."""
        full = self.presets.get("full")
        return full.dataset if full else ""

    def at(self, preset_name: str) -> ResolvedSpace:
        """Return this space with the replacements of one preset; checked."""
        preset = self.presets[preset_name]
        replaced = {parameter.name: parameter for parameter in preset.parameters}
        names = [parameter.name for parameter in self.parameters]
        for name in replaced:
            if name not in names:
                raise SpaceError(f"preset {preset_name!r} replaces {name!r}, which does not vary")
        parameters = tuple(replaced.get(p.name, p) for p in self.parameters)
        function = {"train": self.train} if self.train else {}
        baseline = {"objective": self.objective, **function, **self.baseline, **preset.baseline}
        return ResolvedSpace(self, preset_name, baseline, _settled(parameters, baseline))


@dataclass(frozen=True)
class ResolvedSpace:
    """A space at one preset's scale: what is fixed, what varies, and how much is spent.

    The baseline must have a value inside every parameter, of those that were ``narrowed`` inside
    the space's own interval, and keep every constraint. A parameter
    that exists only with a value of another comes after it.
    """

    definition: Space
    preset_name: str
    baseline: Mapping[str, Any]
    parameters: tuple[Parameter, ...]
    narrowed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        before: dict[str, Parameter] = {}
        for parameter in self.parameters:
            if parameter.name not in self.baseline:
                raise SpaceError(f"the baseline must have a value for {parameter.name!r}")
            if parameter.name not in self.narrowed:
                parameter.check(self.baseline[parameter.name])
            _check_conditions(parameter, before)
            before[parameter.name] = parameter
        broken = self.broken_constraint({})
        if broken:
            raise SpaceError(f"the baseline breaks a constraint: {broken}")

    @property
    def preset(self) -> Preset:
        return self.definition.presets[self.preset_name]

    def fix(self, values: Mapping[str, Any]) -> ResolvedSpace:
        """Return the space with ``values`` in the baseline; what is fixed no longer varies."""
        baseline = {**self.baseline, **values}
        left = tuple(p for p in self.parameters if p.name not in values)
        return replace(self, baseline=baseline, parameters=_settled(left, baseline))

    def narrow(self, ranges: Mapping[str, tuple[float, float]]) -> ResolvedSpace:
        """Return the space with each of ``ranges``, (low, high) by name, in place of its
        parameter's interval, of which it must be a part. The baseline's own value may lie outside:
        it is trial 0's, and no other's. Raises ``SpaceError``."""
        names = [parameter.name for parameter in self.parameters]
        for name in ranges:
            if name not in names:
                raise SpaceError(f"{name!r} does not vary here (varies: {', '.join(names)})")
        parameters = tuple(
            p.narrow(*ranges[p.name]) if p.name in ranges else p for p in self.parameters
        )
        return replace(self, parameters=parameters, narrowed=self.narrowed | ranges.keys())

    def check(self, name: str, value: Any) -> None:
        """Raises ``SpaceError`` unless a trial may have ``value``: inside what varies, or the
        baseline's own."""
        found = {parameter.name: parameter for parameter in self.parameters}
        if name not in found:
            raise SpaceError(f"{name!r} does not vary in this space")
        if name not in self.narrowed or value != self.baseline[name]:
            found[name].check(value)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Return whether every one of ``values`` that varies lies inside its parameter."""
        try:
            for parameter in self.parameters:
                if parameter.name in values:
                    parameter.check(values[parameter.name])
        except SpaceError:
            return False
        return True

    def active(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of ``values`` whose parameters exist beside the others."""
        found: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.name in values and parameter.exists(found):
                found[parameter.name] = values[parameter.name]
        return found

    def is_complete(self, values: Mapping[str, Any]) -> bool:
        """Return whether every parameter that exists beside ``values`` has one."""
        found = self.active(values)
        return all(p.name in found or not p.exists(found) for p in self.parameters)

    def baseline_params(self) -> dict[str, Any]:
        """Return the baseline's own values of what varies: trial 0."""
        return self.active(self.baseline)

    def setting(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is fixed, and ``values``: one trial. A parameter that does not exist is left
        out."""
        names = {parameter.name for parameter in self.parameters}
        return {**{k: v for k, v in self.baseline.items() if k not in names}, **values}

    def broken_constraint(self, values: Mapping[str, Any]) -> str | None:
        """Return the description of the first constraint that baseline and ``values`` break; a
        parameter that does not exist has the baseline's value there."""
        merged = {**self.baseline, **values}
        for constraint in self.definition.constraints:
            try:
                if not constraint.holds(merged):
                    return constraint.description
            except Exception as error:  # a user's own code
                raise SpaceError(
                    f"constraint {constraint.description!r} cannot be checked with {values!r}: "
                    f"{type(error).__name__}: {error}"
                ) from error
        return None


def _check_kinds(made: Space | Preset, whose: str) -> None:
    """Raises ``SpaceError`` unless every field is of its declared type; numbers of numpy's among
    the baseline's values become Python's own."""
    if fault := wrong_kind(type(made), vars(made)):
        raise SpaceError(whose + fault)
    baseline = {name: as_python(value) for name, value in made.baseline.items()}
    object.__setattr__(made, "baseline", baseline)


def _settled(
    parameters: tuple[Parameter, ...], baseline: Mapping[str, Any]
) -> tuple[Parameter, ...]:
    """Return ``parameters`` whose conditions on what is fixed hold, without those conditions."""
    names = {parameter.name for parameter in parameters}
    gone: set[str] = set()
    left = []
    for parameter in parameters:
        unknown = parameter.condition.keys() - names - baseline.keys()
        if unknown:
            raise SpaceError(
                f"{parameter.name}: condition names {min(unknown)!r}, which the baseline has not"
            )
        fixed = {k: v for k, v in parameter.condition.items() if k not in names}
        if parameter.condition.keys() & gone or not replace(parameter, condition=fixed).exists(
            baseline
        ):
            gone.add(parameter.name)
        else:
            still = {k: v for k, v in parameter.condition.items() if k in names}
            left.append(replace(parameter, condition=still))
    return tuple(left)


def _check_conditions(parameter: Parameter, before: Mapping[str, Parameter]) -> None:
    for name, values in parameter.conditions.items():
        if name not in before:
            raise SpaceError(f"{parameter.name} exists only with {name}, so it must come after it")
        for value in values:
            before[name].check(value)
