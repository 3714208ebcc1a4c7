"""Models of libraries and of files: adapted to the images, tried, refused in one line."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

from trainers.config import TrainConfig
from trainers.data import ImageData
from trainers.execution import Execution
from trainers.models import build_model
from trainers.models.external import check_outside, is_outside
from trainers.trainer import Trainer
from trainers.user_code import pinned
from trainers.validators import ConfigError

NET = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, num_classes, in_channels, width=4):
        super().__init__(
            nn.Conv2d(in_channels, width, 3), nn.BatchNorm2d(width), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))

def wrong(**shape):
    return Net(shape["num_classes"] + 1, shape["in_channels"])

def fixed():
    return Net(10, 3)

def fails():
    raise RuntimeError("no\\nway")

def no_module(num_classes):
    return num_classes
"""


@pytest.fixture
def net(tmp_path: Path) -> str:
    (tmp_path / "net.py").write_text(NET)
    return f"{tmp_path}/net.py"


def build(model: str, channels: int = 3, side: int = 32, **options: Any) -> nn.Module:
    config = TrainConfig.from_mapping({"model": model, "model_options": options})
    return build_model(config.to_dict(), 10, channels, side)


@pytest.mark.parametrize(
    ("name", "outside"),
    [
        ("torchvision:resnet18", True),
        ("timm:resnet26t", True),
        ("path/to/net.py:Net", True),
        ("net.py:Net@0123456789ab", True),
        ("torchvision:", False),
        ("keras:resnet", False),
        ("net.py", False),
        ("net.py:1", False),
        ("resnet", False),
    ],
)
def test_what_names_a_model_that_is_not_of_this_package(name: str, outside: bool) -> None:
    assert is_outside(name) is outside


def test_a_model_of_torchvision_is_its_own_with_the_classes_asked_for() -> None:
    torch.manual_seed(3)
    found = build("torchvision:resnet18", zero_init_residual=True)
    torch.manual_seed(3)
    expected = models.resnet18(num_classes=10, zero_init_residual=True)
    weights = expected.state_dict()
    assert all(torch.equal(value, weights[key]) for key, value in found.state_dict().items())


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_its_first_convolution_takes_other_channels(channels: int) -> None:
    model = build("torchvision:squeezenet1_1", channels)
    assert model.eval()(torch.zeros(1, channels, 32, 32)).shape == (1, 10)
    weight = next(model.parameters()).detach()
    assert weight.shape[1] == channels
    assert float(weight.std()) == pytest.approx((2 / 27) ** 0.5, rel=0.2)  # Kaiming's


def test_timm_is_asked_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def create_model(name: str, **options: Any) -> nn.Module:
        asked.update(options, name=name)
        return nn.Flatten()

    fake = ModuleType("timm")
    fake.create_model = create_model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", fake)
    build("timm:resnet26t", 1, drop_rate=0.1)
    assert asked == {
        "name": "resnet26t",
        "pretrained": False,
        "num_classes": 10,
        "in_chans": 1,
        "drop_rate": 0.1,
    }


def test_a_file_gets_what_it_takes_by_name(net: str) -> None:
    model = build(f"{net}:Net", 1, width=7)
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert model[0].weight.shape == (7, 1, 3, 3)
    check_outside(f"{net}:fixed", (), 10, 3, 8)


@pytest.mark.parametrize(
    ("model", "channels", "message"),
    [
        ("torchvision:resnet1", 3, "torchvision has no classifier 'resnet1'; did you mean 'resn"),
        ("torchvision:resnet18", 3, None),
        ("torchvision:vit_b_16", 3, "on images of 3 x 8 x 8: AssertionError: Wrong image height"),
        ("{net}:wrong", 3, "must give logits (2, 10), got (2, 11)"),
        ("{net}:fixed", 1, "on images of 1 x 8 x 8: RuntimeError: Given groups=1"),
        ("{net}:fails", 3, "cannot be made: RuntimeError: no way"),
        ("{net}:no_module", 3, "must be a torch.nn.Module, got 10"),
        ("{net}:Nut", 3, "defines no 'Nut' to call"),
        ("nowhere.py:Net", 3, "cannot read nowhere.py: No such file"),
    ],
)
def test_a_model_that_does_not_fit_is_one_line(
    net: str, model: str, channels: int, message: str | None
) -> None:
    name = model.format(net=net)
    if message is None:
        check_outside(name, (), 10, channels, 8)
        return
    with pytest.raises(ConfigError) as caught:
        check_outside(name, (), 10, channels, 8)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_option_that_it_does_not_have_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"torchvision:resnet18 cannot be made: TypeError: .*wid"):
        build("torchvision:resnet18", wid=2)


def test_options_are_for_other_models_alone() -> None:
    with pytest.raises(ConfigError, match="model_options must be left out with model=lenet"):
        TrainConfig.from_mapping({"model": "lenet", "model_options": {"width": 2}})


def test_a_file_is_pinned_by_what_it_holds(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(net).parent)
    name = pinned("net.py:Net")
    assert name.startswith(f"{Path(net).resolve()}:Net@")
    assert pinned(name) == name
    assert pinned("torchvision:resnet18") == "torchvision:resnet18"
    build(name)
    Path(net).write_text(NET + "\n")
    assert pinned("net.py:Net") != name
    with pytest.raises(ConfigError, match=r"net\.py has changed since this setting was recorded"):
        build(name)


def test_it_trains_and_goes_on_exactly(net: str, digits: ImageData, tiny_config: Any) -> None:
    config = tiny_config(model=f"{net}:Net", model_options={"width": 8}, optimizer="sam")
    whole, begun, resumed = (Trainer(config, digits, Execution()) for _ in range(3))
    losses = [whole.train_epoch().val_loss for _ in range(2)]
    begun.train_epoch()
    resumed.load(begun.state(), begun.best_weights)
    assert resumed.train_epoch().val_loss == losses[1] != losses[0]
