"""SGD step by step against ``torch.optim.SGD``: the same weights bit for bit."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from trainers.optim.sgd import SGD

OPTIONS = [
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    {"weight_decay": 0.1},
]


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(288, 4))
    return layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def gradients(model: nn.Module, seed: int) -> None:
    images = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    model(images).square().sum().backward()


def same(some: nn.Module, other: nn.Module) -> bool:
    pairs = zip(some.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("options", OPTIONS)
def test_steps_are_those_of_torch(options: dict) -> None:
    ours, theirs = network(), network()
    our_sgd = SGD(ours.parameters(), 0.1, **options)
    their_sgd = torch.optim.SGD(theirs.parameters(), 0.1, fused=True, **options)
    for step in range(4):
        our_sgd.lr = their_sgd.param_groups[0]["lr"] = 0.1 / (step + 1)
        for model, optimizer in ((ours, our_sgd), (theirs, their_sgd)):
            optimizer.zero_grad()
            gradients(model, step)
            optimizer.step()
        assert same(ours, theirs), step


def test_goes_on_from_its_state() -> None:
    model = network()
    sgd = SGD(model.parameters(), 0.1, momentum=0.9)
    gradients(model, 0)
    sgd.step()
    resumed = copy.deepcopy(model)
    other = SGD(resumed.parameters(), 0.1, momentum=0.9)
    other.load_state_dict(copy.deepcopy(sgd.state_dict()))
    for trained, optimizer in ((model, sgd), (resumed, other)):
        optimizer.zero_grad()
        gradients(trained, 1)
        optimizer.step()
    assert same(model, resumed)


def test_a_state_before_the_first_step_is_a_fresh_start() -> None:
    model = network()
    sgd = SGD(model.parameters(), 0.1, momentum=0.9)
    sgd.load_state_dict(SGD(model.parameters(), 0.1).state_dict())
    gradients(model, 0)
    sgd.step()
    other = network()
    torch_sgd = torch.optim.SGD(other.parameters(), 0.1, momentum=0.9, fused=True)
    gradients(other, 0)
    torch_sgd.step()
    assert same(model, other)


def test_a_parameter_without_a_gradient_is_left_alone() -> None:
    model = network()
    for parameter in model[0].parameters():
        parameter.requires_grad_(False)
    before = model[0].weight.clone()
    sgd = SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    gradients(model, 0)
    sgd.step()
    assert torch.equal(model[0].weight, before)
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


def test_a_whole_run_never_imports_torchs_compiler(digits_folder) -> None:
    command = [sys.executable, "-c", TRAIN, str(digits_folder)]
    assert subprocess.check_output(command, text=True) == "False\n"
