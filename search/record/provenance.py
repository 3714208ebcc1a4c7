"""Where a study begins: packages, machine and command."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from search.record.record import Provenance

_PACKAGES = ("sharpsearch", "torch", "torchvision", "optuna", "ray", "numpy")


def provenance_here(command: str = "", storage: str = "") -> Provenance:
    """Of this process; ``command`` and ``storage`` are without passwords."""
    machine = f"{platform.node()}, {platform.machine()}, {platform.system()}"
    return Provenance(command, storage, _package_versions(), platform.python_version(), machine)


def _package_versions() -> dict[str, str]:
    """Installed versions of what a curve depends on."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
