"""The one configuration class of this package's trainer: everything that decides what a trial
learns; and what tells its settings from those of a training function of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from trainers.custom.loop_config import TRAIN, LoopConfig
from trainers.metrics import DEFAULT_OBJECTIVE, Selecting
from trainers.models import MODELS
from trainers.models.external import is_outside
from trainers.registry import (
    AUGMENTATIONS,
    LOSSES,
    NORMALIZATIONS,
    OPTIMIZERS,
    POLICIES,
    SCHEDULES,
)
from trainers.validators import (
    Choice,
    ConfigError,
    Flag,
    Fractions,
    Integer,
    Number,
    Options,
    Rule,
    suggest,
)


def _option(default: Any, rule: Rule, help: str) -> Any:
    return field(default=default, metadata={"rule": rule, "help": help, "table": {}})


def _choice(default: str, table: Mapping[str, Any], help: str) -> Any:
    rule = Choice(tuple(table))
    return field(default=default, metadata={"rule": rule, "help": help, "table": table})


@dataclass(frozen=True)
class ModelName:
    """The rule of ``model``: a name of the table, or one that names a library's model or a
    file's."""

    def check(self, name: str, value: Any) -> str:
        if isinstance(value, str) and is_outside(value):
            return value
        known: str = Choice(tuple(MODELS)).check(name, value)
        return known


