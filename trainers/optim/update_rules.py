"""torch's SGD and AdamW without torch's optimiser class.

The algorithms are torch's own, in their functional form and fused. The class around them imports
torch's compiler when it is made, 892 modules, which takes every worker about as long as importing
torch itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

EPS = 1e-8  # torch's own default


class UpdateRule:
    """An update rule. ``lr`` may be changed between steps, also to a tensor. Parameters without a
    gradient are left alone; which ones those are must not change."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float):
        self.lr: float | Tensor = lr
        self._parameters: list[Tensor] = list(parameters)

    def zero_grad(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    def _with_gradient(self) -> tuple[list[int], list[Tensor], list[Tensor]]:
        """Return places, parameters and gradients of what has a gradient."""
        pairs = [(i, p, p.grad) for i, p in enumerate(self._parameters)]
        chosen = [(i, p, grad) for i, p, grad in pairs if grad is not None]
        return [i for i, _, _ in chosen], [p for _, p, _ in chosen], [g for _, _, g in chosen]


class SGD(UpdateRule):
    """Momentum, Nesterov's if asked, and an L2 penalty in the gradient; see ``torch.optim.SGD``."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, lr)
        self._momenta: list[Tensor | None] = [None for _ in self._parameters]
        self._momentum = momentum
        self._nesterov = nesterov
        self._weight_decay = weight_decay

    @torch.no_grad()
    def step(self) -> None:
        chosen, parameters, gradients = self._with_gradient()
        momenta = [self._momenta[i] for i in chosen]
        sgd(
            parameters,
            gradients,
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
        """Return the momentum of each parameter, None before the first step; live, not copied."""
        return {"momenta": list(self._momenta)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._momenta = [
            None if momentum is None else momentum.to(parameter.device)
            for parameter, momentum in zip(self._parameters, state["momenta"], strict=True)
        ]


class AdamW(UpdateRule):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019); see ``torch.optim.AdamW``."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        beta1: float = 0.9,
        beta2: float = 0.999,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, lr)
        self._means = [torch.zeros_like(p) for p in self._parameters]
        self._squares = [torch.zeros_like(p) for p in self._parameters]
        self._steps = [p.new_zeros((), dtype=torch.float32) for p in self._parameters]
        self._betas = beta1, beta2
        self._weight_decay = weight_decay

    @torch.no_grad()
    def step(self) -> None:
        chosen, parameters, gradients = self._with_gradient()
        adamw(
            parameters,
            gradients,
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
        """Return the means of gradients and of their squares, and steps, of each parameter; not
        copied."""
        return {"means": self._means, "squares": self._squares, "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for mine, name in (
            (self._means, "means"),
            (self._squares, "squares"),
            (self._steps, "steps"),
        ):
            for tensor, value in zip(mine, state[name], strict=True):
                tensor.copy_(value)
