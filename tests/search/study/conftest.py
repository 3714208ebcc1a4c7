"""Studies whose trials pause, in every kind of storage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
import pytest

from search.storage.storage import open_storage
from search.strategy.promotion import PromotionPruner, PromotionRule

RULE = PromotionRule(4)  # rungs 1, 3, 4


@pytest.fixture(params=["memory", "sqlite", "journal"])
def storage(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    if request.param == "memory":
        return optuna.storages.InMemoryStorage()
    name = {"sqlite": f"sqlite:///{tmp_path}/studies.db", "journal": f"{tmp_path}/j.log"}
    return open_storage(name[request.param])


@pytest.fixture
def promote(open_desk: Any) -> Callable[..., Any]:
    return lambda *args, **options: open_desk(*args, **{"pruner": PromotionPruner(RULE), **options})
