"""The baselines against the reports, and what varies against the networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from spaces import SPACES, named_space
from spaces.space import PRESETS
from trainers.config import TrainConfig
from trainers.data import SHAPES
from trainers.models import build_model

# Copied from the reports' tables by hand.
A = {
    "model": "resnet",
    "depth": 50,
    "optimizer": "sgd",
    "lr": 0.1,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "batch_size": 256,
    "loss": "cross_entropy",
    "schedule": "cosine",
    "epochs": 200,
    "augment": "crop_flip",
    "crop_padding": 4,
}
B = {
    "batch_size": 100,
    "optimizer": "sgd",
    "lr": 0.001,
    "momentum": 0.9,
    "weight_decay": 0,
    "schedule": "constant",
    "loss": "cross_entropy",
    "augment": "none",
    "normalize": "cifar10",
}
D = {
    "optimizer": "sgd",
    "lr": 0.015,
    "momentum": 0.9,
    "loss": "cross_entropy",
    "schedule": "plateau",
    "plateau_patience": 10,
    "min_lr": 1e-5,
    "decay_factor": 0.1,  # the library's default
    "dropout": 0,
    "batch_norm": True,
}
REPORTS: dict[str, dict[str, Any]] = {
    "resnet50_cosine": A,
    "lenet_batch": {**B, "model": "lenet", "epochs": 10},
    "lenet_epochs": {**B, "model": "lenet", "epochs": 100},
    "resnet9_plain": {**B, "model": "resnet9", "epochs": 20},
    "resnet9_lr_range": {
        "model": "resnet9_pool",
        "batch_size": 64,
        "optimizer": "sgd",
        "lr": 5e-3,
        "momentum": 0.9,
        "schedule": "cosine",
        "epochs": 24,
        "augment": "crop_flip",
        "crop_padding": 4,
        "normalize": "half",
    },
    "cnn200": {**D, "model": "cnn200", "depth": 6, "residual": False, "epochs": 40},
    # the first layer, 2 convolutions in each of 3 + 4 + 4 + 3 blocks, the last layer
    "resnet200": {
        **D,
        "model": "resnet200",
        "depth": 1 + 2 * 14 + 1,
        "residual": True,
        "epochs": 15,
    },
    "wrn_sam": {
        "model": "wide_resnet",
        "depth": 34,
        "width": 10,
        "dropout": 0,
        "optimizer": "sam",
        "rho": 0.1,
        "adaptive": False,
        "lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "batch_size": 128,
        "epochs": 200,
        "seed": 17,
        "label_smoothing": 0.1,
        "loss": "smoothed_kl",
        "augment": "crop_flip_cutout",
        "cutout_size": 16,
        "cutout_probability": 0.5,
        "normalize": "computed",
        "schedule": "piecewise",
        "milestones": (0.2, 0.5, 0.7, 0.85),
        "decay_factor": 0.2,
    },
}


@pytest.mark.parametrize("name", SPACES)
def test_the_full_baseline_is_the_reports(name: str) -> None:
    config = TrainConfig.from_mapping(named_space(name).at("full").baseline)
    assert {key: getattr(config, key) for key in REPORTS[name]} == REPORTS[name]


def test_weight_decay_of_report_c_grows_with_the_batch() -> None:
    baseline = named_space("resnet9_lr_range").at("full").baseline
    assert TrainConfig.from_mapping(baseline).effective_weight_decay == pytest.approx(0.032)
    larger = TrainConfig.from_mapping({**baseline, "batch_size": 128})
    assert larger.effective_weight_decay == pytest.approx(0.064)


def test_the_batch_size_table_is_a_whole_grid() -> None:
    space = named_space("lenet_batch")
    for preset in PRESETS:
        (batch_size,) = space.at(preset).parameters
        assert batch_size.grid() == (100, 200, 300)
        chosen = space.presets[preset]
        assert (chosen.sampler, chosen.pruner, chosen.n_trials) == ("grid", "none", 3)
    assert space.baseline["val_fraction"] <= 0.02  # nothing is selected: the images are to train on


@pytest.mark.parametrize("name", ["cnn200", "resnet200"])
def test_the_parts_of_report_d_can_be_switched(name: str) -> None:
    switches = {item.name: set(item.grid()) for item in named_space(name).at("full").parameters}
    assert switches["dropout"] == {0.0, 0.5}
    assert switches["batch_norm"] == switches["residual"] == {True, False}
    assert switches["schedule"] == {"plateau", "constant"}
    assert len(switches["depth"]) > 1
    assert TrainConfig.from_mapping(named_space(name).baseline).early_stopping > 0


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_value_that_may_vary_makes_a_network_for_the_data(name: str, preset: str) -> None:
    space = named_space(name).at(preset)
    shape = SHAPES[space.preset.dataset]
    settings = [{}] + [{item.name: value} for item in space.parameters for value in ends(item)]
    images = torch.empty(2, shape.channels, shape.side, shape.side, device="meta")
    built = set()
    for setting in settings:
        config = TrainConfig.from_mapping({**space.baseline, **setting})
        network = (config.depth, config.width, config.residual, config.batch_norm, config.dropout)
        if network in built:
            continue
        built.add(network)
        with torch.device("meta"):
            model = build_model(config.to_dict(), shape.classes, shape.channels, shape.side)
            assert model(images).shape == (2, shape.classes), setting


def ends(parameter: Any) -> tuple[Any, ...]:
    """The first and last value of an interval, every choice of a list."""
    values = parameter.grid()
    return values if hasattr(parameter, "choices") else (values[0], values[-1])


@pytest.mark.parametrize("name", SPACES)
def test_a_file_opens_with_its_command_and_both_presets(name: str) -> None:
    text = __import__(SPACES[name], fromlist=["SPACE"]).__doc__
    assert f"python -m search.run --space {name}" in text
    assert "\nquick: " in text
    assert "\nfull: " in text
