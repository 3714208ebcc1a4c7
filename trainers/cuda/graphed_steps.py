"""The steps of a training, each but the first few and each epoch's remainder replayed as one graph.

Eager, a small network leaves a fast GPU idle most of the time: it waits for the host to launch some
hundred kernels a step. A graph launches them at once. They are the same kernels on the same
numbers, so the curve is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from trainers.batches import Batches
from trainers.config import TrainConfig
from trainers.cuda.memory import obtainable
from trainers.cuda.step_program import StepProgram, Update, as_taken
from trainers.models import MODELS

WARM_UP = 3  # steps, as torch advises: kernels are chosen, momenta and averages begin


Step = tuple[Tensor, Tensor, Tensor]  # loss, logits and labels


class Graph(Protocol):
    """A graph of work on the GPU that is launched at once."""

    def warm_up(self, work: Callable[[], None]) -> None:
        """Runs ``work``, which is to be captured, where it will be captured."""

    def forget_peak(self) -> int:
        """Begins the peak of memory anew; the most that was reserved before, in bytes."""

    def lack_of_memory(self) -> int:
        """Return the bytes that are missing for a graph of what has run since the peak was reset,
        beside what else runs."""

    def capture(self, work: Callable[[], None]) -> None:
        """Records ``work``, which does not run."""

    def replay(self) -> None:
        """Runs what was recorded, on the same memory."""


class CudaGraph:
    """torch's CUDA graph, with a stream of its own to capture on; its memory is freed with it."""

    def __init__(self) -> None:
        self._graph = torch.cuda.CUDAGraph()
        self._stream = torch.cuda.Stream()

    def warm_up(self, work: Callable[[], None]) -> None:
        before = torch.cuda.current_stream()
        self._stream.wait_stream(before)
        with torch.cuda.stream(self._stream):
            work()
        before.wait_stream(self._stream)

    def forget_peak(self) -> int:
        peak = torch.cuda.max_memory_reserved()
        torch.cuda.reset_peak_memory_stats()
        return peak

    def lack_of_memory(self) -> int:
        """Return how many bytes are missing for a graph. Its memory is its own: the last batch of
        an epoch and the validation need as much again at most."""
        return max(0, 2 * torch.cuda.max_memory_allocated() - obtainable())

    def capture(self, work: Callable[[], None]) -> None:
        mode = "thread_local"  # what other threads do is no part of it
        try:
            with torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode=mode):
                work()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise RuntimeError(
                f"a step cannot be captured as a CUDA graph here ({error}); --no-graph trains "
                "without, to the same figures"
            ) from error

    def replay(self) -> None:
        self._graph.replay()


def why_eager(config: TrainConfig, batches: Batches) -> str:
    """Return why no step of ``config`` can be captured; empty where it can."""
    reasons = {
        "the CPU has no graphs": batches.device.type == "cpu",
        "several processes share each step": batches.ranks.size > 1,
        "what a network of another's asks of the host is not known": config.model not in MODELS,
        "the host draws the policy of each image": config.policy != "none",
        "the host draws how images are mixed": bool(config.mixup or config.cutmix),
        "the host gathers the images, which do not fit": batches.home != batches.device,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


class GraphedSteps:
    """Trains epochs of ``batches`` step by step. The first steps of a training are its warm-up, so
    there is nothing to put back; what is captured is captured once. Where there is not the memory
    for a graph, all are run.

    ``lack`` is how much was missing, ``peak_before`` the most that was reserved before the peak
    began anew, in bytes.
    """

    def __init__(self, batches: Batches, size: int, classes: int, graph: Graph | None = None):
        self._batches = batches
        self._size = size
        self._program = StepProgram(batches, size, classes)
        self._graph = graph or CudaGraph()
        self._done = 0
        self.captured = False
        self.lack = 0
        self.peak_before = 0

    def epoch(
        self, indices: Tensor, epoch: int, rates: Sequence[float], update: Update
    ) -> Iterator[Step]:
        """Yield each step of an epoch of the images ``indices``, one rate per step."""
        self._program.begin(*self._batches.drawn(indices, epoch), rates)
        taken = as_taken(rates, self._batches.device).tolist()
        for step, (start, stop) in enumerate(self._batches.bounds(len(indices))):
            self._batches.on_batch()
            if stop - start == self._size:
                self._advance(update)
                yield self._program.loss, *self._program.result(step)
            else:
                images, labels = self._program.part(start, stop)
                yield *update(images, labels, taken[step]), labels

    def _advance(self, update: Update) -> None:
        def work() -> None:
            self._program.run(update)

        if self._done == WARM_UP:
            self.lack = self._graph.lack_of_memory()
            if not self.lack:
                self._graph.capture(work)
                self.captured = True
        if self.captured:
            self._graph.replay()
        else:
            self._graph.warm_up(work)
        self._done += 1
        if self._done == 1:  # the search for kernels is over, which takes more than any step
            self.peak_before = self._graph.forget_peak()
