"""Which published figures a setting is compared with."""

from __future__ import annotations

from typing import Any

import pytest

from search.settings.references import class_figures, plain_figures, references_for
from spaces import named_space
from trainers.config import TrainConfig


def figures(space_name: str, preset: str = "full", dataset: str = "", **settings: Any) -> Any:
    space = named_space(space_name).at(preset).fix(settings)
    dataset = dataset or space.preset.dataset
    return references_for(space, TrainConfig.from_mapping(dict(space.baseline)), dataset)


def test_the_baseline_has_the_reports_headline() -> None:
    found = plain_figures(figures("lenet_batch"))
    assert found["test_top1"] == 53.36
    assert found["wall_seconds"] == 33.66


def test_a_row_of_the_table_has_its_own_figures() -> None:
    found = plain_figures(figures("lenet_batch", batch_size=300))
    assert found["test_top1"] == 40.69
    assert figures("lenet_batch", batch_size=50) == []


def test_tutorial_settings_have_report_cs_classes() -> None:
    tutorial = figures("lenet_epochs", epochs=2, batch_size=4, normalize="half")
    assert plain_figures(tutorial) == {"test_top1": 53}
    assert class_figures(tutorial) == [33, 79, 32, 59, 56, 27, 63, 54, 80, 51]


def test_seed_and_split_leave_the_setting_what_it_is() -> None:
    found = plain_figures(figures("wrn_sam", seed=1, val_fraction=0.02))
    assert found["test_top1"] == 84.36
    errors = plain_figures(figures("wrn_sam", depth=28, optimizer="sgd"))
    assert errors == {"test_error": 16.9}


@pytest.mark.parametrize("settings", [{"lr": 0.3}, {"epochs": 5}, {"augment": "none"}])
def test_another_setting_has_none(settings: dict[str, Any]) -> None:
    assert figures("resnet50_cosine", **settings) == []


def test_another_data_set_has_none() -> None:
    assert figures("lenet_batch", dataset="cifar100") == []
    assert figures("lenet_batch", dataset="my/images") == []


def test_the_quick_preset_has_none() -> None:
    assert figures("lenet_batch", preset="quick") == []
