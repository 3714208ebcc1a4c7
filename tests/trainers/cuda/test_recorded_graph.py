"""The stand-in for a CUDA graph: what a graph would do wrong, it does wrong."""

from __future__ import annotations

import pytest
import torch

from tests.trainers.cuda.recorded_graph import CannotCaptureError, RecordedGraph


def test_a_number_of_the_hosts_is_frozen() -> None:
    graph, total, rate = RecordedGraph(), torch.zeros(1), 0.0

    def work() -> None:
        total.add_(rate)

    rate = 1.0
    graph.capture(work)
    assert total == 0  # what is captured does not run
    rate = 5.0
    graph.replay()
    graph.replay()
    assert total == 2


def test_a_result_that_was_kept_is_written_over() -> None:
    graph, value, kept = RecordedGraph(), torch.ones(2), []
    graph.capture(lambda: kept.append(value * 2))
    value.fill_(3)
    graph.replay()
    assert kept[0].tolist() == [6, 6]


def test_a_tensor_that_takes_anothers_place_is_not_seen() -> None:
    graph, place = RecordedGraph(), {"value": torch.ones(1)}
    total = torch.zeros(1)
    graph.capture(lambda: total.add_(place["value"]))
    place["value"] = torch.full((1,), 7.0)
    graph.replay()
    assert total == 1


def test_random_numbers_are_drawn_anew() -> None:
    graph, value = RecordedGraph(), torch.zeros(3)
    torch.manual_seed(1)
    expected = [torch.rand(3).tolist() for _ in range(2)]
    torch.manual_seed(1)
    graph.capture(lambda: value.copy_(torch.rand(3)))
    found = []
    for _ in range(2):
        graph.replay()
        found.append(value.tolist())
    assert found == expected


def test_the_host_cannot_look() -> None:
    with pytest.raises(CannotCaptureError, match="_local_scalar_dense"):
        RecordedGraph().capture(lambda: float(torch.ones(1)))