@dataclass(frozen=True)
class TrainConfig:
    """One setting of everything that may change what is learned.

    A trial is a pure function of this, of the data and of ``Execution`` (which holds what
    changes speed and rounding only). Raises ``ConfigError`` with value and rule.
    """

    model: str = field(
        default="wide_resnet",
        metadata={
            "rule": ModelName(),
            "help": "network; also torchvision:NAME, timm:NAME, FILE.py:NAME",
            "table": MODELS,
        },
    )
    model_options: tuple[tuple[str, Any], ...] = _option(
        (), Options(), "keyword arguments of a library's model or a file's"
    )
    depth: int = _option(34, Integer(1, 1000), "layers, where the model has a choice")
    width: int = _option(10, Integer(1, 16), "multiplier of the channels, where there is a choice")
    dropout: float = _option(0.0, Number(0, 1, open_high=True), "probability of dropping a unit")
    batch_norm: bool = _option(True, Flag(), "normalise activations, where there is a choice")
    residual: bool = _option(True, Flag(), "residual connections, where there is a choice")

    batch_size: int = _option(128, Integer(1), "images a step")
    epochs: int = _option(200, Integer(1), "passes over the training split")
    optimizer: str = _choice("sgd", OPTIMIZERS, "update rule")
    lr: float = _option(0.1, Number(0, open_low=True), "learning rate at the start")
    lr_base_batch: int = _option(
        0, Integer(0), "lr is for this batch size, scaled linearly; 0: off"
    )
    momentum: float = _option(0.9, Number(0, 1, open_high=True), "of SGD")
    nesterov: bool = _option(False, Flag(), "Nesterov's momentum")
    beta1: float = _option(0.9, Number(0, 1, open_high=True), "AdamW: of the mean gradient")
    beta2: float = _option(0.999, Number(0, 1, open_high=True), "AdamW: of the mean square")
    weight_decay: float = _option(
        5e-4, Number(0), "L2 penalty, added to the gradient; AdamW: apart from it"
    )
    weight_decay_per_image: bool = _option(False, Flag(), "multiply weight_decay by batch_size")
    clip_norm: float = _option(0.0, Number(0), "longest gradient that is taken; 0: any")
    ema_decay: float = _option(
        0.0, Number(0, 1, open_high=True), "of the mean of weights that is evaluated; 0: off"
    )
    rho: float = _option(0.05, Number(0), "SAM: radius of the perturbation")
    adaptive: bool = _option(False, Flag(), "SAM: scale the perturbation by the squared weights")

    schedule: str = _choice("constant", SCHEDULES, "learning rate over epochs")
    warmup_epochs: float = _option(
        0.0, Number(0), "epochs in which the rate rises from 0, whatever the schedule"
    )
    pct_start: float = _option(
        0.3, Number(0, 1, open_low=True, open_high=True), "one_cycle: share that rises"
    )
    milestones: tuple[float, ...] = _option(
        (0.2, 0.5, 0.7, 0.85), Fractions(), "piecewise: progress at which the rate drops"
    )
    decay_factor: float = _option(
        0.2, Number(0, 1, open_low=True, open_high=True), "piecewise, plateau: factor of a drop"
    )
    plateau_metric: str = _option("val_loss", Selecting(), "plateau: metric that is watched")
    plateau_patience: int = _option(10, Integer(0), "plateau: epochs without a better metric")
    min_lr: float = _option(0.0, Number(0), "plateau: the rate never falls below")
    objective: str = _option(
        DEFAULT_OBJECTIVE, Selecting(), "metric that chooses the best epoch and the best trial"
    )
    early_stopping: int = _option(0, Integer(0), "epochs without a better objective; 0: off")

    loss: str = _choice("cross_entropy", LOSSES, "what is minimised")
    label_smoothing: float = _option(0.0, Number(0, 1, open_high=True), "label-smoothing factor")
    augment: str = _choice("none", AUGMENTATIONS, "of the training images")
    crop_padding: int = _option(4, Integer(1), "crop: pixels of black border")
    cutout_size: int = _option(16, Integer(1), "cutout: side of the square, in pixels")
    cutout_probability: float = _option(0.5, Number(0, 1), "cutout: share of images")
    policy: str = _choice("none", POLICIES, "random changes of each training image")
    num_ops: int = _option(2, Integer(1), "randaugment: changes of an image")
    magnitude: int = _option(9, Integer(0, 30), "randaugment: how strong they are")
    mixup: float = _option(0.0, Number(0), "mixup: α of the Beta distribution; 0: off")
    cutmix: float = _option(
        0.0,
        Number(0),
        "CutMix: α of the Beta distribution; 0: off; with mixup: half of the batches",
    )
    normalize: str = _choice("computed", NORMALIZATIONS, "mean and std of the pixels")

    val_fraction: float = _option(
        0.1, Number(0, 0.5, open_low=True), "share of the training images kept for validation"
    )
    split_seed: int = _option(0, Integer(0), "seed of the validation split")
    seed: int = _option(0, Integer(0), "seed of weights, order, augmentation and dropout")

    def __post_init__(self) -> None:
        for item in fields(self):
            value = item.metadata["rule"].check(item.name, getattr(self, item.name))
            object.__setattr__(self, item.name, value)
        if self.model in MODELS:
            MODELS[self.model].check(vars(self))
            if self.model_options:
                raise ConfigError(
                    f"model_options must be left out with model={self.model}, which has options of "
                    f"its own, got {dict(self.model_options)!r}"
                )
        if self.optimizer == "sam" and self.nesterov:
            raise ConfigError("nesterov must be false with optimizer=sam, got True")
        if self.warmup_epochs > self.epochs:
            raise ConfigError(
                f"warmup_epochs must be at most epochs, {self.epochs}, got {self.warmup_epochs:g}"
            )
        if self.nesterov and self.momentum == 0:
            raise ConfigError("nesterov must be false with momentum=0, got True")

    @property
    def initial_lr(self) -> float:
        """The rate of the first step, after linear scaling with the batch size."""
        if self.lr_base_batch == 0:
            return self.lr
        return self.lr * self.batch_size / self.lr_base_batch

    @property
    def effective_weight_decay(self) -> float:
        """The decay that the optimiser gets; report C ties it to the batch size."""
        return self.weight_decay * (self.batch_size if self.weight_decay_per_image else 1)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Return a configuration from a plain mapping; unknown names are refused."""
        known = option_names()
        for name in values:
            if name not in known:
                raise ConfigError(
                    f"unknown hyperparameter {name!r}{suggest(name, known)} "
                    f"(known: {', '.join(known)})"
                )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plain = {"milestones": list(self.milestones), "model_options": dict(self.model_options)}
        return {**asdict(self), **plain}


def option_names() -> tuple[str, ...]:
    """Return all names that a configuration has, in order."""
    return tuple(item.name for item in fields(TrainConfig))


def option_help(config: TrainConfig) -> dict[str, str]:
    """Return what each option means, in a few words, and what its choice in ``config`` is."""
    meanings = {}
    for item in fields(config):
        chosen = item.metadata["table"].get(getattr(config, item.name))
        help = item.metadata["help"]
        meanings[item.name] = f"{help}: {chosen.help}" if chosen else help
    return meanings


Config = TrainConfig | LoopConfig


def trainer_config(config: Config) -> TrainConfig:
    """Return ``config``, which is of this package's trainer: no other comes here."""
    assert isinstance(config, TrainConfig), config
    return config


def config_from_mapping(values: Mapping[str, Any]) -> Config:
    """Return the configuration that ``values`` ask for. Raises ``ConfigError``."""
    if TRAIN in values:
        return LoopConfig.from_mapping(values)
    return TrainConfig.from_mapping(values)
