"""A process with this folder in PYTHONPATH finds a GPU, that of ``fake_card``, from its start.

Python imports this module by itself. Each library gets its part when it has been imported; a thread
computes on tensors without contents from its first use of the card on.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from tests.trainers.cuda.fake_card import FakeCard, insert_nvml, insert_torch

CARD = FakeCard()
NVML = "pynvml", "ray._private.thirdparty.pynvml.pynvml"
HERE = threading.local()


def put(owner: Any, name: str, value: Any, raising: bool = True) -> None:
    setattr(owner, name, value)


def into_torch(torch: ModuleType) -> None:
    insert_torch(CARD, put)
    CARD.on_use = begin


def begin() -> None:
    """This thread's tensors of the card are from now on without contents."""
    if not hasattr(HERE, "fake"):
        from tests.trainers.cuda.fake_tensors import fake_tensors

        HERE.fake = fake_tensors()
        HERE.fake.__enter__()


class AfterImport(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports what others find, and does something to it then."""

    def __init__(self, then: dict[str, Callable[[ModuleType], None]]):
        self._then, self._theirs = then, {}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in self._then or name in self._theirs:
            return None
        self._theirs[name] = None
        spec = importlib.util.find_spec(name)
        self._theirs[name], spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Any:
        return self._theirs[spec.name].create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._theirs[module.__name__].exec_module(module)
        self._then[module.__name__](module)


def into_nvml(pynvml: ModuleType) -> None:
    insert_nvml(CARD, put, pynvml)


sys.meta_path.insert(0, AfterImport({"torch": into_torch, **dict.fromkeys(NVML, into_nvml)}))
