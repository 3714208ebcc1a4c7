"""A training function of the user's own: kept after each epoch, and resumed exactly."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainers.custom.loop_config import LoopConfig
from trainers.custom.loop_run import LoopRun
from trainers.custom.resume_check import State, after_two_epochs, cut_off, verdict
from trainers.execution import Execution
from trainers.runs.history import read_history
from trainers.validators import ConfigError

TASKS = Path(__file__).with_name("tasks.py")
Open = Callable[..., LoopRun]


def config_of(name: str, **options: Any) -> LoopConfig:
    baseline = {"train": f"{TASKS}:{name}", "epochs": 4, "lr": 0.1}
    return LoopConfig.from_mapping({**baseline, **options})


@pytest.fixture
def open_loop(tmp_path: Path) -> Open:
    """A run of one of the functions in a folder."""

    def opened(name: str, folder: str = "run", **options: Any) -> LoopRun:
        return LoopRun(config_of(name, **options), Execution(), tmp_path / folder)

    return opened


def curve(run: LoopRun) -> list[tuple[int, dict[str, float]]]:
    return [(result.epoch, dict(result.metrics)) for result in run.results()]


def test_it_yields_what_the_function_yields(open_loop: Open) -> None:
    run = open_loop("numbers")
    results = curve(run)
    assert [epoch for epoch, _ in results] == [1, 2, 3, 4]
    rates = [0.1 / 2**epoch * epoch for epoch in (1, 2, 3, 4)]
    assert [metrics["train_loss"] for _, metrics in results] == rates
    assert run.test().figures() == {"test_top1": results[-1][1]["val_top1"] + 1}
    assert run.usage()["seconds_per_epoch"] >= 0


@pytest.mark.parametrize("epochs", [1, 3, 4])
def test_a_cut_off_run_goes_on_exactly(open_loop: Open, epochs: int) -> None:
    whole = open_loop("numbers", "whole")
    expected = curve(whole)
    cut = open_loop("numbers").results()
    for _ in range(epochs):
        next(cut)
    cut.close()  # type: ignore[attr-defined]
    again = open_loop("numbers")
    assert len(again.history) == epochs
    assert curve(again) == expected
    assert again.test() == whole.test()


def test_the_seed_decides(open_loop: Open) -> None:
    one, same, other = (
        curve(open_loop("numbers", str(i), seed=seed)) for i, seed in enumerate((1, 1, 2))
    )
    assert one == same != other


def test_another_setting_begins_anew(open_loop: Open) -> None:
    curve(open_loop("numbers"))
    other = open_loop("numbers", lr=0.2)
    assert other.history == []
    assert "lr was 0.1, now 0.2" in other.problems[0]


def test_the_history_has_a_column_for_each_metric(open_loop: Open, tmp_path: Path) -> None:
    results = curve(open_loop("numbers"))
    rows = read_history(tmp_path / "run")
    assert list(rows[0]) == ["epoch", "val_top1", "train_loss", "seconds"]
    assert [row["val_top1"] for row in rows] == [metrics["val_top1"] for _, metrics in results]


def test_a_function_may_stop_early_for_good(open_loop: Open) -> None:
    assert len(curve(open_loop("stops"))) == 2
    assert len(curve(open_loop("stops"))) == 2  # and has nothing left to train


@pytest.mark.filterwarnings("ignore:val_top1 is left out")
@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("returns", TypeError, "must yield the metrics of each epoch, it returned"),
        (
            "unnamed",
            TypeError,
            "each epoch of run.epochs must yield 'val_top1', a number, got {'accuracy'",
        ),
        ("texts", TypeError, "must yield 'val_top1', a number, got {'val_top1': 'high'}"),
        ("nameless", TypeError, "a metric's name must be a text other than ('epoch', 'seconds')"),
        ("exits", SystemExit, "no data"),
        ("silent", RuntimeError, "epoch 2 ended without a yield of its metrics"),
        ("twice", RuntimeError, "epoch 1 yielded its metrics twice"),
        ("unrestorable", TypeError, "run.epochs cannot keep best=0.0 and put it back in place"),
    ],
)
def test_what_a_function_does_wrong_is_said(
    open_loop: Open, name: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        curve(open_loop(name))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"objective": "test_top1"}, "objective must be one of"),
        ({"layers": {1, 2}}, "layers must be a number, a text, true, false or a list"),
    ],
)
def test_a_wrong_value_is_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config_of("numbers", **changes)


def test_a_file_that_has_changed_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "task.py"
    file.write_text(TASKS.read_text())
    config = config_of("numbers", train=f"{file}:numbers@000000000000")
    with pytest.raises(ConfigError, match="has changed since this setting was recorded"):
        LoopRun(config, Execution(), tmp_path / "run")


# -- the check of resume -------------------------------------------------------------------------


def checked(name: str, folder: Path) -> tuple[str, State]:
    """As ``search.settings.resume_check`` does it, in this process: the file is read anew."""
    task = {"config": config_of(name).to_dict(), "execution": Execution().to_dict()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        straight = after_two_epochs({**task, "folder": str(folder)})
        resumed = after_two_epochs({**task, "folder": str(cut_off(folder))})
    return verdict(straight, resumed), straight


def test_an_exact_resume_passes_the_check(tmp_path: Path) -> None:
    found, state = checked("numbers", tmp_path / "run")
    assert found == ""
    assert str(TASKS) in state.files


def test_a_forgotten_scheduler_is_named(tmp_path: Path) -> None:
    """After two epochs the rate is a quarter of the first one, after a restart the scheduler counts
    from the restored half anew."""
    found, _ = checked("forgetful", tmp_path / "run")
    rate = "optimizer.param_groups[0].lr is 0.025 uninterrupted, 0.05 after a restart"
    assert found == f"resume is not exact: {rate}; not handed to run.epochs: scheduler (LambdaLR)"


def test_what_acts_later_than_the_check_is_named_all_the_same(tmp_path: Path) -> None:
    found, state = checked("late", tmp_path / "run")
    names = set(found.partition("; not handed to run.epochs: ")[2].split(", "))
    plain = {"best", "bad", "seen"}
    objects = {"scheduler (StepLR)", "stopper (Stopper)", "window (deque)", "drawn (Generator)"}
    assert names == plain | objects
    assert [text.partition(" ")[0] for text in state.remarks] == ["note", "nothing"]


def test_a_loop_in_another_function_is_looked_into(tmp_path: Path) -> None:
    found, _ = checked("delegates", tmp_path / "run")
    assert found.endswith("not handed to run.epochs: COUNTS, steps")


# -- what the function is given, and gives -------------------------------------------------------


def test_a_trial_has_a_folder_and_a_number(tmp_path: Path) -> None:
    curve(LoopRun(config_of("places"), Execution(), tmp_path / "run", 7))
    assert (tmp_path / "run" / "mine-4.txt").read_text() == "trial 7"


def test_figures_that_are_no_numbers_are_left_out_with_a_remark(open_loop: Open) -> None:
    run = open_loop("late")
    with pytest.warns(UserWarning, match="is left out, which is no number") as warned:
        results = curve(run)
    assert [set(metrics) for _, metrics in results] == [{"val_top1", "val/f1"}] * 4
    assert list(run.remarks) == ["note", "nothing"]
    assert len([w for w in warned if "left out" in str(w.message)]) == 2
