"""What a check is given, and what it may say."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.common.errors import one_line
from trainers.config import TrainConfig

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
SHORT = 300  # characters of a reason

# A shallow one of each named model that has a depth, so that a step takes a moment on a CPU too.
DEPTHS = {"wide_resnet": 10, "resnet": 18, "cnn200": 4, "resnet200": 10}


@dataclass(frozen=True)
class Setting:
    """``folder`` is scratch, ``data`` the digits, prepared: 1,437 images of 32 x 32 pixels to
    train on. ``smallest`` only shows that a check works."""

    device: str
    smallest: bool
    folder: Path
    data: Path

    @property
    def cuda(self) -> bool:
        return self.device == "cuda"


Figures = dict[str, Any]
Check = Callable[[Setting], Figures]


class FailedError(Exception):
    """What was checked is not so."""


class SkippedError(Exception):
    """Nothing to check here; says why."""


@dataclass(frozen=True)
class Verdict:
    """``said`` is why it failed or was skipped."""

    result: str
    seconds: float
    said: str = ""
    figures: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        said = {"said": self.said} if self.said else {}
        return {"result": self.result, "seconds": self.seconds, **said, **(self.figures or {})}


def judge(check: Check, setting: Setting) -> Verdict:
    """What ``check`` comes to, whatever it raises."""
    start = time.perf_counter()
    result, said, figures = PASSED, "", None
    try:
        figures = check(setting)
    except SkippedError as reason:
        result, said = SKIPPED, str(reason)
    except Exception as error:
        kind = "" if isinstance(error, FailedError) else f"{type(error).__name__}: "
        result, said = FAILED, one_line(f"{kind}{error}")[:SHORT]
    return Verdict(result, round(time.perf_counter() - start, 1), said, figures)


def expect(condition: bool, otherwise: str) -> None:
    """Raises ``FailedError`` with what is wrong where ``condition`` does not hold."""
    if not condition:
        raise FailedError(otherwise)


def needs_gpu(setting: Setting, why: str) -> None:
    """Raises ``SkippedError`` on the CPU, where ``why`` is no question."""
    if not setting.cuda:
        raise SkippedError(f"on the CPU {why}")


def config(model: str, **options: Any) -> TrainConfig:
    """A quick setting of a named model."""
    depth = {"depth": DEPTHS[model]} if model in DEPTHS else {}
    width = {"width": 2} if model == "wide_resnet" else {}
    known = {"batch_size": 100, "lr": 0.01, "epochs": 3}
    return TrainConfig.from_mapping({"model": model, **depth, **width, **known, **options})
