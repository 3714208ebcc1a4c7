"""What is said of the GPUs before any worker starts; the process that asks torch is a stand-in."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from search.autotune import devices
from search.autotune.devices import Gpus, check_gpus, lack_of_gpu_memory
from search.common.errors import UserError
from trainers.data.prepared import Meta

NEW = {"name": "New", "capability": "9.0", "free": 10**9, "tf32": True, "bfloat16": True}
OLD = {"name": "Old", "capability": "7.5", "free": 4 * 10**9, "tf32": False, "bfloat16": False}


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch):
    def make(*cards: dict[str, Any]) -> None:
        monkeypatch.setattr(devices, "run_module", lambda *arguments: [json.dumps(cards)])

    return make


@pytest.mark.parametrize(
    ("cards", "computed"), [((NEW,), True), ((OLD,), False), ((NEW, OLD), False)]
)
def test_what_every_card_computes(found, cards, computed: bool) -> None:
    found(*cards)
    gpus = check_gpus(None)
    assert (gpus.tf32, gpus.bfloat16) == (computed, computed)
    assert gpus.free == min(card["free"] for card in cards)


@pytest.mark.parametrize("precision", ["bfloat16", "tf32"])
def test_what_a_card_does_not_compute_is_refused(found, precision: str) -> None:
    """It would emulate the one, and compute float32 for the other."""
    found(NEW, OLD)
    message = rf"--precision {precision} needs .* 8\.0 or newer, Old has 7\.5 .*choose --precision"
    with pytest.raises(UserError, match=message):
        check_gpus(precision)
    assert check_gpus("float32")
    found(NEW)
    assert check_gpus(precision)


def test_a_card_that_torch_does_not_see_is_refused(found) -> None:
    found()
    with pytest.raises(UserError, match="torch does not see; hide the GPU with CUDA_VIS"):
        check_gpus(None)


def test_parts_of_cards_that_torch_does_not_see_are_refused(found, monkeypatch) -> None:
    """Of cards that are split it sees one part only, and trials on the others would fail."""
    monkeypatch.setattr(devices, "gpu_count", lambda: 2)
    found(NEW)
    with pytest.raises(UserError, match=r"shows 2 GPUs and torch sees 1, .* CUDA_VISIBLE_DEVICES"):
        check_gpus(None)
    assert check_gpus(None, every=False), "of a cluster, whose nodes have their own"
    found(NEW, OLD)
    assert check_gpus(None)


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
    assert devices.gpu_count() == count


def test_torchs_own_reason_comes_through_in_one_line() -> None:
    """On a machine without a driver, the real process says that torch cannot use the GPU."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("has a GPU that torch can use")
    with pytest.raises(UserError, match=r"or hide the GPU with CUDA_VISIBLE_DEVICES=-1") as caught:
        check_gpus(None)
    assert "torch" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("trials", "lacks"), [(1, False), (2, True)])
def test_trials_on_one_card_share_its_memory(trials: int, lacks: bool) -> None:
    """0.4 GB of images each, where 0.5 of 1 GB may be taken."""
    shapes = {"train_images": (40_000, 100, 100, 1), "test_images": (0, 100, 100, 1)}
    gpus, data = Gpus("New", "9.0", 1e9, True, True), Meta(1, "", (), shapes, (), (), "")
    assert bool(lack_of_gpu_memory(gpus, trials, data)) is lacks
