"""The networks against hand counts, torchvision and the reports' own words."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torchvision.models import resnet as tv

from trainers.config import TrainConfig
from trainers.models import MODELS, build_model
from trainers.models.summary import summarize

SMALL_DEPTH = {"wide_resnet": 10, "resnet": 18, "cnn200": 4, "resnet200": 10}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def build(name: str, classes: int = 10, channels: int = 3, size: int = 32, **options: Any):
    """A model by name; options not given are those of the reports."""
    base = {"depth": 34, "width": 10, "dropout": 0.0, "batch_norm": True, "residual": False}
    return build_model({"model": name, **base, **options}, classes, channels, size)


def on_meta(*args: Any, **options: Any) -> nn.Module:
    """The same without memory for its weights: enough to count."""
    with torch.device("meta"):
        return build(*args, **options)


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def of_type(model: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, kind)]


def same_output(model: nn.Module, reference: nn.Module, images: Tensor) -> None:
    """Both networks, given the same random weights and statistics, agree in evaluation mode."""
    randomise_norms(model)
    values = model.state_dict().values()
    reference.load_state_dict(dict(zip(reference.state_dict(), values, strict=True)))
    with torch.no_grad():
        torch.testing.assert_close(
            model.eval()(images), reference.eval()(images), rtol=1e-4, atol=1e-4
        )


def randomise_norms(model: nn.Module) -> None:
    for norm in of_type(model, nn.BatchNorm2d):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.5, 0.5)
        norm.running_mean.uniform_(-0.5, 0.5)
        norm.running_var.uniform_(0.5, 1.5)


def torchvision_resnet(block: Any, layers: Iterable[int], keep_pool: bool) -> tv.ResNet:
    reference = tv.ResNet(block, list(layers), num_classes=10)
    reference.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    if not keep_pool:
        reference.maxpool = nn.Identity()
    return reference


# All models


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [8, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_logits_for_every_image_size(name: str, size: int, channels: int) -> None:
    size = max(size, 16) if name == "lenet" else size  # its smallest, see below
    model = on_meta(name, 7, channels, size, depth=SMALL_DEPTH.get(name, 10))
    images = torch.zeros(2, channels, size, size, device="meta")
    assert model(images).shape == (2, 7)


@pytest.mark.parametrize("name", MODELS)
def test_every_weight_gets_a_gradient(name: str) -> None:
    options = {"depth": SMALL_DEPTH.get(name, 10), "width": 1, "dropout": 0.1, "residual": True}
    model = build(name, size=16, **options)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            nn.init.normal_(parameter)  # a zero linear layer would let nothing through
    model(torch.randn(2, 3, 16, 16)).square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    assert all(parameter.grad.any() for parameter in model.parameters())


ONE_PIXEL = [
    *((name, {}) for name in ("resnet9", "resnet9_pool", "wide_resnet")),
    *(("resnet", {"depth": depth}) for depth in (18, 50)),
    *(("resnet200", {"depth": depth}) for depth in (10, 34)),
    *(("cnn200", {"depth": depth, "batch_norm": True}) for depth in (3, 4, 5, 6)),
    ("lenet", {}),
]


@pytest.mark.parametrize(("name", "options"), ONE_PIXEL)
def test_a_single_image_trains_from_the_tables_size_on(name: str, options: dict[str, Any]) -> None:
    """Torch's own BatchNorm says where it cannot."""
    entry, options = MODELS[name], {"width": 1, "residual": True, **options}
    smallest = entry.smallest_image
    side = smallest if isinstance(smallest, int) else smallest[options["depth"]]
    for size in (max(side, entry.smallest_alone), max(side, entry.smallest_alone - 1)):
        model = on_meta(name, size=size, **options).train()
        image = torch.zeros(1, 3, size, size, device="meta")
        if size >= entry.smallest_alone:
            assert model(image).shape == (1, 10)
        else:
            with pytest.raises(ValueError, match="more than 1 value per channel"):
                model(image)


