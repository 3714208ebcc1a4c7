"""The configuration: every option's rule and sentence, round trips, derived values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trainers.config import TrainConfig, option_help, option_names
from trainers.models import MODELS
from trainers.registry import OPTIMIZERS
from trainers.validators import ConfigError

MODEL_NAMES, OPTIMIZER_NAMES = ", ".join(MODELS), ", ".join(OPTIMIZERS)
WHOLE = "must be a whole number at least"

REFUSED = [
    ("model", "lenett", f"must be one of {MODEL_NAMES}, got 'lenett'; did you mean 'lenet'?"),
    ("model_options", "x", "must be values by name, got 'x'"),
    ("depth", 0, "must be in [1, 1000], got 0"),
    ("depth", 1001, "must be in [1, 1000], got 1001"),
    ("width", 0, "must be in [1, 16], got 0"),
    ("width", 17, "must be in [1, 16], got 17"),
    ("dropout", 1.0, "must be in [0, 1), got 1.0"),
    ("dropout", -0.1, "must be in [0, 1), got -0.1"),
    ("batch_norm", 1, "must be true or false, got 1"),
    ("residual", "no", "must be true or false, got 'no'"),
    ("batch_size", 0, "must be at least 1, got 0"),
    ("batch_size", 12.5, f"{WHOLE} 1, got 12.5"),
    ("epochs", 0, "must be at least 1, got 0"),
    (
        "optimizer",
        "adam",
        f"must be one of {OPTIMIZER_NAMES}, got 'adam'; did you mean 'adamw'?",
    ),
    ("lr", 0, "must be above 0, got 0"),
    ("lr", "0.1", "must be a number above 0, got '0.1'"),
    ("lr_base_batch", -1, "must be at least 0, got -1"),
    ("momentum", 1, "must be in [0, 1), got 1"),
    ("nesterov", None, "must be true or false, got None"),
    ("beta1", 1, "must be in [0, 1), got 1"),
    ("beta2", -0.1, "must be in [0, 1), got -0.1"),
    ("weight_decay", -1e-4, "must be at least 0, got -0.0001"),
    ("weight_decay_per_image", 0, "must be true or false, got 0"),
    ("clip_norm", -1, "must be at least 0, got -1"),
    ("ema_decay", 1, "must be in [0, 1), got 1"),
    ("rho", -0.05, "must be at least 0, got -0.05"),
    ("adaptive", 1, "must be true or false, got 1"),
    (
        "schedule",
        "cos",
        "must be one of constant, cosine, piecewise, plateau, one_cycle, got 'cos'; "
        "did you mean 'cosine'?",
    ),
    ("warmup_epochs", -1, "must be at least 0, got -1"),
    ("pct_start", 0, "must be in (0, 1), got 0"),
    ("milestones", 0.5, "must be a list of numbers in (0, 1), got 0.5"),
    ("milestones", (0.5, 0.2), "must rise from one number to the next, got (0.5, 0.2)"),
    ("decay_factor", 0, "must be in (0, 1), got 0"),
    ("decay_factor", 1, "must be in (0, 1), got 1"),
    (
        "plateau_metric",
        "train_loss",
        "must be one of val_top1, val_top5, val_loss, measured on the validation split, "
        "got 'train_loss': what selects no longer measures",
    ),
    ("plateau_patience", -1, "must be at least 0, got -1"),
    ("min_lr", -1, "must be at least 0, got -1"),
    (
        "objective",
        "test_top1",
        "must be one of val_top1, val_top5, val_loss, measured on the validation split, "
        "got 'test_top1': what selects no longer measures",
    ),
    ("early_stopping", 0.5, f"{WHOLE} 0, got 0.5"),
    (
        "loss",
        "crossentropy",
        "must be one of cross_entropy, smoothed_kl, got 'crossentropy'; "
        "did you mean 'cross_entropy'?",
    ),
    ("label_smoothing", 1.0, "must be in [0, 1), got 1.0"),
    (
        "augment",
        "crop",
        "must be one of none, flip, crop_flip, crop_flip_cutout, got 'crop'; "
        "did you mean 'crop_flip'?",
    ),
    ("crop_padding", 0, "must be at least 1, got 0"),
    ("cutout_size", 0, "must be at least 1, got 0"),
    ("cutout_probability", 1.01, "must be in [0, 1], got 1.01"),
    (
        "policy",
        "randaug",
        "must be one of none, randaugment, trivialaugment, got 'randaug'; "
        "did you mean 'randaugment'?",
    ),
    ("num_ops", 0, "must be at least 1, got 0"),
    ("magnitude", 31, "must be in [0, 30], got 31"),
    ("mixup", -0.2, "must be at least 0, got -0.2"),
    ("cutmix", "1", "must be a number at least 0, got '1'"),
    ("normalize", "imagenet", "must be one of computed, half, cifar10, got 'imagenet'"),
    ("val_fraction", 0, "must be in (0, 0.5], got 0"),
    ("val_fraction", 0.6, "must be in (0, 0.5], got 0.6"),
    ("split_seed", -1, "must be at least 0, got -1"),
    ("seed", 1.5, f"{WHOLE} 0, got 1.5"),
]

MODEL_OPTIONS = [
    ("wide_resnet", {"depth": 35}, "depth must be 4 plus a multiple of 6, got 35; try 34 or 40"),
    ("resnet", {"depth": 20}, "depth must be one of 18, 34, 50, 101, 152, got 20"),
    ("cnn200", {"depth": 7}, "depth must be in [3, 6], got 7"),
    ("resnet200", {"depth": 50}, "depth must be one of 10, 18, 26, 30, 34, got 50"),
]


@pytest.mark.parametrize(("name", "value", "sentence"), REFUSED)
def test_refuses_with_one_line(name: str, value: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig(**{name: value})
    assert str(caught.value) == f"{name} {sentence}"


def test_an_unknown_objective_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig(objective="val_los")
    message = "unknown objective 'val_los'; did you mean 'val_loss'? (known: val_top1, val_top5, "
    assert str(caught.value) == message + "val_loss)"


def test_every_option_has_a_refused_value_above_and_a_help() -> None:
    assert {name for name, _, _ in REFUSED} == set(option_names())
    meanings = option_help(TrainConfig(optimizer="sam"))
    assert set(meanings) == set(option_names())
    assert all(meanings.values())
    assert meanings["optimizer"] == "update rule: SAM (Foret et al. 2021) over SGD with momentum"


@pytest.mark.parametrize(("model", "options", "message"), MODEL_OPTIONS)
def test_refuses_what_the_chosen_model_cannot_be(
    model: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig(model=model, **options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"optimizer": "sam", "nesterov": True},
            "nesterov must be false with optimizer=sam, got True",
        ),
        (
            {"momentum": 0.0, "nesterov": True},
            "nesterov must be false with momentum=0, got True",
        ),
        (
            {"warmup_epochs": 5.5, "epochs": 5},
            "warmup_epochs must be at most epochs, 5, got 5.5",
        ),
    ],
)
def test_refuses_pairs_that_do_not_go_together(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig(**values)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "near"), [("batchsize", "batch_size"), ("weight_decai", "weight_decay")]
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig.from_mapping({name: 1})
    known = ", ".join(option_names())
    expected = f"unknown hyperparameter {name!r}; did you mean {near!r}? (known: {known})"
    assert str(caught.value) == expected


def test_comes_back_equal_from_json() -> None:
    config = TrainConfig(
        depth=28, lr=0.025, milestones=[0.25, 0.75], augment="crop_flip", nesterov=True, seed=17
    )
    again = TrainConfig.from_mapping(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert again.milestones == (0.25, 0.75)
    assert tuple(config.to_dict()) == option_names()


def test_whole_floats_become_integers_so_that_equal_settings_are_equal() -> None:
    config = TrainConfig(batch_size=64.0, lr=1)  # type: ignore[arg-type]
    assert config == TrainConfig(batch_size=64, lr=1.0)
    assert config.to_dict()["batch_size"].__class__ is int


def test_the_rate_scales_with_the_batch_only_where_asked() -> None:
    assert TrainConfig(lr=0.1, batch_size=512).initial_lr == 0.1
    assert TrainConfig(lr=0.1, batch_size=512, lr_base_batch=128).initial_lr == pytest.approx(0.4)


def test_weight_decay_of_report_c() -> None:
    config = TrainConfig(batch_size=64, weight_decay=5e-4, weight_decay_per_image=True)
    assert config.effective_weight_decay == pytest.approx(0.032)
    assert TrainConfig(batch_size=64, weight_decay=5e-4).effective_weight_decay == 5e-4
