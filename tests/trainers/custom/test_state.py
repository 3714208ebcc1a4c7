"""What may be handed to run.epochs: kept in a checkpoint, and put back in place, or refused."""

from __future__ import annotations

import copy
import random
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import SGDClassifier

from trainers.custom.state import expanded, flattened, keep, put_back
from trainers.runs.checkpoint import read_checkpoint, write_checkpoint

Change = Callable[[Any], Any]


@dataclass
class Stopper:
    best: float = 0.0
    seen: list[float] = field(default_factory=list)

    def see(self) -> None:
        self.best += 1
        self.seen.append(self.best)


@dataclass(slots=True)
class Slotted:
    best: float = 0.0


class Grown(deque):  # type: ignore[type-arg]
    pass


class Handle:
    """As a library's object: it frees memory of its own, and pickles it as bytes."""

    freed: list[int] = []  # noqa: RUF012

    def __init__(self) -> None:
        self.memory = [1.0]

    def __del__(self) -> None:
        Handle.freed.append(id(self.memory))
        self.memory.clear()

    def __getstate__(self) -> dict[str, Any]:
        return {"raw": repr(self.memory)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.memory = eval(state["raw"])


def scheduled(name: str, *options: Any) -> tuple[Callable[[], Any], Change]:
    """A schedule of an optimiser."""

    def make() -> Any:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=0.1)
        return getattr(torch.optim.lr_scheduler, name)(optimizer, *options)

    def step(made: Any) -> None:
        made.optimizer.step()
        made.step()

    return make, step


def scaler() -> tuple[Callable[[], Any], Change]:
    def overflow(made: Any) -> None:
        state = made.state_dict()
        made.load_state_dict({**state, "scale": state["scale"] / 2})

    return lambda: torch.amp.GradScaler("cpu"), overflow


def fitted(model: Any) -> Any:
    return model.fit([[0.0], [1.0], [2.0]], [0, 1, 0])


def plus_one(layer: torch.nn.Linear) -> None:
    with torch.no_grad():
        layer.weight += 1


CASES: dict[str, tuple[Callable[[], Any], Change]] = {
    "module": (lambda: torch.nn.Linear(2, 1), plus_one),
    "step schedule": scheduled("StepLR", 3),
    "cosine schedule": scheduled("CosineAnnealingLR", 9),
    "scaler": scaler(),
    "generator of torch": (torch.Generator, lambda g: torch.rand(3, generator=g)),
    "generator of Python": (lambda: random.Random(0), lambda g: g.random()),
    "generator of NumPy": (lambda: np.random.default_rng(0), lambda g: g.random(3)),
    "bits of NumPy": (lambda: np.random.MT19937(0), lambda g: g.random_raw()),
    "older generator of NumPy": (lambda: np.random.RandomState(0), lambda g: g.rand(3)),
    "tensor": (lambda: torch.zeros(3), lambda t: t.add_(1)),
    "number in a tensor": (lambda: torch.tensor(0.5), lambda t: t.add_(1)),
    "parameter": (lambda: torch.nn.Parameter(torch.zeros(3)), lambda t: t.data.add_(1)),
    "array": (lambda: np.zeros(3), lambda a: np.add(a, 1, out=a)),
    "number in an array": (lambda: np.zeros(()), lambda a: np.add(a, 1, out=a)),
    "dictionary": (lambda: {"best": 0.5, "curve": [1, 2]}, lambda d: d.update(best=0.7)),
    "dictionary with an array": (lambda: {"mean": np.zeros(2)}, lambda d: d.update(mean=1)),
    "list": (lambda: [1, 2], lambda a: a.append(3)),
    "set": (lambda: {"a", "b"}, lambda a: a.add("c")),
    "counter": (lambda: Counter("aab"), lambda c: c.update("b")),
    "defaultdict": (lambda: defaultdict(list, a=[1]), lambda d: d["b"].append(1)),
    "ordered": (lambda: OrderedDict(a=1), lambda d: d.update(b=2)),
    "deque": (lambda: deque([1, 2], maxlen=2), lambda d: d.append(3)),
    "own deque": (lambda: Grown([1, 2]), lambda d: d.append(3)),
    "numbers": (lambda: array("d", [1, 2]), lambda a: a.append(3)),
    "dataclass": (Stopper, Stopper.see),
    "dataclass with slots": (Slotted, lambda s: setattr(s, "best", 1.0)),
    "estimator": (
        lambda: fitted(SGDClassifier(random_state=0)),
        lambda m: m.fit([[0], [1]], [1, 0]),
    ),
    "forest": (lambda: RandomForestClassifier(2, random_state=0), fitted),
    "handle": (Handle, lambda h: h.memory.append(2.0)),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_kept_is_put_back_in_place(name: str, tmp_path: Path) -> None:
    make, change = CASES[name]
    value = make()
    before = flattened(copy.deepcopy(keep({"it": value})))
    write_checkpoint(tmp_path / "kept.pt", keep({"it": value}))
    change(value)
    assert flattened(keep({"it": value})) != before
    put_back({"it": value}, read_checkpoint(tmp_path / "kept.pt"))
    assert flattened(keep({"it": value})) == before


def test_a_handle_is_freed_once_and_stays_in_use() -> None:
    """Its class is never made anew: the other one would free the memory of both."""
    value = Handle()
    kept = keep({"it": value})
    Handle.freed.clear()
    put_back({"it": value}, kept)
    assert Handle.freed == []
    assert value.memory == [1.0]


def test_what_is_shared_stays_shared() -> None:
    """A trainer that holds the network, and containers of networks, have the function's own."""
    one, two, trainer = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1), Stopper()
    trainer.net, trainer.me = one, trainer  # type: ignore[attr-defined]
    objects = {"trainer": trainer, "net": one, "nets": [one, two], "parts": {"a": two, "best": 1.0}}
    handed = expanded(objects)
    kept = copy.deepcopy(keep(handed))
    weight = two.weight.item()
    plus_one(two)
    handed["parts"]["best"] = 2.0
    put_back(handed, kept)
    assert (trainer.net, trainer.me) == (one, trainer)  # type: ignore[attr-defined]
    assert (objects["nets"], objects["parts"]) == ([one, two], {"a": two, "best": 1.0})
    assert two.weight.item() == weight


def test_what_a_list_was_given_since_is_made_anew() -> None:
    models: list[Any] = []
    handed = expanded({"models": models})
    models.append(fitted(SGDClassifier(random_state=0)))
    kept = keep(handed)
    coefficients = models.pop().coef_
    put_back(expanded({"models": models}), kept)
    np.testing.assert_array_equal(models[0].coef_, coefficients)


class Freed:
    """What it frees, pickle would hand to another process as a mere number."""

    def __init__(self) -> None:
        self.handle = 140_000

    def __del__(self) -> None: ...


@pytest.mark.parametrize(
    "value",
    [0.5, "text", None, (1, 2), np.float64(1), len, lambda: 1, torch.nn.Linear, Freed()],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_put_back_is_refused_by_name(value: Any) -> None:
    with pytest.raises(TypeError, match=r"run\.epochs cannot keep it=.*; hand over a dictionary"):
        keep({"it": value})
