"""How a study is computed: by flags, defaults or a calibration, and what is said of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search.autotune.choose_execution import (
    ExecutionChoice,
    choose_execution,
    default_choice,
    loop_choice,
    resume_execution,
)
from search.autotune.resources import ComputeOptions
from search.autotune.timing import Workload
from search.common.errors import UserError
from trainers.config import TrainConfig
from trainers.data.prepared import Meta
from trainers.execution import Execution

CARD = {"name": "Card", "capability": "9.0", "free": 80e9, "tf32": True, "bfloat16": True}
LARGE = Meta(1, "", (), {"train_images": (50_000, 32, 32, 3)}, (), (), "")
SMALL = replace(LARGE, shapes={"train_images": (1_000, 8, 8, 1)})


class Machine:
    """One of four cores, with GPUs or without; ``calibrated`` counts the rounds of timings, in
    which the candidates of one list are each a little faster than the one before."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.calibrated = 0
        monkeypatch.setattr("search.autotune.devices.cpu_count", lambda: 4)
        monkeypatch.setattr("search.autotune.timing.run_module", self._timed)
        self.has(gpus=0)

    def has(self, gpus: int, **card: Any) -> None:
        found = json.dumps([CARD | card] * gpus)
        self.monkeypatch.setattr("search.autotune.devices.gpu_count", lambda: gpus)
        self.monkeypatch.setattr("search.autotune.devices.run_module", lambda *_: [found])

    def _timed(self, arguments: Any, count: int, *said: str) -> list[str]:
        self.calibrated += 1
        executions = json.loads(arguments[1])["executions"]
        return [json.dumps([[100.0 + i, ""] for i, _ in enumerate(executions)])] * count

    def choose(self, data: Meta = LARGE, **asked: Any) -> ExecutionChoice:
        workload = Workload(TrainConfig(), data, self.folder, self.folder)
        return choose_execution(ComputeOptions(**asked), workload, 99, print)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_the_fastest_of_what_was_timed_is_chosen(machine: Machine) -> None:
    found = machine.choose()
    assert found.execution == Execution(precision="bfloat16", channels_last=False)
    assert (found.resources.concurrency, found.resources.threads) == (4, 1)
    assert found.note == (
        "precision bfloat16, contiguous, 4 workers x 1 thread "
        "(412 images/s, the fastest of 8 timings)"
    )
    machine.has(gpus=1)
    found = machine.choose()
    assert found.execution.graph
    assert found.resources.gpus_per_trial == 1 / 4
    assert ", 4 workers x 1 thread, 4 on each GPU (444 images/s, the fastest of " in found.note


@pytest.mark.parametrize(
    ("data", "asked", "gpus", "note"),
    [
        (SMALL, {}, 0, "float32, 4 workers x 1 thread (defaults; too small to be worth calibr"),
        (SMALL, {}, 1, "bfloat16, CUDA graph, 1 worker x 4 threads, 1 GPU each (defaults;"),
        (LARGE, {"processes": 2}, 0, "float32, 2 workers x 2 processes x 1 thread (defaults; da"),
        (LARGE, {"precision": "float32"}, 0, "float32, 4 workers x 1 thread (as given; the rest"),
        (
            LARGE,
            {"precision": "tf32", "graph": False, "gpus_per_trial": 0.5},
            1,
            "tf32, no CUDA graph, 2 workers x 2 threads, 2 on each GPU (as given; the rest by def",
        ),
    ],
)
def test_nothing_is_timed_where_that_does_not_pay_or_nothing_is_open(
    machine: Machine, data: Meta, asked: dict[str, Any], gpus: int, note: str
) -> None:
    machine.has(gpus)
    assert machine.choose(data, **asked).note.startswith(f"precision {note}")
    assert machine.calibrated == 0


def test_what_flags_say_is_kept_by_a_calibration(machine: Machine) -> None:
    found = machine.choose(threads=2, concurrency=3)
    assert (found.execution.threads, found.resources.concurrency) == (2, 3)
    machine.has(gpus=1)
    found = machine.choose(precision="tf32", gpus_per_trial=0.5, deterministic=True)
    execution, resources = found.execution, found.resources
    assert (execution.precision, execution.deterministic, execution.graph) == ("tf32", True, False)
    assert (resources.gpus_per_trial, resources.concurrency) == (0.5, 2)
    assert machine.choose(concurrency=1).resources.gpus_per_trial == 1


def test_images_that_do_not_fit_on_a_card_are_said(machine: Machine) -> None:
    machine.has(gpus=1, free=1e8)
    note = machine.choose(precision="float32", graph=True, gpus_per_trial=1).note
    assert "; the images of 1 trial(s) on a GPU, 0.2 GB, are more than half of the 0.1 GB" in note


@pytest.mark.parametrize(
    ("asked", "bfloat16", "expected"),
    [
        ({}, True, ("bfloat16", True)),
        ({}, False, ("float32", True)),
        ({"deterministic": True}, True, ("bfloat16", False)),  # every bit counts
        ({"deterministic": True, "graph": True}, True, ("bfloat16", True)),
        ({"graph": False}, True, ("bfloat16", False)),
    ],
)
def test_defaults_on_a_gpu(
    machine: Machine, asked: dict[str, Any], bfloat16: bool, expected: tuple[str, bool]
) -> None:
    machine.has(gpus=1, bfloat16=bfloat16)
    execution = default_choice(ComputeOptions(**asked)).execution
    assert (execution.precision, execution.graph) == expected


def test_defaults_on_the_cpu_have_no_graph(machine: Machine) -> None:
    assert default_choice(ComputeOptions(graph=True)).execution == Execution()
    with pytest.raises(UserError, match="tf32 needs a GPU, none is used; choose float32"):
        default_choice(ComputeOptions(precision="tf32"))


def test_a_training_function_has_its_own_precision(machine: Machine) -> None:
    machine.has(gpus=1)
    found = loop_choice(ComputeOptions())
    assert (found.execution.device, found.execution.precision) == ("cuda", "float32")
    assert found.note == "1 worker x 4 threads, 1 GPU each (defaults)"


def test_a_study_resumes_as_it_began_with_a_graph_or_without(machine: Machine) -> None:
    machine.has(gpus=1)
    began = Execution("cuda", "tf32", channels_last=False, threads=3, graph=True)
    assert resume_execution(ComputeOptions(), began).execution == began
    found = resume_execution(ComputeOptions(graph=False), began)
    assert found.execution == replace(began, graph=False)
    note = "precision tf32, no CUDA graph, contiguous, 1 worker x 3 threads, 1 GPU each"
    assert found.note == f"{note} (as the study began)"
    on_cpu = Execution(threads=2)
    found = resume_execution(ComputeOptions(graph=True), on_cpu)
    assert (found.execution, found.resources.concurrency) == (on_cpu, 2)
