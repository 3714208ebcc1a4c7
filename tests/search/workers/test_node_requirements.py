"""Which nodes of a cluster may train a study, and how many trials each has room for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search.workers.node_facts import NodeFacts
from search.workers.node_requirements import Needs, remarks, room, why_unfit
from tests.search.workers.made_up_nodes import CPU, H100, LIKE, ON_CPU, ON_GPU, VERSIONS
from trainers.execution import Execution

BFLOAT16 = replace(ON_CPU, execution=Execution(precision="bfloat16"))
PLAIN_CPU = replace(LIKE, cpu="AuthenticAMD AVX2", cpu_bfloat16=False)
V100 = replace(LIKE, gpu="Tesla V100", new_gpu=False)
NO_GPU = replace(LIKE, gpu="", new_gpu=False)


def anywhere(needs: Needs) -> Needs:
    """As with --device-kinds any."""
    return replace(needs, kind=None)


def test_nothing_is_said_of_a_node_like_the_driver() -> None:
    assert why_unfit(LIKE, ON_CPU) == why_unfit(LIKE, ON_GPU) == ""
    assert remarks(LIKE, LIKE) == []


def test_each_other_version_is_told_in_one_line() -> None:
    other = replace(LIKE, versions={**VERSIONS, "Python": "3.11.9", "CUDA": "12.8"})
    assert remarks(other, LIKE) == [
        "node a-1a2b3c4d has Python 3.11.9, the driver 3.11.7",
        "node a-1a2b3c4d has CUDA 12.8, the driver 13.0",
    ]
    assert why_unfit(other, ON_CPU) == ""


@pytest.mark.parametrize(
    ("node", "needs", "says"),
    [
        (replace(LIKE, sees_results=False), ON_CPU, "does not see the results folder; share"),
        (replace(LIKE, versions={**VERSIONS, "torch": "2.9.0"}), ON_CPU, "torch 2.9.0, the driver"),
        (NO_GPU, anywhere(ON_GPU), "has no GPU"),
        (
            replace(LIKE, versions={**VERSIONS, "CUDA": "None"}),
            anywhere(ON_GPU),
            "built for the CPU only",
        ),
        (
            V100,
            anywhere(replace(ON_GPU, execution=Execution("cuda", "bfloat16"))),
            "Tesla V100 does not compute bfloat16",
        ),
        (V100, anywhere(replace(ON_GPU, execution=Execution("cuda", "tf32"))), "compute tf32"),
        (PLAIN_CPU, anywhere(BFLOAT16), "CPU does not compute bfloat16"),
        (V100, ON_GPU, f"its device is Tesla V100, the study's {H100}"),
        (PLAIN_CPU, ON_CPU, f"AuthenticAMD AVX2, the study's {CPU}.*--device-kinds any"),
    ],
)
def test_a_node_that_would_compute_otherwise_gets_no_trial(
    node: NodeFacts, needs: Needs, says: str
) -> None:
    import re

    assert re.search(says, why_unfit(node, needs))


def test_mixed_devices_may_be_asked_for() -> None:
    assert why_unfit(PLAIN_CPU, anywhere(ON_CPU)) == ""
    assert why_unfit(V100, anywhere(ON_GPU)) == ""


def test_bfloat16_without_hardware_is_as_the_driver_has_it() -> None:
    """Asked for where the driver has none either, it is emulated everywhere."""
    assert why_unfit(PLAIN_CPU, replace(anywhere(BFLOAT16), driver=PLAIN_CPU)) == ""


@pytest.mark.parametrize(
    ("cpus", "gpus", "total", "fit"),
    [
        (2, 0.0, {"CPU": 7.0}, 3),
        (2, 0.0, {"CPU": 1.0}, 0),
        (1, 0.4, {"CPU": 8.0, "GPU": 2.0}, 4),
        (1, 2.0, {"CPU": 8.0, "GPU": 3.0}, 1),
        (1, 1.0, {"CPU": 8.0}, 0),
        (3, 0.5, {"CPU": 8.0, "GPU": 4.0}, 2),
    ],
)
def test_a_node_has_room_for_whole_trials(
    cpus: int, gpus: float, total: dict[str, float], fit: int
) -> None:
    assert room(total, replace(ON_GPU, cpus=cpus, gpus=gpus)) == fit
