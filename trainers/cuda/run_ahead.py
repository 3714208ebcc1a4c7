"""Keeps the host close to the GPU, and looks at the loss without making the GPU wait."""

from __future__ import annotations

import torch
from torch import Tensor

STEPS_A_MARK = 8
MARKS_AHEAD = 2


class RunAhead:
    """Marks every eighth step on the GPU; at each mark the host waits for the one two before it.

    Without it the host would launch a whole epoch of graphs in some hundredths of a second and then
    wait: all that is asked of it between steps (is the trial pruned, does it still run, has its
    loss exploded) would be an epoch late. So it is never more than 24 steps ahead, and continues
    while the GPU still has 16 to do.
    """

    def __init__(self) -> None:
        self._steps = 0
        self._events = [torch.cuda.Event(blocking=True) for _ in range(1 + MARKS_AHEAD)]
        self._losses = torch.zeros(len(self._events), pin_memory=True)

    def step(self, loss: Tensor) -> float | None:
        """To be called after each step with its ``loss`` (one number on the GPU). At a mark:
        returns the loss of the step two marks earlier, once the GPU is through with that."""
        self._steps += 1
        mark, between = divmod(self._steps, STEPS_A_MARK)
        if between:
            return None
        place = mark % len(self._events)
        self._losses[place].copy_(loss, non_blocking=True)
        self._events[place].record()
        if mark <= MARKS_AHEAD:
            return None
        oldest = (mark - MARKS_AHEAD) % len(self._events)
        self._events[oldest].synchronize()
        return float(self._losses[oldest])
