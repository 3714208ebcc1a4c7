"""torch's AdamW without torch's optimiser class, as in ``trainers.optim.sgd``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

EPS = 1e-8  # torch's own default


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019); see ``torch.optim.AdamW``.

    ``lr`` may be changed between steps, also to a tensor. Parameters without a gradient are left
    alone.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        beta1: float = 0.9,
        beta2: float = 0.999,
        weight_decay: float = 0.0,
    ):
        self.lr: float | Tensor = lr
        self._parameters: list[Tensor] = list(parameters)
        self._means = [torch.zeros_like(p) for p in self._parameters]
        self._squares = [torch.zeros_like(p) for p in self._parameters]
        self._steps = [p.new_zeros((), dtype=torch.float32) for p in self._parameters]
        self._betas = beta1, beta2
        self._weight_decay = weight_decay

    def zero_grad(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        chosen = [i for i, parameter in enumerate(self._parameters) if parameter.grad is not None]
        adamw(
            [self._parameters[i] for i in chosen],
            [self._parameters[i].grad for i in chosen],  # type: ignore[misc]
            [self._means[i] for i in chosen],
            [self._squares[i] for i in chosen],
            [],
            [self._steps[i] for i in chosen],
            fused=True,
            amsgrad=False,
            beta1=self._betas[0],
            beta2=self._betas[1],
            lr=self.lr,
            weight_decay=self._weight_decay,
            eps=EPS,
            maximize=False,
        )

    def state_dict(self) -> dict[str, Any]:
        """Means of gradients and of their squares, and steps, of each parameter; not copied."""
        return {"means": self._means, "squares": self._squares, "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pairs = zip(
            (self._means, self._squares, self._steps),
            (state["means"], state["squares"], state["steps"]),
            strict=True,
        )
        for mine, kept in pairs:
            for tensor, value in zip(mine, kept, strict=True):
                tensor.copy_(value)
