"""Training functions as a user would write them; each is read from this file by name."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch


def numbers(config: dict[str, Any], run: Any) -> Iterator[dict[str, float]]:
    """Sums of what three generators draw, and a rate that falls."""
    state = {"sum": 0.0, "rate": float(config["lr"])}
    for epoch in run.epochs(state=state):
        state["sum"] += random.random() + float(np.random.rand()) + float(torch.rand(()))
        state["rate"] /= 2
        yield {"val_top1": state["sum"], "train_loss": state["rate"] * epoch}
    return {"test_top1": state["sum"] + 1}


def forgetful(config: dict[str, Any], run: Any) -> Iterator[dict[str, float]]:
    """Its scheduler is not handed over."""
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=config["lr"])
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.5**epoch)
    for _ in run.epochs(model=model, optimizer=optimizer):
        loss = model(torch.ones(1, 2)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        yield {"val_top1": loss.item()}


def stops(config: dict[str, Any], run: Any) -> Iterator[dict[str, float]]:
    for epoch in run.epochs():
        if epoch == 2:
            run.stop()
        yield {"val_top1": float(epoch)}


def returns(config: dict[str, Any], run: Any) -> dict[str, float]:
    return {"val_top1": 1.0}


def unnamed(config: dict[str, Any], run: Any) -> Iterator[dict[str, float]]:
    for _ in run.epochs():
        yield {"accuracy": 1.0}


def texts(config: dict[str, Any], run: Any) -> Iterator[dict[str, Any]]:
    for _ in run.epochs():
        yield {"val_top1": "high"}


def silent(config: dict[str, Any], run: Any) -> Iterator[dict[str, float]]:
    for epoch in run.epochs():
        if epoch > 1:
            continue
        yield {"val_top1": 1.0}


def twice(config: dict[str, Any], run: Any) -> Iterator[dict[str, float]]:
    for _ in run.epochs():
        yield {"val_top1": 1.0}
        yield {"val_top1": 2.0}


def unrestorable(config: dict[str, Any], run: Any) -> Iterator[dict[str, float]]:
    best = 0.0
    for _ in run.epochs(best=best):
        yield {"val_top1": best}
