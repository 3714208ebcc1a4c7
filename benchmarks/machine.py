"""On what a figure was measured, and with which versions."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from search.autotune.devices import cpu_count

PACKAGES = ("torch", "torchvision", "optuna", "ray", "numpy", "sqlalchemy")


def machine() -> dict[str, Any]:
    """Processor, cores, what it can do with bfloat16, and how busy it is."""
    facts = _cpu_facts()
    flags = facts.get("flags", "").split()
    return {
        "cpu": facts.get("model name") or platform.processor() or platform.machine(),
        "cores": cpu_count(),
        "bfloat16": [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags],
        "system": platform.system(),
        "load": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, Any]:
    """Of Python, and of those packages that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return {"versions": found}


def _cpu_facts() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}
