"""What torch says of the GPUs, from a stand-in for ``torch.cuda``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.trainers.device_without_contents import OnDevice, Watch
from trainers.data import ImageData
from trainers.execution import Execution
from trainers.gpus import Gpu, GpuError, find_gpus, limit_memory, runs_on
from trainers.trainer import Trainer


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch):
    """One GPU as a torch built for sm_75 to sm_90 would see it, with changes by name."""

    def make(**changes: Any) -> None:
        functions = {
            "init": lambda: None,
            "device_count": lambda: 1,
            "get_device_name": lambda index: "Some Gpu",
            "get_device_capability": lambda index: (8, 6),
            "get_arch_list": lambda: ["sm_75", "sm_80", "sm_90"],
            "synchronize": lambda index: None,
            "mem_get_info": lambda index: (3 * 10**9, 8 * 10**9),
            "device": lambda index: nullcontext(),
            "is_bf16_supported": lambda including_emulation: True,
        }
        for name, function in {**functions, **changes}.items():
            monkeypatch.setattr(torch.cuda, name, function)
        monkeypatch.setattr(torch.version, "cuda", "13.0")
        ones = torch.ones
        monkeypatch.setattr(torch, "ones", lambda n, device: ones(n))

    return make


def test_a_card_that_computes(card) -> None:
    card()
    (found,) = find_gpus()
    assert found == Gpu("Some Gpu", "8.6", 3 * 10**9, tf32=True, bfloat16=True)


@pytest.mark.parametrize(
    ("capability", "supported"), [((7, 5), True), ((8, 0), False), ((7, 5), False)]
)
def test_emulated_bfloat16_does_not_count(card, capability, supported: bool) -> None:
    """Neither a card before 8.0, whatever torch says, nor one that torch says emulates."""
    card(
        get_device_capability=lambda index: capability,
        is_bf16_supported=lambda including_emulation: including_emulation or supported,
    )
    assert not find_gpus()[0].bfloat16
    assert find_gpus()[0].tf32 is (capability >= (8, 0))


def test_a_build_for_the_cpu_says_so(card, monkeypatch: pytest.MonkeyPatch) -> None:
    card()
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(GpuError, match="is built for the CPU only; install a build of torch for"):
        find_gpus()


def test_a_driver_too_old_for_the_build_says_so(card) -> None:
    def init() -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old\n(found version 11040).")

    card(init=init)
    with pytest.raises(GpuError, match=r"built for CUDA 13\.0.*too old \(found version 11040\)"):
        find_gpus()


def test_a_card_that_the_build_does_not_know_says_so(card) -> None:
    card(get_device_capability=lambda index: (6, 1))
    message = r"Some Gpu has compute capability 6\.1, but .* for sm_75, sm_80, sm_90; install"
    with pytest.raises(GpuError, match=message):
        find_gpus()


def test_a_card_that_does_not_compute_says_so(card) -> None:
    def synchronize(index: int) -> None:
        raise RuntimeError("CUDA error: all devices are busy")

    card(synchronize=synchronize)
    with pytest.raises(GpuError, match="all devices are busy"):
        find_gpus()


@pytest.mark.parametrize(
    ("share", "gigabytes", "left"), [(0.5, 80, 0.5 - 0.6 / 80), (0.25, 8, 0.25 - 0.6 / 8)]
)
def test_a_trials_share_of_memory_has_room_for_cudas_own(
    monkeypatch, share: float, gigabytes: int, left: float
) -> None:
    monkeypatch.setenv("PYTORCH_ALLOC_CONF", "")  # a user's own
    taken: list[float] = []
    card = SimpleNamespace(total_memory=gigabytes * 1000 * 2**20)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda index: card)
    monkeypatch.setattr("torch.cuda.set_per_process_memory_fraction", taken.append)
    limit_memory(share)
    assert taken == [pytest.approx(left)]
    assert os.environ["PYTORCH_ALLOC_CONF"] == ""


def test_a_share_is_not_lost_to_pieces_that_are_too_small() -> None:
    """Torch itself says how it will give out memory, in a process that has not used a GPU yet."""
    script = (
        "import torch; from types import SimpleNamespace\n"
        "torch.cuda.get_device_properties = lambda index: SimpleNamespace(total_memory=2**33)\n"
        "torch.cuda.set_per_process_memory_fraction = lambda share: None\n"
        "from trainers.gpus import limit_memory; limit_memory(0.5)\n"
        "print(torch._C._accelerator_getAllocatorSettings())"
    )
    clean = {name: value for name, value in os.environ.items() if "ALLOC_CONF" not in name}
    done = subprocess.run([sys.executable, "-c", script], env=clean, capture_output=True, text=True)
    assert done.stdout.strip() == "expandable_segments:True", done.stderr


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


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], tuple[bool, ...]]]:
    """What torch is set to: TF32 in products and convolutions, deterministic kernels in all and in
    convolutions, those chosen by timing. As it was, after the test."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    names = ("allow_tf32", "deterministic", "benchmark")
    before = matmul.allow_tf32, [getattr(cudnn, name) for name in names]
    exact, filled = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic
    monkeypatch.setattr(filled, "fill_uninitialized_memory", True)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    yield lambda: (
        matmul.allow_tf32,
        cudnn.allow_tf32,
        torch.are_deterministic_algorithms_enabled(),
        cudnn.deterministic,
        cudnn.benchmark,
    )
    matmul.allow_tf32 = before[0]
    for name, value in zip(names, before[1], strict=True):
        setattr(cudnn, name, value)
    torch.use_deterministic_algorithms(exact)


def test_float32_is_float32_on_a_gpu(tiny_config, digits: ImageData, settings) -> None:
    """Also after a trial in TF32."""
    with Watch():
        for precision, is_tf32 in (("tf32", True), ("float32", False), ("bfloat16", False)):
            Trainer(tiny_config(), digits, Execution("cuda", precision), OnDevice())
            assert settings()[:2] == (is_tf32, is_tf32)


def test_what_bit_for_bit_needs_on_a_gpu(tiny_config, digits: ImageData, settings) -> None:
    """Nothing of it stays for a trial that does not ask for it."""
    with Watch():
        Trainer(tiny_config(), digits, Execution("cuda", deterministic=True), OnDevice())
        assert settings()[2:] == (True, True, False)
        assert os.environ.pop("CUBLAS_WORKSPACE_CONFIG") == ":4096:8"
        Trainer(tiny_config(), digits, Execution("cuda"), OnDevice())
        assert settings()[2:] == (False, False, True)
        assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ


def test_the_cpu_is_left_as_it_is(tiny_config, digits: ImageData, settings) -> None:
    """It is bit for bit anyway, and some of its deterministic kernels are slower."""
    before = settings()
    Trainer(tiny_config(), digits, Execution(deterministic=True))
    assert settings() == before
