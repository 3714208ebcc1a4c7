"""Training functions as a user would write them; each is read from this file by name."""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset


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


class Stopper:
    """Early stopping as many write it."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, score: float) -> bool:
        self.calls += 1
        return self.calls > 99


def late(config: dict[str, Any], run: Any) -> Iterator[dict[str, float]]:
    """What it forgets acts after the check's two epochs only: a step of the rate, early stopping,
    a frozen teacher that need not be kept, counters; and what is no state at all."""
    model, teacher = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2).requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=config["lr"])
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    criterion, weights, seen = torch.nn.CrossEntropyLoss(), list(model.parameters()), []
    best, bad, stopper, window = 0.0, 0, Stopper(), deque(maxlen=2)
    drawn, fixed = torch.Generator(), torch.arange(2)
    loader = DataLoader(TensorDataset(torch.eye(2)), generator=drawn, shuffle=True)
    for epoch in run.epochs(model=model, optimizer=optimizer):
        window.append(epoch)
        total = 0.0
        for (row,) in loader:
            target = teacher(row)[:, fixed]
            loss = criterion(model(row), target.softmax(1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        scheduler.step()
        score = sum(weight.sum().item() for weight in weights) + epoch
        if score > best:
            best, bad = score, 0
        else:
            bad += 1
        if bad > 2 or stopper(score):
            run.stop()
        seen.append(total)
        yield {"val_top1": score, "val/f1": best, "note": "a text", "nothing": None}


def delegates(config: dict[str, Any], run: Any) -> Iterator[dict[str, float]]:
    """Its loop is another function's, and its counter the module's; all is handed over else."""
    yield from _loop(run, {"rate": 1.0})


COUNTS = {"epochs": 0}


def _loop(run: Any, state: dict[str, float]) -> Iterator[dict[str, float]]:
    steps = 0
    for _ in run.epochs(state=state):
        steps += 3
        COUNTS["epochs"] += 1
        yield {"val_top1": state["rate"]}


def places(config: dict[str, Any], run: Any) -> Iterator[dict[str, float]]:
    for epoch in run.epochs():
        (run.folder / f"mine-{epoch}.txt").write_text(f"trial {run.number}")
        yield {"val_top1": 1.0}


def nameless(config: dict[str, Any], run: Any) -> Iterator[dict[str, float]]:
    for _ in run.epochs():
        yield {"val_top1": 1.0, "seconds": 1.0}


def exits(config: dict[str, Any], run: Any) -> Iterator[dict[str, float]]:
    for _ in run.epochs():
        sys.exit("no data")
        yield {}


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
