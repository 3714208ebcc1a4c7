"""A GPU's memory: shares of it, what fits there, and giving it back."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from tests.trainers.cuda.fake_card import FakeCard
from trainers.cuda.memory import give_memory_back, images_fit, limit_memory

GB = 1000 * 2**20


@pytest.mark.parametrize(
    ("share", "gigabytes", "left"), [(0.5, 80, 0.5 - 0.6 / 80), (0.25, 8, 0.25 - 0.6 / 8)]
)
def test_a_trials_share_of_memory_has_room_for_cudas_own(
    card: FakeCard, monkeypatch: pytest.MonkeyPatch, share: float, gigabytes: int, left: float
) -> None:
    monkeypatch.setenv("PYTORCH_ALLOC_CONF", "")  # a user's own
    card.total = gigabytes * GB
    limit_memory(share)
    assert card.share == pytest.approx(left)
    assert os.environ["PYTORCH_ALLOC_CONF"] == ""


def test_a_share_is_not_lost_to_pieces_that_are_too_small() -> None:
    """Torch itself says how it will give out memory, in a process that has not used a GPU yet."""
    script = (
        "import torch; from tests.trainers.cuda.fake_card import FakeCard, insert\n"
        "insert(FakeCard(), lambda owner, name, value, raising=True: setattr(owner, name, value))\n"
        "from trainers.cuda.memory import limit_memory; limit_memory(0.5)\n"
        "print(torch._C._accelerator_getAllocatorSettings())"
    )
    clean = {name: value for name, value in os.environ.items() if "ALLOC_CONF" not in name}
    done = subprocess.run([sys.executable, "-c", script], env=clean, capture_output=True, text=True)
    assert done.stdout.strip() == "expandable_segments:True", done.stderr


@pytest.mark.parametrize("gpu", ["cuda", "cuda:0"])
def test_what_takes_more_than_half_of_a_gpus_free_memory_stays_on_the_host(
    card: FakeCard, gpu: str
) -> None:
    """``gpu`` as a process alone names it, and as one of several does."""
    card.free, card.total = 1000, 4000
    device = torch.device(gpu)
    sizes = (0, 500, 501, 10**12)
    assert [images_fit(size, device) for size in sizes] == [True, True, False, False]
    assert images_fit(10**18, torch.device("cpu"))  # its files are mapped
    card.share = 0.2  # beside four other trials
    assert [images_fit(size, device) for size in (400, 401)] == [True, False]


def test_what_cublas_keeps_for_a_graphs_stream_is_given_back_too(card: FakeCard) -> None:
    give_memory_back()
    assert card.said == []  # this process has used no GPU
    torch.cuda.init()
    give_memory_back()
    assert card.said == ["workspaces cleared", "cache emptied"]
