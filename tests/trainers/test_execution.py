"""How a trial is computed: each value's rule, and the way through JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trainers.execution import Execution
from trainers.validators import ConfigError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"device": "gpu"}, "device must be one of cpu, cuda, got 'gpu'; did you mean 'cpu'?"),
        ({"precision": "half"}, "precision must be one of float32, tf32, bfloat16, got 'half'"),
        (
            {"precision": "tf32"},
            "precision tf32 needs a GPU; on the CPU choose float32 or bfloat16",
        ),
        ({"deterministic": "no"}, "deterministic must be true or false, got 'no'"),
        ({"graph": "yes"}, "graph must be true or false, got 'yes'"),
        ({"channels_last": 1}, "channels_last must be true or false, got 1"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"processes": 1.5}, "processes must be a whole number at least 1, got 1.5"),
    ],
)
def test_refuses_with_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Execution.from_mapping(values)
    assert str(caught.value) == message


def test_an_older_releases_execution_is_not_deterministic_and_has_no_graph() -> None:
    older = {"device": "cuda", "precision": "float32", "channels_last": True, "threads": 1}
    execution = Execution.from_mapping(older)
    assert (execution.deterministic, execution.graph) == (False, False)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"not an execution: .*'thread'"):
        Execution.from_mapping({"thread": 2})


def test_comes_back_equal_from_json() -> None:
    execution = Execution(precision="bfloat16", channels_last=False, threads=2)
    assert Execution.from_mapping(json.loads(json.dumps(execution.to_dict()))) == execution


def test_a_whole_float_becomes_a_number_of_threads() -> None:
    assert Execution(threads=2.0).threads.__class__ is int  # type: ignore[arg-type]
