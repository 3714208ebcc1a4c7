"""What a user named with brackets or colons is printed as it is named."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from rich.console import Console

from search.record.record import (
    DataFacts,
    ReferenceFigure,
    SpaceFacts,
    StudyRecord,
    write_record,
)
from search.reporting.study_data import read_study
from search.terminal.dry_run import space_table
from search.terminal.evaluation_tables import print_evaluation
from search.terminal.plain_line import PlainTable, say
from search.terminal.search_summary import print_result
from spaces import named_space
from trainers.evaluation.confusion import Confusion
from trainers.execution import Execution

NAMES = ("exp [/b]", "exp [v2]", "[cat]", ":cat:", "[link=x]", "a\\[b]")


def shown(*things: Any) -> str:
    console = Console(file=io.StringIO(), width=200)
    for thing in things:
        say(console, thing) if isinstance(thing, str) else console.print(thing)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NAMES)
def test_lines_and_tables_show_names_as_they_are(name: str) -> None:
    table = PlainTable(f"title {name}", (f"heading {name}", "x"))
    table.add_texts(f"cell {name}", "1")
    table.explain(f"caption {name}")
    text = shown(f"line {name}", table)
    for part in ("title", "heading", "cell", "caption", "line"):
        assert f"{part} {name}" in text


@pytest.mark.parametrize("name", ["exp [/b]", "exp [v2]"])
def test_a_study_with_brackets_in_its_name_has_a_conclusion(name: str) -> None:
    study = optuna.create_study(study_name=name, direction="maximize")
    record = StudyRecord(
        SpaceFacts(name, name, name, "quick"),
        DataFacts("", name),
        Execution(),
        references=(ReferenceFigure("test_top1", 1.0),),
    )
    choice = optuna.distributions.CategoricalDistribution([name])
    study.add_trial(
        create_trial(
            state=TrialState.COMPLETE, value=1.0, params={"x": name}, distributions={"x": choice}
        )
    )
    console = Console(file=io.StringIO(), width=200)
    write_record(study, record)
    print_result(console, read_study(study, "nowhere"))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"{name}: {name}" in text
    assert f"Preset quick on {name}" in text
    assert text.count(name) >= 5


@pytest.mark.parametrize("name", ["[cat]", "[/dog]"])
def test_classes_with_brackets_are_named(name: str) -> None:
    confusion = Confusion(2, ((0, 0, 1), (1, 0, 1)))
    evaluation: Any = SimpleNamespace(figures=dict, top1=50.0, images=2, confusion=confusion)
    summary: Any = SimpleNamespace(parameters=1, macs=1, macs_with_norm_and_pool=1)
    console = Console(file=io.StringIO(), width=200)
    print_evaluation(console, evaluation, (name, "b"), summary, {}, ())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"{name} " in text.split("classes, %")[1]
    assert f"0 {name} " in text


def test_a_dry_run_shows_the_space() -> None:
    space = named_space("wrn_sam").at("quick")
    text = shown(space_table(space))
    assert "0.01 … 1, log" in text.split("interval")[1]