@pytest.mark.parametrize(
    ("name", "size", "options", "smallest"),
    [("lenet", 15, {}, 16), ("cnn200", 19, {"depth": 6}, 20), ("cnn200", 3, {"depth": 3}, 4)],
)
def test_too_small_images(name: str, size: int, options: dict[str, Any], smallest: int) -> None:
    with pytest.raises(
        ValueError, match=f"image_size must be at least {smallest} .*got {size}; use"
    ):
        on_meta(name, size=size, **options)
    model = on_meta(name, size=smallest, **options)
    assert model(torch.zeros(1, 3, smallest, smallest, device="meta")).shape == (1, 10)


@pytest.mark.parametrize("depth", [10, 18, 26, 30, 34])
def test_configuration_knows_the_depths_of_report_d(depth: int) -> None:
    config = TrainConfig(model="resnet200", depth=depth)
    assert len(layers_with_weights(on_meta("resnet200", depth=config.depth))) == depth


def layers_with_weights(model: nn.Module) -> list[nn.Module]:
    """Convolutions and linear layers, but not the shortcuts', as depth is counted."""
    return [
        module
        for name, module in model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear)) and "shortcut" not in name
    ]


# A: ResNet


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_resnet_counts_follow_from_torchvision(depth: int) -> None:
    with torch.device("meta"):
        published = getattr(tv, f"resnet{depth}")(num_classes=10)
    stems = 3 * 64 * 7 * 7 - 3 * 64 * 3 * 3
    model = on_meta("resnet", depth=depth)
    assert count(model) == count(published) - stems
    assert len(layers_with_weights(model)) == depth


@pytest.mark.parametrize(
    ("depth", "block", "layers"),
    [(18, tv.BasicBlock, (2, 2, 2, 2)), (50, tv.Bottleneck, (3, 4, 6, 3))],
)
def test_resnet_computes_what_torchvision_does(depth: int, block: Any, layers: Any) -> None:
    reference = torchvision_resnet(block, layers, keep_pool=False)
    same_output(build("resnet", depth=depth), reference, torch.randn(2, 3, 16, 16))


# B and C


def test_lenet_is_the_tutorials() -> None:
    by_hand = (
        (3 * 6 * 25 + 6) + (6 * 16 * 25 + 16) + (400 * 120 + 120) + (120 * 84 + 84) + (84 * 10 + 10)
    )
    model = build("lenet")
    assert count(model) == by_hand == 62_006
    tutorial = nn.Sequential(
        nn.Conv2d(3, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2, 2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2, 2),
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )
    same_output(model, tutorial, torch.randn(2, 3, 32, 32))


def basic_block(a: int, b: int) -> int:
    """Parameters of a block from a to b channels; the shortcut is a convolution if they differ."""
    branch = a * b * 9 + 2 * b + b * b * 9 + 2 * b
    return branch + (a * b + 2 * b if a != b else 0)


def test_resnet9_of_report_b() -> None:
    stem = 3 * 64 * 9 + 2 * 64
    blocks = basic_block(64, 128) + basic_block(128, 256) + basic_block(256, 512)
    model = build("resnet9")
    assert count(model) == stem + blocks + 512 * 10 + 10 == 4_829_258

    def block(a: int, b: int) -> nn.Module:
        shortcut = nn.Sequential(nn.Conv2d(a, b, 1, 2, bias=False), nn.BatchNorm2d(b))
        return tv.BasicBlock(a, b, 2, shortcut)

    reference = nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        block(64, 128),
        block(128, 256),
        block(256, 512),
        nn.MaxPool2d(4),
        nn.Flatten(),
        nn.Linear(512, 10),
    )
    same_output(model, reference, torch.randn(2, 3, 32, 32))


def test_resnet9_of_report_c() -> None:
    stem = 3 * 64 * 9 + 2 * 64
    blocks = sum(basic_block(a, b) for a, b in pairwise((64, 64, 128, 256, 512)))
    model = build("resnet9_pool")
    assert count(model) == stem + blocks + 512 * 10 + 10 == 4_903_242
    reference = torchvision_resnet(tv.BasicBlock, (1, 1, 1, 1), keep_pool=True)
    same_output(model, reference, torch.randn(2, 3, 32, 32))


