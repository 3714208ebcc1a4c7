"""A space with a conditional parameter and a narrowed interval: searched, resumed, reported,
replayed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from search import replay, report
from tests.search.in_process import search_here

SPACE = """
from spaces.params import Categorical, Float
from spaces.space import Preset, Space
PRESET = Preset("digits", 4, sampler="random", pruner="none")
SPACE = Space(
    name="branches",
    title="two rules",
    source="the tests",
    baseline={
        "model": "wide_resnet", "depth": 10, "width": 1, "epochs": 1, "batch_size": 512,
        "optimizer": "sgd", "momentum": 0.5, "lr": 0.05,
    },
    parameters=(
        Float("lr", 0.01, 1.0, log=True),
        Categorical("optimizer", ("sgd", "adamw")),
        Float("momentum", 0.0, 0.9, condition={"optimizer": "sgd"}),
    ),
    presets={"quick": PRESET, "full": PRESET},
)
"""


def test_searched_resumed_reported_and_replayed(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "branches.py").write_text(SPACE)
    results = str(tmp_path / "results")
    flags = ["--space", str(tmp_path / "branches.py"), "--preset", "quick", "--threads", "1"]
    flags += ["--precision", "float32", "--results-dir", results]
    flags += ["--data-dir", str(tmp_path / "data")]
    search_here(*flags, "--n-trials", "2", "--range", "lr=0.02:0.1")
    study = search_here(*flags, "--n-trials", "4")
    drawn = [trial.params for trial in study.get_trials()]
    assert len(drawn) == 4
    assert {params["optimizer"] for params in drawn} == {"sgd", "adamw"}
    for params in drawn:
        assert 0.02 <= params["lr"] <= 0.1
        assert ("momentum" in params) == (params["optimizer"] == "sgd")

    name = ["--study-name", "branches-quick", "--results-dir", results]
    assert report.main(name) == 0
    with open(tmp_path / "results" / "branches-quick" / "report" / "trials.csv") as file:
        cells = [row["params_momentum"] for row in csv.DictReader(file)]
    assert [cell == "" for cell in cells] == ["momentum" not in params for params in drawn]

    without = next(i for i, params in enumerate(drawn) if "momentum" not in params)
    assert replay.main([*name, "--trial", str(without)]) == 0
    assert f"trial {without}: the same bit for bit" in capsys.readouterr().out
