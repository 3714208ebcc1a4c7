"""What is said of the GPUs before any worker starts; the process that asks torch is a stand-in."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from search.autotune import machine
from search.autotune.gpus import check_gpus, lack_of_gpu_memory
from search.autotune.resources import Resources, default_execution
from search.common.errors import UserError
from trainers.data.prepared import Meta

NEW = {"name": "New", "capability": "9.0", "free": 10**9, "tf32": True, "bfloat16": True}
OLD = {"name": "Old", "capability": "7.5", "free": 4 * 10**9, "tf32": False, "bfloat16": False}
ONE = Resources(1, 1, gpus_per_trial=1.0)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch):
    def make(*cards: dict[str, Any]) -> None:
        monkeypatch.setattr(
            "search.autotune.gpus.run_module", lambda *arguments: [json.dumps(cards)]
        )

    return make


def data(images: int) -> Meta:
    shapes = {"train_images": (images, 100, 100, 1), "test_images": (0, 100, 100, 1)}
    return Meta(1, "", (), shapes, (), (), "")


@pytest.mark.parametrize(
    ("cards", "fastest"), [((NEW,), "bfloat16"), ((OLD,), "float32"), ((NEW, OLD), "float32")]
)
def test_bfloat16_only_where_every_card_computes_it(found, cards, fastest: str) -> None:
    found(*cards)
    checked = check_gpus(ONE, None)
    assert checked is not None
    assert default_execution(ONE, None, checked.bfloat16).precision == fastest


@pytest.mark.parametrize(
    ("resources", "deterministic", "asked", "graph"),
    [
        (ONE, False, None, True),
        (ONE, True, None, False),
        (ONE, True, True, True),
        (ONE, False, False, False),
        (Resources(1, 1), False, None, False),
        (Resources(1, 1), False, True, False),
    ],
)
def test_steps_are_graphs_on_a_gpu_unless_every_bit_counts(
    resources: Resources, deterministic: bool, asked: bool | None, graph: bool
) -> None:
    execution = default_execution(resources, None, False, deterministic, asked)
    assert execution.graph is graph


@pytest.mark.parametrize("precision", ["bfloat16", "tf32"])
def test_what_a_card_does_not_compute_is_refused(found, precision: str) -> None:
    """It would emulate the one, and compute float32 for the other."""
    found(NEW, OLD)
    message = rf"--precision {precision} needs .* 8\.0 or newer, Old has 7\.5 .*choose --precision"
    with pytest.raises(UserError, match=message):
        check_gpus(ONE, precision)
    assert check_gpus(ONE, "float32")
    found(NEW)
    assert check_gpus(ONE, precision)


def test_tf32_without_a_gpu_is_refused() -> None:
    with pytest.raises(UserError, match="tf32 needs a GPU, none is used; choose float32"):
        check_gpus(Resources(1, 1), "tf32")


def test_a_card_that_torch_does_not_see_is_refused(found) -> None:
    found()
    with pytest.raises(UserError, match="torch does not see; hide the GPU with CUDA_VIS"):
        check_gpus(ONE, None)


def test_parts_of_cards_that_torch_does_not_see_are_refused(found, monkeypatch) -> None:
    """Of cards that are split it sees one part only, and trials on the others would fail."""
    monkeypatch.setattr("search.autotune.machine.gpu_count", lambda: 2)
    found(NEW)
    with pytest.raises(UserError, match=r"shows 2 GPUs and torch sees 1, .* CUDA_VISIBLE_DEVICES"):
        check_gpus(ONE, None)
    assert check_gpus(replace(ONE, ray_address="head:6379"), None), "other nodes have their own"
    found(NEW, OLD)
    assert check_gpus(ONE, None)


@pytest.mark.parametrize(
    ("visible", "count"), [(None, 3), ("", 0), ("-1", 0), ("1", 1), ("2,0,-1,1", 2), ("MIG-a", 1)]
)
def test_cards_are_counted_as_cuda_does(monkeypatch, visible: str | None, count: int) -> None:
    """None from the first on that cannot be one."""
    nvml = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: 3,
        NVMLError=RuntimeError,
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.gpu_count() == count


def test_nothing_is_asked_where_no_gpu_is_used() -> None:
    assert check_gpus(Resources(1, 1), "bfloat16") is None


def test_torchs_own_reason_comes_through_in_one_line() -> None:
    """On a machine without a driver, the real process says that torch cannot use the GPU."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("has a GPU that torch can use")
    with pytest.raises(UserError, match=r"or hide the GPU with CUDA_VISIBLE_DEVICES=-1") as caught:
        check_gpus(ONE, None)
    assert "torch" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("share", "images", "lacks"), [(1, 40_000, False), (0.5, 40_000, True)])
def test_trials_on_one_card_share_its_memory(found, share: float, images: int, lacks: bool) -> None:
    """0.4 GB of images each, where 0.5 of 1 GB may be taken."""
    found(NEW, OLD)
    resources = Resources(2, 1, gpus_per_trial=share)
    line = lack_of_gpu_memory(check_gpus(resources, None), resources, data(images))
    assert bool(line) is lacks