# D: the plain network


def test_cnn200_counts_and_map_sizes() -> None:
    by_hand = (
        (3 * 32 * 25 + 32)
        + (32 * 64 * 4 + 2 * 64)
        + (64 * 192 * 4 + 2 * 192)
        + (192 * 256 * 4 + 2 * 256)
        + (256 * 256 * 9 + 2 * 256)
        + (256 * 3 * 3 * 200 + 200)
    )
    model = on_meta("cnn200", 200, size=64, depth=6)
    assert count(model) == by_hand == 1_308_744
    rows = summarize(model, 3, 64).rows
    sides = [row.output_shape[-1] for row in rows if row.type in ("Conv2d", "MaxPool2d")]
    assert sides == [64, 32, 33, 16, 17, 18, 8, 8, 3]


def test_cnn200_computes_what_the_report_lists() -> None:
    def layer(a: int, b: int, kernel: int) -> list[nn.Module]:
        conv = nn.Conv2d(a, b, kernel, padding=1, bias=False)
        return [conv, nn.BatchNorm2d(b), nn.ReLU()]

    reference = nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        *layer(32, 64, 2),
        nn.MaxPool2d(3, 2),
        *layer(64, 192, 2),
        *layer(192, 256, 2),
        nn.MaxPool2d(3, 2),
        *layer(256, 256, 3),
        nn.MaxPool2d(3, 2),
        nn.Flatten(),
        nn.Linear(256 * 3 * 3, 200),
    )
    same_output(build("cnn200", 200, size=64, depth=6), reference, torch.randn(2, 3, 64, 64))


@pytest.mark.parametrize(("depth", "features"), [(3, 64 * 16**2), (4, 192 * 8**2), (5, 256 * 8**2)])
def test_cnn200_with_fewer_layers(depth: int, features: int) -> None:
    layers = layers_with_weights(on_meta("cnn200", 200, size=64, depth=depth))
    assert len(layers) == depth
    assert layers[-1].in_features == features


@pytest.mark.parametrize("name", ["cnn200", "resnet200"])
def test_batch_norm_switch(name: str) -> None:
    depth = 6 if name == "cnn200" else 30
    with_norm = on_meta(name, size=64, depth=depth, residual=True)
    without = on_meta(name, size=64, depth=depth, residual=True, batch_norm=False)
    assert of_type(with_norm, nn.BatchNorm2d)
    assert not of_type(without, nn.BatchNorm2d)
    assert all(conv.bias is not None for conv in of_type(without, nn.Conv2d))


@pytest.mark.parametrize(
    ("name", "size", "dropouts"),
    [("cnn200", 64, 5 + 1), ("resnet200", 32, 14 + 1)],
)
def test_dropout_switch(name: str, size: int, dropouts: int) -> None:
    depth = 6 if name == "cnn200" else 30
    assert not of_type(on_meta(name, size=size, depth=depth), nn.Dropout)
    layers = of_type(on_meta(name, size=size, depth=depth, dropout=0.5), nn.Dropout)
    assert [layer.p for layer in layers] == [0.5] * dropouts


def test_cnn200_residual_switch() -> None:
    by_hand = (32 * 64 + 2 * 64) + (64 * 192 + 2 * 192) + (192 * 256 + 2 * 256)
    plain = on_meta("cnn200", size=64, depth=6)
    residual = on_meta("cnn200", size=64, depth=6, residual=True)
    assert count(residual) - count(plain) == by_hand


# D: the residual net


def test_resnet200_is_the_reports_stages() -> None:
    model = build("resnet200", depth=30, residual=True)
    reference = torchvision_resnet(tv.BasicBlock, (3, 4, 4, 3), keep_pool=True)
    same_output(model, reference, torch.randn(2, 3, 16, 16))


