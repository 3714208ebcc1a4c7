"""The tables of choices. Importing one does not import what its entries name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from trainers.validators import Rule


@dataclass(frozen=True)
class Entry:
    """One implementation: ``path`` is ``module:name``, imported when it is first needed.

    ``options`` are those of the configuration that it takes by keyword; ``rules`` are for those
    whose values must be fewer than the configuration allows.
    """

    path: str
    help: str
    options: tuple[str, ...] = ()
    rules: Mapping[str, Rule] = field(default_factory=dict)

    def check(self, config: Mapping[str, Any]) -> None:
        """Raises ``ConfigError`` where a value of ``config`` breaks a rule of this entry's own."""
        for name, rule in self.rules.items():
            rule.check(name, config[name])

    def load(self) -> Any:
        """Return the function or class itself."""
        module, name = self.path.split(":")
        return getattr(import_module(module), name)

    def keywords(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options that it takes, with their values."""
        return {name: config[name] for name in self.options}


@dataclass(frozen=True)
class Optimizer:
    """An update rule and, if it is to see another gradient, what wraps its step."""

    rule: Entry
    wrapper: Entry | None = None

    @property
    def help(self) -> str:
        return f"{self.wrapper.help} over {self.rule.help}" if self.wrapper else self.rule.help


@dataclass(frozen=True)
class Schedule(Entry):
    """A learning rate over the training; ``by_step``: it may change with every step."""

    by_step: bool = False


@dataclass(frozen=True)
class Augmentation:
    """An augmentation: which of the whole-batch changes take part."""

    help: str
    crop: bool = False
    flip: bool = False
    cutout: bool = False


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of pixels in [0, 1]: one for each channel, one for all, or none
    where the training images are to give them."""

    help: str
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def fits(self, channels: int) -> bool:
        return len(self.mean) in (0, 1, channels)


_SGD = Entry("trainers.optim.update_rules:SGD", "SGD with momentum", ("momentum", "nesterov"))
_SAM = Entry("trainers.optim.sam:SAM", "SAM (Foret et al. 2021)", ("rho", "adaptive"))
_ADAMW = Entry(
    "trainers.optim.update_rules:AdamW", "AdamW (Loshchilov and Hutter 2019)", ("beta1", "beta2")
)

OPTIMIZERS: Mapping[str, Optimizer] = {
    "sgd": Optimizer(_SGD),
    "sam": Optimizer(_SGD, _SAM),  # report E
    "adamw": Optimizer(_ADAMW),
    "sam_adamw": Optimizer(_ADAMW, _SAM),
}

SCHEDULES: Mapping[str, Schedule] = {
    "constant": Schedule("trainers.optim.schedules:constant", "the same in all epochs"),
    "cosine": Schedule("trainers.optim.schedules:cosine", "half a cosine wave, down to 0"),
    "piecewise": Schedule("trainers.optim.schedules:piecewise", "dropped at the milestones"),
    "plateau": Schedule("trainers.optim.schedules:plateau", "dropped where nothing gets better"),
    "one_cycle": Schedule(
        "trainers.optim.schedules:one_cycle", "up to lr and far below it again", by_step=True
    ),
}

LOSSES: Mapping[str, Entry] = {
    "cross_entropy": Entry("trainers.losses:cross_entropy", "torch's", ("label_smoothing",)),
    "smoothed_kl": Entry("trainers.losses:smoothed_kl", "of report E", ("label_smoothing",)),
}

AUGMENTATIONS: Mapping[str, Augmentation] = {
    "none": Augmentation("images as they are"),
    "flip": Augmentation("mirrored or not", flip=True),
    "crop_flip": Augmentation("moved, and mirrored or not", crop=True, flip=True),
    "crop_flip_cutout": Augmentation(
        "and some with a square cut out", crop=True, flip=True, cutout=True
    ),
}

POLICIES: Mapping[str, Entry] = {
    "none": Entry("torch.nn:Identity", "no policy"),
    "randaugment": Entry(
        "torchvision.transforms.v2:RandAugment", "Cubuk et al. 2020", ("num_ops", "magnitude")
    ),
    "trivialaugment": Entry(
        "torchvision.transforms.v2:TrivialAugmentWide", "Müller and Hutter 2021"
    ),
}

NORMALIZATIONS: Mapping[str, Normalization] = {
    "computed": Normalization("of the training images"),
    "half": Normalization("0.5 and 0.5, report C", (0.5,), (0.5,)),
    "cifar10": Normalization(
        "of CIFAR-10, report B", (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
    ),
}
