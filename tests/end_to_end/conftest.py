"""What tests with workers in Ray, and with many databases, share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.search.conftest import optunas_migrations, quiet_optuna  # noqa: F401


@pytest.fixture(scope="module")
def work_travels_by_value(request: pytest.FixtureRequest) -> Iterator[None]:
    """Workers cannot import the file of a test."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(request.module)
    yield
    cloudpickle.unregister_pickle_by_value(request.module)


@pytest.fixture(scope="module")
def workers_without_torch() -> Iterator[None]:
    """Where nothing is trained, a worker need not import what trains before it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_preload_python_modules", "ray.tune,search.workers.worker")
        yield