def test_resnet200_residual_switch() -> None:
    projections = sum(a * b + 2 * b for a, b in pairwise((64, 128, 256, 512)))
    residual = on_meta("resnet200", depth=30, residual=True)
    plain = on_meta("resnet200", depth=30, residual=False)
    assert count(residual) - count(plain) == projections


@pytest.mark.parametrize("residual", [True, False])
def test_resnet200_block_may_be_skipped_over(residual: bool) -> None:
    model = build("resnet200", depth=10, residual=residual, batch_norm=False).eval()
    block = model.get_submodule("group1")[0]
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    x = torch.rand(1, 64, 8, 8)
    assert torch.equal(block(x), x if residual else torch.zeros_like(x))


# E: WideResNet


def wide_resnet_parameters(depth: int, width: int, classes: int) -> int:
    total, a = 3 * 16 * 9, 16
    for b in (16 * width, 32 * width, 64 * width):
        total += 2 * a + 9 * a * b + 2 * b + 9 * b * b + a * b
        total += ((depth - 4) // 6 - 1) * (2 * b + 9 * b * b + 2 * b + 9 * b * b)
        a = b
    return total + 2 * a + a * classes + classes


@pytest.mark.parametrize(
    ("depth", "width", "millions"), [(40, 4, 8.9), (16, 8, 11), (28, 10, 36.5)]
)
def test_wide_resnet_sizes_of_the_paper(depth: int, width: int, millions: float) -> None:
    parameters = count(on_meta("wide_resnet", depth=depth, width=width))
    assert parameters == wide_resnet_parameters(depth, width, classes=10)
    assert parameters / 1e6 == pytest.approx(millions, abs=0.1)


def test_wide_resnet_34_10_of_the_report() -> None:
    model = on_meta("wide_resnet", 100, depth=34, width=10)
    assert count(model) == wide_resnet_parameters(34, 10, classes=100) == 46_218_164
    shapes = [shape for _, shape in summarize(model, 3, 32).children]
    expected = [(16, 32, 32), (160, 32, 32), (320, 16, 16), (640, 8, 8)]
    assert [shape[1:] for shape in shapes[:4]] == expected


def test_wide_resnet_computes_what_the_report_lists() -> None:
    model = build("wide_resnet", depth=16, width=2).eval()
    randomise_norms(model)
    (linear,) = of_type(model, nn.Linear)
    nn.init.normal_(linear.weight, std=0.1)
    images = torch.randn(2, 3, 32, 32)
    convs, norms = iter(of_type(model, nn.Conv2d)), iter(of_type(model, nn.BatchNorm2d))
    x = next(convs)(images)
    for unit in [1, 2] * 3:
        active = F.relu(next(norms)(x))
        inner = F.relu(next(norms)(next(convs)(active)))
        branch = next(convs)(inner)
        x = branch + (next(convs)(active) if unit == 1 else x)
    logits = linear(F.avg_pool2d(F.relu(next(norms)(x)), 8).flatten(1))
    torch.testing.assert_close(model(images), logits, rtol=1e-4, atol=1e-4)


def test_wide_resnet_initialisation() -> None:
    model = build("wide_resnet", depth=10, width=4)
    linear = of_type(model, nn.Linear)[0]
    assert not linear.weight.any()
    assert not linear.bias.any()
    for conv in of_type(model, nn.Conv2d):
        fan_in = conv.weight[0].numel()
        spread = 8 / conv.weight.numel() ** 0.5  # eight standard errors and more
        assert conv.weight.std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=spread)
        assert conv.bias is None
    for norm in of_type(model, nn.BatchNorm2d):
        assert (norm.weight == 1).all()
        assert not norm.bias.any()


def test_wide_resnet_dropout_only_where_asked() -> None:
    assert not of_type(on_meta("wide_resnet", depth=16, width=1), nn.Dropout)
    layers = of_type(on_meta("wide_resnet", depth=16, width=1, dropout=0.3), nn.Dropout)
    assert [layer.p for layer in layers] == [0.3] * 6
