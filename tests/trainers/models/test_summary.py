"""Shapes, parameters and multiply-accumulates against hand counts and the reports' prints."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainers.models import build_model
from trainers.models.summary import ModelSummary, summarize


def summary_of(name: str, batch_size: int = 100, **options: int) -> ModelSummary:
    with torch.device("meta"):
        model = build_model({"model": name, **options}, 10, 3, 32)
    return summarize(model, 3, 32, batch_size)


def child_shapes(summary: ModelSummary) -> tuple[tuple[int, ...], ...]:
    return tuple(shape for _, shape in summary.children)


def test_shapes_that_report_b_prints_for_its_small_cnn() -> None:
    summary = summary_of("lenet")
    assert (summary.input_shape, *child_shapes(summary)) == (
        (100, 3, 32, 32),
        (100, 6, 14, 14),
        (100, 16, 5, 5),
        (100, 400),
        (100, 120),
        (100, 84),
        (100, 10),
    )


def test_shapes_that_report_b_prints_for_its_resnet9() -> None:
    assert child_shapes(summary_of("resnet9")) == (
        (100, 64, 32, 32),
        (100, 128, 16, 16),
        (100, 256, 8, 8),
        (100, 512, 4, 4),
        (100, 512, 1, 1),
        (100, 10),
    )


def test_lenet_by_hand() -> None:
    convolutions = 28 * 28 * 6 * (3 * 25) + 10 * 10 * 16 * (6 * 25)
    linear = 400 * 120 + 120 * 84 + 84 * 10
    summary = summary_of("lenet")
    assert summary.macs == convolutions + linear == 651_720
    assert summary.macs_with_norm_and_pool == summary.macs
    assert summary.parameters == 62_006
    first = summary.rows[0]
    assert (first.type, first.output_shape) == ("Conv2d", (100, 6, 28, 28))
    assert (first.parameters, first.macs) == (456, 28 * 28 * 6 * 75)


def bottleneck_stage(blocks: int, a: int, c: int, side_in: int, side: int) -> tuple[int, int]:
    """Multiply-accumulates, and elements that pass BatchNorm, of one stage of ResNet-50."""
    positions_in, positions = side_in**2, side**2
    first = positions_in * a * c + positions * (9 * c * c + c * 4 * c + a * 4 * c)
    other = positions * (4 * c * c + 9 * c * c + c * 4 * c)
    first_norms = positions_in * c + positions * (c + 4 * c + 4 * c)
    other_norms = positions * (c + c + 4 * c)
    return first + (blocks - 1) * other, first_norms + (blocks - 1) * other_norms


def test_resnet50_by_hand_and_as_report_a_counts() -> None:
    stages = [
        bottleneck_stage(3, 64, 64, 32, 32),
        bottleneck_stage(4, 256, 128, 32, 16),
        bottleneck_stage(6, 512, 256, 16, 8),
        bottleneck_stage(3, 1024, 512, 8, 4),
    ]
    macs = 32 * 32 * 3 * 64 * 9 + sum(stage[0] for stage in stages) + 2048 * 10
    norms = 32 * 32 * 64 + sum(stage[1] for stage in stages)
    summary = summary_of("resnet", depth=50)
    assert summary.macs == macs == 1_297_829_888
    assert summary.macs_with_norm_and_pool == macs + 4 * norms + 2048 * (16 + 1)
    assert round(summary.macs_with_norm_and_pool / 1e9, 3) == 1.312
    assert 1 - summary.macs / 1.312e9 == pytest.approx(0.01, abs=0.002)
    assert summary.parameters == 23_520_842


def test_rows_cover_all_parameters_in_order_of_execution() -> None:
    summary = summary_of("resnet9")
    assert sum(row.parameters for row in summary.rows) == summary.parameters
    assert summary.rows[0].name.startswith("stem")
    assert summary.rows[-1].type == "Linear"


def test_model_and_random_state_stay_as_they_were() -> None:
    model = build_model({"model": "resnet9"}, 10, 3, 32)
    model.train()
    model.get_submodule("stem").eval()
    modes = [module.training for module in model.modules()]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random_state = torch.get_rng_state()
    assert summarize(model, 3, 32) == summarize(model, 3, 32)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_mode_comes_back_when_the_model_fails() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3)).train()
    with pytest.raises(RuntimeError, match="channel"):
        summarize(model, 1, 8)
    assert all(module.training for module in model.modules())
    assert len(summarize(model, 3, 8).rows) == 1
