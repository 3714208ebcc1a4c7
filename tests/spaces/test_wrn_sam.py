"""The space of report E against its table, written out once more."""

from __future__ import annotations

import pytest

from spaces import named_space
from spaces.space import Reference
from trainers.config import TrainConfig, option_names

REPORT_E = {
    # model
    "model": "wide_resnet",
    "depth": 34,
    "width": 10,
    "dropout": 0.0,
    # data
    "augment": "crop_flip_cutout",
    "crop_padding": 4,
    "cutout_size": 16,
    "cutout_probability": 0.5,
    "normalize": "computed",
    # loss
    "loss": "smoothed_kl",
    "label_smoothing": 0.1,
    # optimiser
    "optimizer": "sam",
    "rho": 0.1,
    "adaptive": False,
    "lr": 0.1,
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 5e-4,
    "batch_size": 128,
    "lr_base_batch": 0,
    "weight_decay_per_image": False,
    # schedule
    "schedule": "piecewise",
    "milestones": (0.2, 0.5, 0.7, 0.85),
    "decay_factor": 0.2,
    # training
    "epochs": 200,
    "seed": 17,
    "early_stopping": 0,
}

SPACE = named_space("wrn_sam")


@pytest.mark.parametrize("name", REPORT_E)
def test_the_baseline_is_the_reports(name: str) -> None:
    config = TrainConfig.from_mapping(SPACE.at("full").baseline)
    assert getattr(config, name) == REPORT_E[name]


def test_full_is_the_reports_scale() -> None:
    full = SPACE.at("full")
    assert full.preset.dataset == "cifar100"
    assert full.baseline == {"objective": "val_top1", **SPACE.baseline}


def test_what_varies() -> None:
    varying = {parameter.name for parameter in SPACE.parameters}
    assert varying == {"batch_size", "lr", "weight_decay", "rho", "dropout", "depth", "width"}
    assert varying <= set(option_names())


@pytest.mark.parametrize("preset", ["quick", "full"])
def test_the_baseline_and_both_ends_make_a_configuration(preset: str) -> None:
    scaled = SPACE.at(preset)
    assert scaled.baseline_params() == {p.name: scaled.baseline[p.name] for p in scaled.parameters}
    for end in (0, -1):
        values = {p.name: p.grid()[end] for p in scaled.parameters}
        TrainConfig.from_mapping({**scaled.baseline, **values})
        assert scaled.broken_constraint(values) is None


@pytest.mark.parametrize(
    ("preset", "depths"), [("full", (10, 16, 22, 28, 34, 40)), ("quick", (10, 16))]
)
def test_all_depths_offered_make_three_equal_groups(preset: str, depths: tuple[int, ...]) -> None:
    (depth,) = [p for p in SPACE.at(preset).parameters if p.name == "depth"]
    assert tuple(depth.grid()) == depths
    assert all((value - 4) % 6 == 0 for value in depth.grid())


def test_quick_fits_the_embedded_digits() -> None:
    quick = SPACE.at("quick")
    assert quick.preset.dataset == "digits"
    assert quick.baseline["cutout_size"] <= 8
    (batch,) = [p for p in quick.parameters if p.name == "batch_size"]
    assert batch.grid()[-1] <= 1438 * 0.8  # images of the training split


def published(metric: str, **setting: object) -> list[Reference]:
    return [r for r in SPACE.references if r.metric == metric and dict(r.setting) == setting]


@pytest.mark.parametrize(
    ("metric", "value"), [("test_top1", 84.36), ("test_top5", 96.65), ("test_loss", 0.5081)]
)
def test_the_published_figures_of_the_report(metric: str, value: float) -> None:
    (reference,) = published(metric)
    assert reference.value == value
    assert "report E" in reference.source


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ({"augment": "crop_flip"}, 16.5),
        ({"augment": "crop_flip", "optimizer": "sgd"}, 18.8),
        ({}, 14.9),
        ({"optimizer": "sgd"}, 16.9),
    ],
)
def test_the_figures_of_the_sam_paper(setting: dict[str, str], error: float) -> None:
    (reference,) = published("test_error", depth=28, **setting)
    assert reference.value == error
    assert "Foret" in reference.source


def test_there_are_no_other_references() -> None:
    assert len(SPACE.references) == 7
