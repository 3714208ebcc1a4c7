"""The table of checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CORRECTNESS, SPEED = HALVES = ("correctness", "speed")


@dataclass(frozen=True)
class Check:
    """``function`` is "MODULE:FUNCTION"; ``limit`` in seconds. One that is ``alone`` has the
    machine to itself, since it measures; the others of a half run side by side before it."""

    half: str
    function: str
    limit: float
    alone: bool = True


def _check(half: str, function: str, limit: float, alone: bool = True) -> Check:
    return Check(half, f"benchmarks.gpu_check.{function}", limit, alone)


CHECKS: Mapping[str, Check] = {
    "reached": _check(CORRECTNESS, "arithmetic:reached", 60, alone=False),
    "precision": _check(CORRECTNESS, "arithmetic:precision", 60, alone=False),
    "curves": _check(CORRECTNESS, "arithmetic:curves", 150, alone=False),
    "waits": _check(CORRECTNESS, "arithmetic:waits", 120, alone=False),
    "graphs": _check(CORRECTNESS, "repeatable:graphs", 180, alone=False),
    "bit_for_bit": _check(CORRECTNESS, "repeatable:bit_for_bit", 180, alone=False),
    "failing_trials": _check(CORRECTNESS, "repeatable:failing_trials", 90, alone=False),
    "data_parallel": _check(CORRECTNESS, "repeatable:data_parallel", 90, alone=False),
    "nvml": _check(CORRECTNESS, "nvml:nvml", 40),
    "ceilings": _check(SPEED, "throughput:ceilings", 20),
    "small_cnn": _check(SPEED, "throughput:small_cnn", 40),
    "resnet9": _check(SPEED, "throughput:resnet9", 40),
    "wide_resnets": _check(SPEED, "throughput:wide_resnets", 60),
    "full_scale": _check(SPEED, "whole_training:full_scale", 75),
    "warm_start": _check(SPEED, "whole_training:warm_start", 40),
    "profile": _check(SPEED, "whole_training:profile", 40),
    "trials_at_once": _check(SPEED, "sharing:trials_at_once", 60),
    "energy": _check(SPEED, "sharing:energy", 30),
    "search": _check(SPEED, "whole_search:search", 90),
}
