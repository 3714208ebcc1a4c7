"""Feature maps are the convolutions' own outputs, and the picture shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from trainers.evaluation.feature_maps import feature_maps, find_convolutions, save_feature_picture
from trainers.models import build_model
from trainers.validators import ConfigError


@pytest.fixture
def lenet() -> nn.Module:
    torch.manual_seed(0)
    return build_model({"model": "lenet"}, 10, 3, 32)


def test_maps_are_the_convolutions_outputs_before_relu(lenet: nn.Module) -> None:
    image = torch.randn(1, 3, 32, 32)
    maps = feature_maps(lenet, image, ["conv1", "conv2.0"])
    weights = dict(lenet.named_parameters())
    first = nn.functional.conv2d(image, weights["conv1.0.weight"], weights["conv1.0.bias"])
    assert list(maps) == ["conv1.0", "conv2.0"]
    torch.testing.assert_close(maps["conv1.0"], first[0])
    assert maps["conv1.0"].min() < 0
    assert maps["conv2.0"].shape == (16, 10, 10)


def test_a_relu_in_place_does_not_write_into_a_map() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(inplace=True))
    with torch.no_grad():
        model[0].weight.fill_(-1)
        model[0].bias.zero_()
    maps = feature_maps(model, torch.ones(1, 1, 3, 3), ["0"])
    assert maps["0"].tolist() == [[[-1.0] * 3] * 3] * 2


def test_no_hook_is_left(lenet: nn.Module) -> None:
    maps = feature_maps(lenet, torch.randn(1, 3, 32, 32), ["conv1"])
    before = maps["conv1.0"].clone()
    lenet(torch.randn(1, 3, 32, 32))
    assert maps["conv1.0"].equal(before)


def test_unknown_names_list_the_convolutions(lenet: nn.Module) -> None:
    with pytest.raises(ConfigError, match=r"no convolution 'conv3'.*known: conv1\.0, conv2\.0"):
        find_convolutions(lenet, ["conv1", "conv3"])
    with pytest.raises(ConfigError, match="no convolution 'fc1'"):
        find_convolutions(lenet, ["fc1"])


def test_the_picture_has_the_image_and_a_tile_for_every_map(tmp_path: Path) -> None:
    image = torch.zeros(8, 8, 1, dtype=torch.uint8)
    image[:, 4:] = 255
    ramp = torch.arange(4.0).view(2, 2)
    save_feature_picture(tmp_path / "maps.png", image, {"conv": torch.stack([ramp] * 20)})
    with Image.open(tmp_path / "maps.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    # 64-pixel tiles, 4 apart, below an 18-pixel title: the image, then 16 + 4 maps.
    assert pixels.shape == (4 + 3 * 68 + 2 * 18, 4 + 16 * 68)
    tile = pixels[22 : 22 + 64, 4 : 4 + 64]
    assert (tile[:, :32] == 0).all()
    assert (tile[:, 32:] == 255).all()
    first = pixels[108 : 108 + 64, 4 : 4 + 64]
    assert [first[0, 0], first[0, 63], first[63, 0], first[63, 63]] == [0, 85, 170, 255]
    last = pixels[176 : 176 + 64, 4 + 3 * 68 : 4 + 3 * 68 + 64]
    assert last[63, 63] == 255
    assert last[0, 0] == 0
