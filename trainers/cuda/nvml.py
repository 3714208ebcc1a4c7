"""NVIDIA's management library (NVML), which is opened from here alone. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Answer = TypeVar("Answer")


def ask_nvml(question: Callable[[Any], Answer], otherwise: Answer) -> Answer:
    """Return what ``question`` makes of the module ``pynvml``; ``otherwise`` where there is no
    driver, or where that does not answer."""
    import pynvml

    try:
        pynvml.nvmlInit()
        try:
            return question(pynvml)
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return otherwise
