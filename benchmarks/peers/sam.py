"""Per-tensor SAM and the loop around it, after the implementation that report E follows.

Structure of https://github.com/davda54/sam (example/train.py and sam.py): one small operation
per parameter tensor, the weights kept in the optimiser's state.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader


class SAM(torch.optim.Optimizer):
    """Sharpness-aware minimisation over SGD."""

    def __init__(self, parameters: Iterable[nn.Parameter], rho: float, **options: Any):
        super().__init__(parameters, {"rho": rho, **options})
        self.base_optimizer = torch.optim.SGD(self.param_groups, **options)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def first_step(self) -> None:
        norm = self._grad_norm()
        for group in self.param_groups:
            scale = group["rho"] / (norm + 1e-12)
            for p in group["params"]:
                if p.grad is not None:
                    self.state[p]["old_p"] = p.data.clone()
                    p.add_(p.grad * scale)
        self.zero_grad()

    @torch.no_grad()
    def second_step(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.data = self.state[p]["old_p"]
        self.base_optimizer.step()
        self.zero_grad()

    def _grad_norm(self) -> Tensor:
        norms = [
            p.grad.norm(p=2)
            for group in self.param_groups
            for p in group["params"]
            if p.grad is not None
        ]
        return torch.norm(torch.stack(norms), p=2)


class SmoothedKL(nn.Module):
    """Report E's loss: label smoothing with ε/(K − 1) off the label, as a KL divergence."""

    def __init__(self, smoothing: float):
        super().__init__()
        self.smoothing = smoothing

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        classes = logits.size(1)
        target = torch.full_like(logits, self.smoothing / (classes - 1))
        target.scatter_(1, labels.unsqueeze(1), 1 - self.smoothing)
        log_p = nn.functional.log_softmax(logits, dim=1)
        return nn.functional.kl_div(log_p, target, reduction="batchmean")


def train_epoch(model: nn.Module, loader: DataLoader, loss: nn.Module, optimizer: SAM) -> float:
    """One epoch of two passes a batch; BatchNorm's statistics follow the first pass only."""
    model.train()
    running_loss = 0.0
    for images, labels in loader:
        _running_statistics(model, True)
        batch_loss = loss(model(images), labels)
        batch_loss.backward()
        optimizer.first_step()
        _running_statistics(model, False)
        loss(model(images), labels).backward()
        optimizer.second_step()
        running_loss += batch_loss.item()
    return running_loss / len(loader)


def _running_statistics(model: nn.Module, enabled: bool) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            if not enabled:
                module.backup_momentum = module.momentum  # type: ignore[assignment]
                module.momentum = 0
            elif hasattr(module, "backup_momentum"):
                module.momentum = module.backup_momentum  # type: ignore[assignment]
