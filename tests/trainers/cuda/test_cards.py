"""What torch says of the GPUs."""

from __future__ import annotations

import pytest
import torch

from tests.trainers.cuda.fake_card import FakeCard
from tests.trainers.cuda.fake_tensors import fake_tensors
from trainers.cuda.cards import Gpu, GpuError, find_gpus, runs_on


def test_cards_that_compute(card: FakeCard) -> None:
    card.count, card.free = 2, 3 * 10**9
    with fake_tensors():
        assert find_gpus() == 2 * [Gpu("Fake H200", "9.0", 3 * 10**9, tf32=True, bfloat16=True)]


def test_an_older_card_computes_neither_tf32_nor_bfloat16(card: FakeCard, monkeypatch) -> None:
    """torch emulates the one there, and computes float32 for the other."""
    card.capability = 7, 5
    monkeypatch.setattr("torch._C._cuda_getArchFlags", lambda: "sm_75 sm_90")
    with fake_tensors():
        (found,) = find_gpus()
    assert (found.tf32, found.bfloat16) == (False, False)


def test_a_build_for_the_cpu_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(GpuError, match="is built for the CPU only; install a build of torch for"):
        find_gpus()


@pytest.mark.parametrize(
    ("function", "said", "message"),
    [
        (
            "_cuda_init",
            "The NVIDIA driver on your system is too old\n(found version 11040).",
            r"built for CUDA 13\.0.*too old \(found version 11040\)",
        ),
        ("_cuda_synchronize", "CUDA error: all devices are busy", "all devices are busy"),
    ],
)
def test_a_card_that_does_not_compute_says_so(
    card: FakeCard, monkeypatch, function: str, said: str, message: str
) -> None:
    def refuse() -> None:
        raise RuntimeError(said)

    monkeypatch.setattr(torch._C, function, refuse)
    with fake_tensors(), pytest.raises(GpuError, match=message):
        find_gpus()


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's own, of many lines
def test_a_card_that_the_build_does_not_know_says_so(card: FakeCard) -> None:
    card.capability = 6, 1
    message = r"Fake H200 has compute capability 6\.1, but .* for sm_80, sm_90, compute_90; install"
    with pytest.raises(GpuError, match=message):
        find_gpus()


@pytest.mark.parametrize(
    ("capability", "built_for", "runs"),
    [
        ((8, 6), ["sm_80"], True),  # machine code runs on later minor versions
        ((8, 0), ["sm_86"], False),
        ((9, 0), ["sm_86"], False),
        ((9, 0), ["sm_75", "compute_80"], True),  # compiled when it is loaded
        ((9, 0), ["sm_90a"], True),
        ((12, 0), ["sm_100", "sm_90a"], False),
        ((12, 1), ["sm_120"], True),
        ((10, 3), ["sm_100f"], True),
        ((8, 0), ["gfx90a"], False),
    ],
)
def test_which_builds_run_on_a_card(capability, built_for: list[str], runs: bool) -> None:
    assert runs_on(capability, built_for) is runs
