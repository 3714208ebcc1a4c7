"""Sharpness-aware minimisation: the gradient is taken where the loss is highest nearby.

Foret et al. 2021; report E. The base optimiser stays torch's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

TINY = 1e-12


class SAM:
    """Perturbs w to w + ε with ε = ρ · g / ‖g‖₂ over all parameters, and comes back.

    With ``adaptive``, ε = ρ · w² · g / ‖|w| · g‖₂, as report E writes it. The weights are kept
    aside, not subtracted back, so they return bit for bit.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], rho: float, adaptive: bool = False):
        self.parameters: list[Tensor] = [p for p in parameters if p.requires_grad]
        self.rho = rho
        self.adaptive = adaptive
        self._kept = [torch.empty_like(p) for p in self.parameters]

    @contextmanager
    def perturbed(self) -> Iterator[None]:
        """Return a context manager within which the weights are w + ε and gradients are cleared.
        Afterwards the weights are as before."""
        with torch.no_grad():
            torch._foreach_copy_(self._kept, self.parameters)
            torch._foreach_add_(self.parameters, self._perturbation())
            for parameter in self.parameters:
                parameter.grad = None
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self.parameters, self._kept)

    def _perturbation(self) -> tuple[Tensor, ...]:
        gradients = tuple(_gradient(p) for p in self.parameters)
        if self.adaptive:
            sizes = torch._foreach_abs(self.parameters)
            scaled = torch._foreach_mul(gradients, sizes)
            step = torch._foreach_mul(scaled, sizes)
        else:
            scaled = step = gradients
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(scaled)))
        return torch._foreach_mul(step, self.rho / (norm + TINY))


def _gradient(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
