"""torch's SGD without torch's optimiser class.

The algorithm is torch's own, in its functional form and fused. The class around it would import
torch's compiler with its first step, which takes every worker longer than torch itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd


class SGD:
    """Momentum, Nesterov's if asked, and an L2 penalty in the gradient; see ``torch.optim.SGD``.

    ``lr`` may be changed between steps, also to a tensor. Parameters without a gradient are left
    alone; which ones those are must not change.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ):
        self.lr: float | Tensor = lr
        self._parameters: list[Tensor] = list(parameters)
        self._momenta: list[Tensor | None] = [None for _ in self._parameters]
        self._momentum = momentum
        self._nesterov = nesterov
        self._weight_decay = weight_decay

    def zero_grad(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        chosen = [i for i, parameter in enumerate(self._parameters) if parameter.grad is not None]
        momenta = [self._momenta[i] for i in chosen]
        sgd(
            [self._parameters[i] for i in chosen],
            [self._parameters[i].grad for i in chosen],  # type: ignore[misc]
            momenta,
            fused=True,
            weight_decay=self._weight_decay,
            momentum=self._momentum,
            lr=self.lr,
            dampening=0.0,
            nesterov=self._nesterov,
            maximize=False,
        )
        for i, momentum in zip(chosen, momenta, strict=True):
            self._momenta[i] = momentum

    def state_dict(self) -> dict[str, Any]:
        """The momentum of each parameter, None before the first step; live, not copied."""
        return {"momenta": list(self._momenta)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._momenta = [
            None if momentum is None else momentum.to(parameter.device)
            for parameter, momentum in zip(self._parameters, state["momenta"], strict=True)
        ]
