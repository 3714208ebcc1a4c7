"""What may be handed to run.epochs: read, kept in a checkpoint, and put back in place."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import SGDClassifier

from trainers.custom.state import flattened, restore, state_of
from trainers.runs.checkpoint import read_checkpoint, write_checkpoint


def estimator() -> SGDClassifier:
    model = SGDClassifier(random_state=0)
    return model.partial_fit([[0.0], [1.0]], [0, 1], classes=[0, 1])


def learn(model: SGDClassifier) -> None:
    model.partial_fit([[3.0], [-1.0]], [1, 0])


def step(layer: torch.nn.Linear) -> None:
    with torch.no_grad():
        layer.weight += 1


CASES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "module": (lambda: torch.nn.Linear(2, 1), step),
    "generator of torch": (torch.Generator, lambda g: torch.rand(3, generator=g)),
    "generator of NumPy": (lambda: np.random.default_rng(0), lambda g: g.random(3)),
    "older generator of NumPy": (lambda: np.random.RandomState(0), lambda g: g.rand(3)),
    "tensor": (lambda: torch.zeros(3), lambda t: t.add_(1)),
    "array": (lambda: np.zeros(3), lambda a: np.add(a, 1, out=a)),
    "dictionary": (lambda: {"best": 0.5, "curve": [1, 2]}, lambda d: d.update(best=0.7)),
    "dictionary with an array": (lambda: {"mean": np.zeros(2)}, lambda d: d.update(mean=1)),
    "list": (lambda: [1, 2], lambda a: a.append(3)),
    "estimator": (estimator, learn),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_kept_is_put_back_in_place(name: str, tmp_path: Path) -> None:
    make, change = CASES[name]
    value = make()
    before = dict(flattened("it", state_of(value)))
    write_checkpoint(tmp_path / "kept.pt", {"it": copy.deepcopy(state_of(value))})
    change(value)
    assert dict(flattened("it", state_of(value))) != before
    restore(value, read_checkpoint(tmp_path / "kept.pt")["it"])
    assert dict(flattened("it", state_of(value))) == before
    assert before
