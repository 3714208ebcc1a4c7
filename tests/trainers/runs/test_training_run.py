"""A run in its folder: what lies there, and how it continues after every kind of accident."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch

from tests.trainers.curves import same_curve
from trainers.data import prepare
from trainers.epoch_result import DivergedError, EpochResult
from trainers.evaluation.confusion import Confusion
from trainers.evaluation.running_metrics import Summary
from trainers.execution import Execution
from trainers.runs.checkpoint import LATEST, PREVIOUS, read_checkpoint, write_checkpoint
from trainers.runs.history import HISTORY, read_history, write_history
from trainers.runs.saved_model import read_saved
from trainers.runs.training_run import BEST, TEST, TrainingRun
from trainers.trainer import Trainer

Open = Callable[..., TrainingRun]
LEARNS = {"epochs": 4, "lr": 1.0, "batch_size": 60}
VAL_TOP1 = {1: 50.0, 2: 60.0, 3: 40.0, 4: 45.0}  # by decree: the second epoch is the best


@pytest.fixture(autouse=True, scope="module")
def decreed_accuracies() -> Iterator[None]:
    """Which epoch of so short a training is the best, rounding would decide."""
    validate = Trainer._validate

    def decreed(trainer: Trainer) -> Summary:
        found, epoch = validate(trainer), len(trainer.history) + 1
        return replace(found, top1=VAL_TOP1.get(epoch, found.top1))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_validate", decreed)
        yield


@pytest.fixture
def open_run(tiny_config, digits_folder: Path, tmp_path: Path) -> Open:
    """Opens the run of the tiny configuration, with ``changes``, in one and the same folder."""

    def make(execution: Execution | None = None, **changes) -> TrainingRun:
        config = tiny_config(**{**LEARNS, **changes})
        return TrainingRun(config, digits_folder, execution or Execution(), tmp_path / "run")

    return make


@pytest.fixture
def small_digits(digits_folder: Path, tmp_path: Path) -> Path:
    """The prepared digits without the last test image."""
    arrays = {
        name: np.load(digits_folder / f"{name}.npy")
        for name in ("train_images", "train_labels", "test_images", "test_labels")
    }
    for name in ("test_images", "test_labels"):
        arrays[name] = arrays[name][:-1]
    np.savez(tmp_path / "small.npz", **arrays)
    return prepare(tmp_path / "small.npz", tmp_path / "data")


def stopped_after(run: TrainingRun, epochs: int) -> list[EpochResult]:
    """As if killed: what is on disk is all that is left."""
    results = run.results()
    taken = [next(results) for _ in range(epochs)]
    results.close()
    return taken


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.fixture(scope="module")
def whole_run(tiny_config, digits_folder: Path, tmp_path_factory) -> TrainingRun:
    """Trained without interruption in a folder of its own, and tested."""
    folder = tmp_path_factory.mktemp("whole")
    run = TrainingRun(tiny_config(**LEARNS), digits_folder, Execution(), folder)
    list(run.results())
    return run


@pytest.fixture
def whole(whole_run: TrainingRun) -> list[EpochResult]:
    return whole_run.trainer.history


def test_the_best_weights_are_the_second_epochs(whole_run: TrainingRun, whole) -> None:
    assert [result.val_top1 for result in whole] == list(VAL_TOP1.values())
    assert read_saved(whole_run.folder).epoch == whole_run.trainer.best_epoch == 2


def test_leaves_its_files_and_no_others(open_run: Open) -> None:
    run = open_run()
    list(run.results())
    expected = {LATEST, PREVIOUS, BEST, HISTORY}
    assert set(os.listdir(run.folder)) == expected
    run.test()
    assert set(os.listdir(run.folder)) == expected | {TEST}
    assert run.problems == []


def test_an_epoch_is_on_disk_before_it_is_given_out(open_run: Open) -> None:
    run = open_run()
    for count, result in enumerate(run.results(), start=1):
        assert read_history(run.folder)[-1] == result.to_dict()
        assert len(read_checkpoint(run.folder / LATEST)["trainer"]["history"]) == count


def test_the_next_epoch_is_trained_while_this_one_is_written(
    open_run: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, goes_on = open_run(), Event()

    def write(folder: Path, history: Sequence[EpochResult]) -> None:
        assert not history or len(history) == 4 or goes_on.wait(60)
        goes_on.clear()
        write_history(folder, history)

    monkeypatch.setattr("trainers.runs.training_run.write_history", write)
    run.trainer.on_step = lambda images: goes_on.set() if run.trainer.history else None
    assert [result.epoch for result in run.results()] == [1, 2, 3, 4]


def test_an_epoch_that_cannot_be_written_is_not_given_out(
    open_run: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run()
    results = run.results()
    assert next(results).epoch == 1

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        next(results)
    assert len(read_history(run.folder)) == 1


def test_random_numbers_drawn_by_the_reader_change_nothing(open_run: Open) -> None:
    """It takes an epoch in the midst of the next one, which has dropout."""
    expected = list(open_run(dropout=0.5).results())
    shutil.rmtree(open_run(dropout=0.5).folder)
    disturbed = []
    for result in open_run(dropout=0.5).results():
        torch.manual_seed(12345)
        disturbed.append(result)
    assert same_curve(disturbed, expected)


def test_a_history_line_still_being_written_does_not_count(open_run: Open) -> None:
    run = open_run()
    rows = [result.to_dict() for result in run.results()]
    path = run.folder / HISTORY
    content = path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(content) if byte == ord("\n")]
    for length in [*range(ends[0] + 2), *range(ends[-2] - 2, len(content) + 1)]:
        path.write_bytes(content[:length])
        complete = sum(end <= length for end in ends)
        assert read_history(run.folder) == rows[: max(0, complete - 1)]


def test_test_file_holds_the_evaluation_of_the_best_epoch(open_run: Open) -> None:
    run = open_run()
    list(run.results())
    evaluation = run.test()
    content = json.loads((run.folder / TEST).read_text())
    assert content["classes"] == [str(digit) for digit in range(10)]
    assert content["top1"] == evaluation.top1
    assert Confusion.from_mapping(content) == evaluation.confusion
    assert evaluation.confusion.matrix().sum() == 50
    assert content["images"] == 50
    best = read_checkpoint(run.folder / BEST)["model"]
    for name, value in run.trainer.model.state_dict().items():
        assert torch.equal(value, best[name]), name


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_goes_on_where_it_was_stopped(open_run: Open, whole_run, whole, epochs: int) -> None:
    first = stopped_after(open_run(), epochs)
    resumed = open_run()
    assert resumed.trainer.history == first
    results = list(resumed.results())
    assert results[:epochs] == first  # even their times
    assert same_curve(results, whole)
    assert read_history(resumed.folder) == [result.to_dict() for result in results]
    assert resumed.problems == []
    expected, found = whole_run.test(), resumed.test()
    assert (found.top1, found.loss) == (expected.top1, expected.loss)


@pytest.mark.parametrize("epochs", [2, 3, 4])
def test_a_torn_checkpoint_costs_one_epoch_and_changes_nothing(
    open_run: Open, whole_run, whole, epochs: int
) -> None:
    stopped_after(open_run(), epochs)
    damage(open_run().folder / LATEST)
    resumed = open_run()
    assert len(resumed.trainer.history) == epochs - 1
    assert len(resumed.problems) == 1
    assert "truncated" in resumed.problems[0]
    assert same_curve(list(resumed.results()), whole)
    expected, found = whole_run.test(), resumed.test()
    assert (found.top1, found.loss) == (expected.top1, expected.loss)


def test_without_any_whole_checkpoint_it_begins_again(open_run: Open, whole) -> None:
    stopped_after(open_run(), 3)
    for name in (LATEST, PREVIOUS):
        damage(open_run().folder / name)
    resumed = open_run()
    assert resumed.trainer.history == []
    assert len(resumed.problems) == 2
    assert same_curve(list(resumed.results()), whole)


def test_a_torn_history_file_is_written_anew(open_run: Open) -> None:
    stopped_after(open_run(), 3)
    damage(open_run().folder / HISTORY)
    resumed = open_run()
    results = list(resumed.results())
    assert read_history(resumed.folder) == [result.to_dict() for result in results]


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"lr": 0.1}, "lr was 1.0, now 0.1"),
        ({"seed": 1}, "seed was 0, now 1"),
        ({"execution": Execution(channels_last=False)}, "channels_last was True, now False"),
    ],
)
def test_the_checkpoint_of_another_setting_is_passed_over(
    open_run: Open, changes, difference: str
) -> None:
    stopped_after(open_run(), 2)
    other = open_run(**changes)
    assert other.trainer.history == []
    assert other.problems == [
        f"{other.folder}: its checkpoint is of another configuration: {difference}"
    ]
    assert [result.epoch for result in other.results()] == [1, 2, 3, 4]
    assert open_run(**changes).problems == []


def test_with_a_graph_or_without_it_is_the_same_run(open_run: Open) -> None:
    stopped_after(open_run(), 2)
    other = open_run(execution=Execution(graph=True))
    assert (len(other.trainer.history), other.problems) == (2, [])


def test_the_checkpoint_of_other_data_is_passed_over(
    open_run: Open, tiny_config, small_digits: Path
) -> None:
    run = open_run()
    stopped_after(run, 2)
    other = TrainingRun(tiny_config(**LEARNS), small_digits, Execution(), run.folder)
    assert other.trainer.history == []
    assert len(other.problems) == 1


def test_damaged_best_weights_are_not_needed_while_the_newest_are_the_best(
    open_run: Open, whole
) -> None:
    stopped_after(open_run(), 1)
    damage(open_run().folder / BEST)
    resumed = open_run()
    assert len(resumed.trainer.history) == 1
    assert same_curve(list(resumed.results()), whole)


def test_lost_best_weights_are_trained_again(open_run: Open, whole) -> None:
    stopped_after(open_run(), 4)
    damage(open_run().folder / BEST)
    resumed = open_run()
    assert resumed.trainer.history == []
    assert "truncated" in resumed.problems[0]
    assert same_curve(list(resumed.results()), whole)


def test_best_weights_of_another_epoch_are_not_taken(open_run: Open) -> None:
    run = open_run()
    stopped_after(run, 1)
    early = (run.folder / BEST).read_bytes()
    stopped_after(open_run(), 4)
    (run.folder / BEST).write_bytes(early)
    resumed = open_run()
    assert resumed.trainer.history == []
    assert "not the weights of this run's best epoch" in resumed.problems[0]


def test_a_finished_run_is_given_again_without_training(open_run: Open) -> None:
    run = open_run()
    first, evaluation, usage = list(run.results()), run.test(), run.usage()
    before = (run.folder / LATEST).read_bytes()
    again = open_run()
    assert list(again.results()) == first
    found = again.test()
    assert (found.top1, found.loss) == (evaluation.top1, evaluation.loss)
    assert (run.folder / LATEST).read_bytes() == before
    cpu_seconds = again.usage()["cpu_seconds"]
    assert 0 < cpu_seconds <= usage["cpu_seconds"]


def test_divergence_leaves_the_epochs_before_it(
    open_run: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run()
    results, first_epoch = run.results(), run.trainer.epoch_in_steps

    def diverge() -> Iterator[None]:
        if run.trainer.history:
            raise DivergedError(2, "training loss is nan")
        return first_epoch()

    monkeypatch.setattr(run.trainer, "epoch_in_steps", diverge)
    assert next(results).epoch == 1
    with pytest.raises(DivergedError, match="epoch 2"):
        next(results)
    assert len(read_history(run.folder)) == 1
    assert len(open_run().trainer.history) == 1


def test_usage_before_the_first_epoch_is_the_size_of_the_model(open_run: Open) -> None:
    run = open_run()
    usage = run.usage()
    parameters = sum(p.numel() for p in run.trainer.model.parameters())
    assert set(usage) == {"parameters", "macs", "seconds_per_epoch"}
    assert usage["parameters"] == parameters
    assert usage["macs"] > parameters
    assert usage["seconds_per_epoch"] == 0


def test_usage_of_a_run_is_plausible(open_run: Open) -> None:
    run = open_run()
    results = list(run.results())
    usage = run.usage()
    seconds = sum(result.seconds + result.val_seconds for result in results)
    assert set(usage) == {
        "cpu_seconds",
        "wall_seconds",
        "cpu_utilization",
        "peak_memory_mb",
        "parameters",
        "macs",
        "seconds_per_epoch",
    }
    assert usage["seconds_per_epoch"] == pytest.approx(seconds / 4)
    assert usage["wall_seconds"] >= seconds
    assert 0 < usage["cpu_seconds"] < 20 * usage["wall_seconds"]
    run.test()
    assert run.usage() == usage  # the test is no part of training


def test_usage_of_a_resumed_run_adds_up(open_run: Open) -> None:
    first = open_run()
    stopped_after(first, 3)
    used = read_checkpoint(first.folder / LATEST)["usage"]
    resumed = open_run()
    assert resumed.usage()["cpu_seconds"] == used["cpu_seconds"]
    list(resumed.results())
    assert resumed.usage()["cpu_seconds"] > used["cpu_seconds"]
    assert resumed.usage()["wall_seconds"] > used["wall_seconds"]


def test_a_checkpoint_of_a_later_release_is_passed_over(open_run: Open) -> None:
    run = open_run()
    stopped_after(run, 1)
    state = read_checkpoint(run.folder / LATEST)
    state["identity"]["config"]["warmup"] = 3
    write_checkpoint(run.folder / LATEST, state)
    (problem,) = open_run().problems
    assert "unknown hyperparameter 'warmup'" in problem
