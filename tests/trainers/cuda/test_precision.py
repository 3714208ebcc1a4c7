"""How a GPU is set to round, to repeat itself, and to choose its kernels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import groupby

import pytest
import torch

from tests.trainers.cuda.fake_tensors import fake_tensors
from trainers.cuda.torch_internals import set_deterministic
from trainers.data import ImageData
from trainers.execution import Execution
from trainers.models.wide_resnet import WideResNet
from trainers.trainer import Trainer


@pytest.fixture
def settings(card, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], tuple[bool, ...]]]:
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
    set_deterministic(exact)


def test_float32_is_float32_on_a_gpu(tiny_config, digits: ImageData, settings) -> None:
    """Also after a trial in TF32."""
    with fake_tensors():
        for precision, is_tf32 in (("tf32", True), ("float32", False), ("bfloat16", False)):
            Trainer(tiny_config(), digits, Execution("cuda", precision))
            assert settings()[:2] == (is_tf32, is_tf32)


def test_what_bit_for_bit_needs_on_a_gpu(tiny_config, digits: ImageData, settings) -> None:
    """Nothing of it stays for a trial that does not ask for it."""
    with fake_tensors():
        Trainer(tiny_config(), digits, Execution("cuda", deterministic=True))
        assert settings()[2:] == (True, True, False)
        assert os.environ.pop("CUBLAS_WORKSPACE_CONFIG") == ":4096:8"
        Trainer(tiny_config(), digits, Execution("cuda"))
        assert settings()[2:] == (False, False, False)
        assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("graph", [False, True])
def test_kernels_are_chosen_by_timing_for_whole_batches_alone(
    tiny_config, digits: ImageData, settings, monkeypatch, graph: bool, deterministic: bool
) -> None:
    """Not for the 20 images that are left over, nor for validation, test, or a summary: each would
    have cuDNN time kernels for shapes that hardly come back."""
    passes: list[tuple[int, bool]] = []
    forward = WideResNet.forward

    def noted(self: WideResNet, images: torch.Tensor) -> torch.Tensor:
        passes.append((len(images), settings()[4]))
        return forward(self, images)

    monkeypatch.setattr(WideResNet, "forward", noted)
    with fake_tensors():
        execution = Execution("cuda", graph=graph, deterministic=deterministic)
        trainer = Trainer(tiny_config(batch_size=25, optimizer="sam"), digits, execution)
        trainer.train_epoch()
        trainer.test()
    timed = not deterministic
    whole, left_over, validated, tested = (passed for passed, _ in groupby(passes))
    assert (whole, left_over) == ((25, timed), (20, False))
    assert (validated, tested) == ((30, False), (50, False))


def test_the_cpu_is_left_as_it_is(tiny_config, digits: ImageData, settings) -> None:
    """It is bit for bit anyway, and some of its deterministic kernels are slower."""
    before = settings()
    Trainer(tiny_config(), digits, Execution(deterministic=True)).train_epoch()
    assert settings() == before


def test_determinism_is_what_torch_makes_of_it() -> None:
    """Of a function of torch's that is not public, what is relied on."""
    before = torch.are_deterministic_algorithms_enabled()
    try:
        for exact in (True, False):
            set_deterministic(exact)
            assert torch.are_deterministic_algorithms_enabled() is exact
            assert not torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        set_deterministic(before)
