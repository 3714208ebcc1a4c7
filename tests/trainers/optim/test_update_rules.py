"""Update rules step by step against ``torch.optim``: the same weights bit for bit."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from trainers.optim.update_rules import SGD, AdamW

RULES: list[tuple[Any, Any, dict[str, Any], dict[str, Any]]] = [  # ours, torch's, their options
    *(
        (SGD, torch.optim.SGD, options, options)
        for options in (
            {},
            {"momentum": 0.9},
            {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
            {"weight_decay": 0.1},
        )
    ),
    (AdamW, torch.optim.AdamW, {}, {"weight_decay": 0}),
    (
        AdamW,
        torch.optim.AdamW,
        {"beta1": 0.5, "beta2": 0.9, "weight_decay": 0.1},
        {"betas": (0.5, 0.9), "weight_decay": 0.1},
    ),
]


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(288, 4))
    return layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def step(model: nn.Module, rule: Any, seed: int) -> None:
    rule.zero_grad()
    images = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    model(images).square().sum().backward()
    rule.step()


def same(some: nn.Module, other: nn.Module) -> bool:
    pairs = zip(some.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(("ours", "torchs", "options", "torch_options"), RULES)
def test_steps_are_those_of_torch(ours: Any, torchs: Any, options: Any, torch_options: Any) -> None:
    model, other = network(), network()
    rule = ours(model.parameters(), 0.1, **options)
    torch_rule = torchs(other.parameters(), 0.1, fused=True, **torch_options)
    for number in range(4):
        rule.lr = torch_rule.param_groups[0]["lr"] = 0.1 / (number + 1)
        step(model, rule, number)
        step(other, torch_rule, number)
        assert same(model, other), number


@pytest.mark.parametrize(("kind", "options"), [(SGD, {"momentum": 0.9}), (AdamW, {})])
@pytest.mark.parametrize("steps", [0, 1])
def test_resumes_from_its_state(kind: Any, options: dict[str, float], steps: int) -> None:
    model = network()
    rule = kind(model.parameters(), 0.1, **options)
    for number in range(steps):
        step(model, rule, number)
    resumed = copy.deepcopy(model)
    other = kind(resumed.parameters(), 0.1, **options)
    other.load_state_dict(copy.deepcopy(rule.state_dict()))
    step(model, rule, 9)
    step(resumed, other, 9)
    assert same(model, resumed)


@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_a_parameter_without_a_gradient_is_left_alone(kind: Any) -> None:
    model, unused = network(), nn.Parameter(torch.ones(2))
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    step(model, kind([*model.parameters(), unused], 0.1, weight_decay=0.1), 0)
    assert torch.equal(model[0].weight, before)
    assert unused.tolist() == [1, 1]
    assert not torch.equal(model[3].weight, network()[3].weight)


TRAIN = """
import sys, tempfile
from pathlib import Path
from trainers.config import TrainConfig
from trainers.execution import Execution
from trainers.runs.training_run import TrainingRun
config = TrainConfig(model="wide_resnet", depth=10, width=1, batch_size=40, epochs=1,
                     optimizer="sam", augment="crop_flip_cutout", crop_padding=1, cutout_size=4)
run = TrainingRun(config, Path(sys.argv[1]), Execution(), Path(tempfile.mkdtemp()))
list(run.results()), run.usage(), run.test()
print("torch._dynamo" in sys.modules)
"""


def test_a_whole_run_never_imports_torchs_compiler(digits_folder: Path) -> None:
    command = [sys.executable, "-c", TRAIN, str(digits_folder)]
    assert subprocess.check_output(command, text=True) == "False\n"
