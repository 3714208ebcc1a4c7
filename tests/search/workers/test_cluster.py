"""What differs between a cluster's nodes and the driver: told, or refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search.common.errors import UserError
from search.workers.cluster import NodeFacts, differences

DRIVER = {"torch": "2.14.1", "torch's build": "cu130", "Python": "3.11.7", "CUDA": "13.0"}
LIKE = NodeFacts("gpu1-1a2b3c4d", DRIVER, sees_results=True)


def test_nothing_is_said_of_nodes_like_the_driver() -> None:
    assert differences([LIKE, LIKE], DRIVER) == []


def test_each_other_version_is_told_in_one_line() -> None:
    other = replace(LIKE, versions={**DRIVER, "Python": "3.11.9", "CUDA": "12.8"})
    assert differences([LIKE, other], DRIVER) == [
        "node gpu1-1a2b3c4d has Python 3.11.9, the driver 3.11.7",
        "node gpu1-1a2b3c4d has CUDA 12.8, the driver 13.0",
    ]


def test_another_torch_is_refused() -> None:
    other = replace(LIKE, versions={**DRIVER, "torch": "2.9.0"})
    with pytest.raises(UserError, match=r"node gpu1-1a2b3c4d has torch 2\.9\.0.*install the same"):
        differences([other], DRIVER)


def test_a_node_that_does_not_see_the_results_is_refused() -> None:
    with pytest.raises(UserError, match=r"node gpu1-1a2b3c4d does not see the results folder"):
        differences([LIKE, replace(LIKE, sees_results=False)], DRIVER)
