"""What a user sees of a search: words, counts, the live view, the log, the conclusion."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from rich.console import Console

from search.common.formatting import duration, number, settings
from search.record.record import (
    DataFacts,
    ReferenceFigure,
    SpaceFacts,
    StudyRecord,
    write_record,
)
from search.reporting.study_data import read_study
from search.study.events import Ended, Epoch, Event, Note, Promoted, Resumed, Standing, Started
from search.terminal import progress as progress_module
from search.terminal.display import QUIET, VERBOSE, Display
from search.terminal.event_lines import line
from search.terminal.progress import Progress
from search.terminal.search_summary import print_result, savings
from trainers.execution import Execution
from trainers.metrics import METRICS

TOP1, LOSS = METRICS["val_top1"], METRICS["val_loss"]
STARTED = Started(1, {"lr": 0.123456, "depth": 16}, 4, 0)
EPOCH = Epoch(1, 2, 4, 61.234, TOP1, {"val_loss": 1.23456})
PRUNED = Ended(1, "PRUNED", "pruned at epoch 2 of 4", {}, TOP1)
COMPLETE = Ended(0, "COMPLETE", "completed", {}, TOP1, 70.0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 s"),
        (0.4, "0 s"),
        (45, "45 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (100_000, "27 h 46 min"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.123456, "0.1235"), (1e-5, "1e-05"), (16, "16"), (True, "True"), ("sam", "sam"), (0.0, "0")],
)
def test_numbers(value: Any, words: str) -> None:
    assert number(value) == words
    assert settings({"x": value}) == f"x={words}"


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Resumed(3, 2), "trial 3 resumed after epoch 2"),
        (STARTED, "trial 1 started: lr=0.1235 depth=16"),
        (EPOCH, "trial 1 epoch 2/4: validation top-1 61.23 %, validation loss 1.2346"),
        (
            Epoch(1, 2, 4, 1.23456, LOSS, {"val_loss": 1.23456, "val_top1": 61.2}),
            "trial 1 epoch 2/4: validation loss 1.2346, validation top-1 61.20 %",
        ),
        (PRUNED, "trial 1 pruned at epoch 2 of 4"),
        (COMPLETE, "trial 0 completed, validation top-1 70.00 %"),
        (Note("slow disk"), "slow disk"),
        (Note("slow disk", warning=True), "warning: slow disk"),
    ],
)
def test_an_event_is_one_line(event: Event, words: str) -> None:
    assert line(event) == words


def test_progress_counts_trials_and_keeps_the_best() -> None:
    progress = Progress(n_trials=4)
    for event in (Started(0, {}, 4, 0), STARTED, EPOCH):
        progress.take(event)
    assert list(progress.live) == [0, 1]
    assert (progress.live[1].epoch, progress.live[1].value) == (2, "61.23 %")
    progress.take(PRUNED)
    assert progress.best is None
    assert (progress.ended, progress.epochs_of_ended) == (1, 2)
    progress.take(COMPLETE)
    progress.take(Ended(2, "COMPLETE", "completed", {}, TOP1, 65.0))
    assert progress.best == COMPLETE
    assert not progress.live
    assert [event.number for event in progress.recent] == [1, 0, 2]


def test_progress_keeps_the_lowest_of_a_metric_that_is_minimised() -> None:
    progress = Progress(n_trials=4)
    for trial, value in enumerate((0.9, 0.4, 0.7)):
        progress.take(Ended(trial, "COMPLETE", "completed", {}, LOSS, value))
    assert progress.best is not None
    assert progress.best.number == 1


def test_progress_counts_what_other_drivers_ended_too() -> None:
    """Of five trials here, one is at work, one was tried again and one is only enqueued."""
    study = ended_study()
    add(study, "FAIL", {})
    add(study, "COMPLETE", {1: 50.0, 2: 72.5})
    add(study, "PRUNED", {1: 20.0}, retry_of=0)
    add(study, "RUNNING", {1: 30.0})
    study.enqueue_trial({"lr": 0.5})
    progress = Progress(n_trials=4)
    progress.take(STARTED)
    progress.take(Standing(study.get_trials(), TOP1))
    assert (progress.ended, progress.epochs_of_ended) == (2, 3)
    assert progress.best is not None
    assert (progress.best.number, progress.best.value) == (1, 72.5)
    progress.take(PRUNED)
    assert progress.ended == 3


def test_the_time_left_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two trials of 2 and 4 epochs in order, an epoch every 10 s: 3 a trial; of 6 trials one is
    live after 1 epoch and 3 are to come, which is (3 - 1) + 3 · 3 = 11 epochs of 10 s."""
    clock = [0.0]
    monkeypatch.setattr(progress_module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    progress = Progress(n_trials=6)
    assert progress.seconds_left() is None
    for trial, epochs in ((0, 2), (1, 4), (2, 1)):
        progress.take(Started(trial, {}, 4, 0))
        for epoch in range(1, epochs + 1):
            clock[0] += 10
            progress.take(Epoch(trial, epoch, 4, 50.0, TOP1, {}))
        if trial < 2:
            progress.take(Ended(trial, "COMPLETE", "completed", {}, TOP1, 50.0))
    assert progress.seconds_left() == pytest.approx(110)


Shown = Callable[..., tuple[Display, io.StringIO, io.StringIO]]


@pytest.fixture
def shown() -> Shown:
    """A display, what it shows and what it logs."""

    def make(manner: str = "normal", terminal: bool = False) -> Any:
        screen, log = io.StringIO(), io.StringIO()
        console = Console(file=screen, width=80, height=20, force_terminal=terminal)
        return Display(Progress(4), console, log, "published: test 84.36 %", manner), screen, log

    return make


EVENTS = (STARTED, EPOCH, Note("[careful]", warning=True), PRUNED)


def test_a_pipe_gets_one_line_per_event_as_it_is(shown: Shown) -> None:
    display, screen, _ = shown()
    with display.running():
        for event in (*EVENTS, Promoted(1, 2, 4), Started(1, {}, 4, 2)):
            display(event)
    lines = [line(event) for event in EVENTS if event is not EPOCH]
    assert screen.getvalue().splitlines() == [*lines, "trial 1 promoted: 2 → 4 epochs"]


def test_who_wants_to_know_is_told_of_each_new_best() -> None:
    told: list[int] = []
    console = Console(file=io.StringIO())
    display = Display(Progress(4), console, io.StringIO(), "", on_best=lambda: told.append(1))
    for value in (50.0, 40.0, 60.0):
        display(Ended(0, "COMPLETE", "completed", {}, TOP1, value))
    assert len(told) == 2


def test_long_lines_are_not_broken_in_a_pipe(shown: Shown) -> None:
    display, screen, _ = shown()
    display(Started(1, {f"parameter{i}": i for i in range(30)}, 4, 0))
    assert len(screen.getvalue().splitlines()) == 1


@pytest.mark.parametrize("manner", ["normal", QUIET, VERBOSE])
def test_the_log_has_every_event_with_its_time(shown: Shown, manner: str) -> None:
    display, _, log = shown(manner)
    for event in EVENTS:
        display(event)
    lines = log.getvalue().splitlines()
    assert [text[20:] for text in lines] == [line(event) for event in EVENTS]
    assert all(text[4] == text[7] == "-" and text[13] == ":" for text in lines)


def test_quiet_shows_warnings_alone(shown: Shown) -> None:
    display, screen, _ = shown(QUIET)
    with display.running():
        for event in EVENTS:
            display(event)
    assert screen.getvalue() == "warning: [careful]\n"


def test_the_live_view_has_trials_endings_and_the_best(shown: Shown) -> None:
    display, screen, _ = shown(terminal=True)
    for event in (COMPLETE, STARTED, EPOCH, Ended(3, "FAIL", "ValueError: [no]", {}, TOP1)):
        display.progress.take(event)
    display.console.print(display.render(display.console.height))
    text = screen.getvalue()
    for part in ("2/4 trials", "best 70.00 % (trial 0)", "84.36", "61.23", "lr=0.1235", "[no]"):
        assert part in text


def test_the_live_view_ends_with_an_error(shown: Shown) -> None:
    display, screen, _ = shown(terminal=True)
    with pytest.raises(ZeroDivisionError), display.running():
        raise ZeroDivisionError
    display(STARTED)  # printed as a line again
    assert "trial 1 started" in screen.getvalue()


RECORD = StudyRecord(
    space=SpaceFacts("small", "a small space", "report E", "quick", baseline={"lr": 0.1}),
    data=DataFacts("", "digits"),
    execution=Execution(),
    references=(
        ReferenceFigure("test_top1", 84.36, "report E"),
        ReferenceFigure("test_top1", 80.0, "report E", {"depth": 28}),
    ),
)


def ended_study() -> optuna.Study:
    return optuna.create_study(study_name="study", direction="maximize")


def add(study: optuna.Study, state: str, values: dict[int, float], **attributes: Any) -> None:
    lr = optuna.distributions.FloatDistribution(0.01, 1.0)
    study.add_trial(
        create_trial(
            state=TrialState[state],
            value=max(values.values()) if state == "COMPLETE" else None,
            params={"lr": 0.1 + 0.1 * len(study.trials)},
            distributions={"lr": lr},
            intermediate_values=values,
            user_attrs=attributes,
        )
    )


def printed(study: optuna.Study) -> str:
    screen = io.StringIO()
    write_record(study, RECORD)
    print_result(Console(file=screen, width=120), read_study(study, "nowhere"))
    return screen.getvalue()


def test_the_result_sets_baseline_best_and_published_side_by_side() -> None:
    study = ended_study()
    add(study, "COMPLETE", {1: 40.0, 4: 61.5}, test_top1=60.25)
    add(study, "PRUNED", {1: 20.0, 2: 30.0}, reason="pruned at epoch 2 of 4")
    add(study, "COMPLETE", {1: 50.0, 4: 72.5}, test_top1=70.75)
    add(study, "COMPLETE", {1: 50.0, 4: 72.5}, test_top1=71.0)
    add(study, "FAIL", {}, reason="ValueError: [no]")
    text = printed(study)
    (row,) = [row for row in text.splitlines() if "test top-1" in row]
    assert [cell.strip() for cell in row.split("│")[2:5]] == ["60.25", "70.75", "+10.50"]
    assert "best: trial 2" in text  # the earliest of equals
    assert "trial 4 failed: ValueError: [no]" in text
    assert "for orientation only" in " ".join(text.split())


def test_savings_by_hand() -> None:
    """4 + 2 + 1 epochs trained; the pruner spared 2 of 4; a divergence spares nothing."""
    study = ended_study()
    add(study, "COMPLETE", {1: 1.0, 2: 2.0, 3: 3.0, 4: 4.0}, wall_seconds=60.0)
    add(study, "PRUNED", {1: 1.0, 2: 1.0}, reason="pruned at epoch 2 of 4", wall_seconds=30.0)
    add(study, "PRUNED", {1: 1.0}, reason="diverged in epoch 2", ended_by="diverged")
    text = savings(study.get_trials(), {"epochs": 4})
    assert text.startswith(
        "3 trials ended, 2 of them pruned: 7 epochs trained (worker time 1 min 30 s"
    )
    assert "2 saved by pruning (22 %)" in text


def test_no_epochs_are_said_to_be_saved_where_a_trial_might_have_stopped_by_itself() -> None:
    study = ended_study()
    add(study, "PRUNED", {1: 1.0, 2: 1.0}, reason="pruned at epoch 2 of 4")
    assert "saved" not in savings(study.get_trials(), {"epochs": 4, "early_stopping": 2})
    assert "2 saved" in savings(study.get_trials(), {"epochs": 4, "early_stopping": 0})


def test_copies_cost_nothing_and_are_told() -> None:
    study = ended_study()
    add(study, "PRUNED", {1: 1.0, 2: 1.0}, reason="pruned at epoch 2 of 4", wall_seconds=30.0)
    reason = "copy of trial 0: pruned at epoch 2 of 4"
    add(study, "PRUNED", {1: 1.0, 2: 1.0}, reason=reason, wall_seconds=30.0, copy_of=0)
    text = savings(study.get_trials(), {"epochs": 4})
    assert text.startswith("2 trials ended, 2 of them pruned: 2 epochs trained (worker time 30 s")
    assert "2 saved by pruning (50 %), 1 answered from the record" in text


@pytest.mark.parametrize("states", [["FAIL"], ["PRUNED", "FAIL"]])
def test_a_study_without_a_completed_trial_has_a_conclusion_too(states: list[str]) -> None:
    study = ended_study()
    for state in states:
        add(study, state, {})
    assert "no trial has completed yet" in printed(study)
