"""Whether settings fit a data set, checked before any worker starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.common.errors import UserError
from search.settings.check_data import check_data, representative
from search.settings.request import make_request
from search.settings.run_settings import RunSettings
from spaces.params import Int
from trainers.config import TrainConfig
from trainers.data.prepare import prepare
from trainers.models import MODELS, build_model
from trainers.validators import ConfigError

SPACE = """
from spaces.parameters.architecture import depths
from spaces.params import Int
from spaces.space import Constraint, Preset, Space
P = Preset("x.npz", 2)
SPACE = Space(name="mine", title="", source="", baseline={baseline},
              parameters=({parameters},), presets={{"quick": P, "full": P}})
"""


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Checks a space of these texts against images of a side; 10 a class, 4 classes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)

    def check(side: int, baseline: str, parameters: str) -> Any:
        tmp_path.joinpath("mine.py").write_text(
            SPACE.format(baseline=baseline, parameters=parameters)
        )
        images = np.random.default_rng(0).integers(0, 256, (40, side, side, 3), dtype=np.uint8)
        labels = np.arange(40) % 4
        np.savez(
            "x.npz",
            train_images=images,
            train_labels=labels,
            test_images=images,
            test_labels=labels,
            classes=np.array(list("abcd")),
        )
        flags = ["--space", "mine.py", "--preset", "quick"]
        request = make_request(RunSettings.parse(flags))
        return check_data(request, prepare(request.dataset, tmp_path / "data"))

    return check


def test_what_fits_passes(checked: Callable[..., Any]) -> None:
    meta = checked(16, "{'model': 'lenet', 'batch_size': 8}", "Int('batch_size', 1, 36)")
    assert meta.shapes["train_images"] == (40, 16, 16, 3)


@pytest.mark.parametrize(
    ("side", "baseline", "parameters", "message"),
    [
        (
            *(16, "{'model': 'lenet', 'batch_size': 8}", "Int('batch_size', 1, 37)"),
            "batch_size may be 37 in this space, but batch_size must be at most 36",
        ),
        (
            *(15, "{'model': 'lenet', 'batch_size': 8}", "Int('batch_size', 1, 8)"),
            "images must be at least 16 pixels wide for model=lenet, got 15",
        ),
        (
            *(8, "{'model': 'cnn200', 'depth': 3, 'batch_size': 8}", "depths(3, 4, 6)"),
            "depth may be 6 in this space, but images must be at least 20 pixels wide",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    checked: Callable[..., Any], side: int, baseline: str, parameters: str, message: str
) -> None:
    with pytest.raises((UserError, ConfigError), match=message):
        checked(side, baseline, parameters)


def test_values_that_break_a_rule_are_left_to_the_constraints(checked: Callable[..., Any]) -> None:
    """Not every depth is one of a WideResNet's; which are tried is not for the data to say."""
    checked(8, "{'depth': 10, 'width': 1, 'batch_size': 8}", "Int('depth', 9, 12)")


def test_a_long_interval_is_looked_into_at_few_values(checked: Callable[..., Any]) -> None:
    """All of them would take hours; the ends are among those that are."""
    checked(8, "{'depth': 10, 'width': 1, 'batch_size': 8, 'seed': 0}", "Int('seed', 0, 2**31)")
    with pytest.raises(UserError, match=r"batch_size may be .* but batch_size must be at most 36"):
        checked(8, "{'depth': 10, 'width': 1, 'batch_size': 8}", "Int('batch_size', 1, 2**31)")


@pytest.mark.parametrize("high", [0, 1, 7, 99, 100, 12345, 2**31])
def test_ends_are_representative(high: int) -> None:
    values = list(representative(Int("seed", 0, high)))
    assert (values[0], values[-1]) == (0, high)
    assert len(set(values)) == len(values) == min(high + 1, 100)


SMALLEST = [
    (name, depth, side)
    for name, entry in MODELS.items()
    for depth, side in (
        entry.smallest_image.items()
        if not isinstance(entry.smallest_image, int)
        else [(None, entry.smallest_image)]
    )
]


@pytest.mark.parametrize(("name", "depth", "side"), SMALLEST)
def test_the_smallest_image_is_what_the_model_can_take(
    name: str, depth: int | None, side: int
) -> None:
    default = {"resnet": 18, "resnet200": 10, "wide_resnet": 10}.get(name, 6)
    options = TrainConfig.from_mapping({"model": name, "depth": depth or default, "width": 1})
    import torch

    with torch.device("meta"):
        network = build_model(options.to_dict(), 10, 3, side).eval()
        assert network(torch.zeros(2, 3, side, side)).shape == (2, 10)
        if side > 1:
            with pytest.raises(ValueError, match="at least"):
                build_model(options.to_dict(), 10, 3, side - 1)
