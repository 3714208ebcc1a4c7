"""What tests with workers in Ray share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def workers_without_torch() -> Iterator[None]:
    """Where nothing is trained, a worker need not import what trains before it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_preload_python_modules", "ray.tune,search.workers.worker")
        yield
