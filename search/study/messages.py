"""What the driver tells a worker, and what a worker tells the driver. Plain values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Task:
    """One trial to train: everything a worker needs to know.

    ``reported`` epochs are in the study already; the worker starts telling after them. Where it
    runs ``alone``, no other trial of this driver is at work, and a GPU's memory is all its own.
    ``data_folder`` is where the driver has the prepared data, whose contents ``fingerprint`` says.
    ``folder`` is the trial's; results that lie at ``url`` have it under ``name`` there.
    """

    number: int
    config: Mapping[str, Any]
    execution: Mapping[str, Any]
    data_folder: str
    folder: str
    reported: int = 0
    alone: bool = False
    fingerprint: str = ""
    url: str = ""
    name: str = ""


@dataclass(frozen=True)
class EpochDone:
    """One epoch: ``result`` is an ``EpochResult`` as a mapping, ``usage`` the cost so far."""

    result: Mapping[str, Any]
    usage: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Completed:
    """All epochs are trained; ``figures`` are those of the test set and the cost."""

    figures: Mapping[str, Any]


@dataclass(frozen=True)
class Diverged:
    """The loss exploded in ``epoch``."""

    reason: str
    epoch: int


@dataclass(frozen=True)
class OutOfMemory:
    """There is too little memory, the host's or, with ``device``, the GPU's."""

    reason: str
    device: bool = False


@dataclass(frozen=True)
class Failed:
    """The trial raised; ``traceback`` goes into its folder."""

    reason: str
    traceback: str = ""


@dataclass(frozen=True)
class Blocked:
    """The machine, not the trial, is at fault: a full disk, data that is gone. The trial stays
    RUNNING and is resumed by the next start."""

    reason: str


@dataclass(frozen=True)
class DeviceLost:
    """The GPU answers this process no more, so it ends; the trial continues in another one."""

    reason: str


@dataclass(frozen=True)
class Remark:
    """Something for the reader, such as a checkpoint that was passed over."""

    text: str


Message = EpochDone | Completed | Diverged | OutOfMemory | Failed | Blocked | DeviceLost | Remark
Ending = Completed | Diverged | OutOfMemory | Failed | Blocked
