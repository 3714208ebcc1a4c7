"""The range test from the command line, and a search whose learning rate it narrows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from search import lr_range, run
from search.common.errors import UserError, run_main
from search.planning.job import Job, resolve
from search.planning.lr_interval import lr_parameter, narrowed
from search.planning.lr_range_first import in_words, range_first, recorded_range
from search.planning.open_study import IDENTITY, LR_RANGE
from spaces import named_space
from spaces.params import Float
from spaces.space import ScaledSpace
from trainers.config import TrainConfig
from trainers.data import prepare

SPACE = ("--space", "resnet9_lr_range", "--preset", "quick")
RECORD = {"suggestion": 0.02, "low": 0.002, "high": 0.2, "start": 1e-5, "end": 1.0, "steps": 100}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def make_job(tmp_path: Path) -> Callable[..., Job]:
    def make(*flags: str) -> Job:
        results = ("--results-dir", str(tmp_path / "results"))
        return resolve(run.make_parser().parse_args([*SPACE, *results, "--threads", "1", *flags]))

    return make


def interval(space: ScaledSpace) -> tuple[float, float]:
    lr = lr_parameter(space)
    assert isinstance(lr, Float)
    return lr.low, lr.high


def c_space(**recipe: Any) -> tuple[ScaledSpace, TrainConfig]:
    """Report C's: lr in [1e-4, 1], the recipe's 0.005."""
    space = named_space("resnet9_lr_range").at("quick")
    space = replace(space, recipe={**space.recipe, **recipe})
    return space, TrainConfig.from_mapping(dict(space.recipe))


@pytest.mark.parametrize(
    ("suggestion", "expected"),
    [
        (0.01, (0.001, 0.1)),
        (0.5, (0.005, 1.0)),  # the space ends at 1; the recipe's 0.005 stays inside
        (2e-4, (1e-4, 0.005)),  # the space begins at 1e-4; likewise
        (100.0, (1e-4, 1.0)),  # all of its interval lies outside: as it was
        (0.0123456, (0.00123, 0.123)),
    ],
)
def test_the_interval_is_narrowed_around_the_suggestion(
    suggestion: float, expected: tuple[float, float]
) -> None:
    space = narrowed(c_space()[0], suggestion, c_space()[1])
    assert interval(space) == pytest.approx(expected)
    others = [p for p in c_space()[0].parameters if p.name != "lr"]
    assert [p for p in space.parameters if p.name != "lr"] == others


def test_with_linear_scaling_the_rate_of_the_base_batch_is_narrowed() -> None:
    """lr counts for 256 images, a batch has 64: a step's rate of 0.01 is called 0.04."""
    assert interval(narrowed(*_with(c_space(lr_base_batch=256), 0.01))) == pytest.approx(
        (0.004, 0.4)
    )


def _with(pair: tuple[ScaledSpace, TrainConfig], suggestion: float) -> tuple[Any, ...]:
    return pair[0], suggestion, pair[1]


def test_the_command_prints_a_suggestion_and_writes_the_curve(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ("--space", "lenet_batch", "--preset", "quick", "--threads", "1", "--steps", "60")
    places = ("--data-dir", str(data_dir), "--out", str(tmp_path / "out"))
    assert lr_range.main([*small, *places]) == 0
    out = capsys.readouterr().out
    assert "suggested learning rate: " in out
    assert "60 mini-batches from 1e-05 to 1)" in out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"lr_range.csv", "lr_range.png"}
    assert len((tmp_path / "out" / "lr_range.csv").read_text().splitlines()) == 61


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--steps", "3"), "steps must be at least 17, got 3"),
        (("--start", "2"), "end must be above start, 2, got 1"),
        (("--set", "batch_size=5000"), "batch_size must be at most"),
    ],
)
def test_wrong_input_is_one_line(
    data_dir: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], message: str
) -> None:
    small = ["--space", "lenet_batch", "--preset", "quick", "--data-dir", str(data_dir)]
    assert run_main(lambda: lr_range.main([*small, *flags])) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_a_preset_or_a_flag_asks_for_the_test(make_job: Callable[..., Job]) -> None:
    assert make_job().lr_range_steps == 100  # the preset's
    assert make_job("--no-lr-range-test").lr_range_steps == 0
    assert make_job("--set", "lr=0.01").lr_range_steps == 0  # nothing to narrow
    assert make_job("--space", "lenet_epochs").lr_range_steps == 0
    assert make_job("--space", "lenet_epochs", "--lr-range-test").lr_range_steps == 300
    with pytest.raises(UserError, match="--lr-range-test needs an lr that varies"):
        make_job("--lr-range-test", "--set", "lr=0.01")


def study_of(job: Job, **attributes: Any) -> None:
    """A study of the job's name, begun with ``attributes``."""
    job.folder.results_dir.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(study_name=job.study_name, storage=job.storage)
    for name, value in attributes.items():
        study.set_user_attr(name, value)


def test_a_study_goes_on_with_the_interval_it_began_with(make_job: Callable[..., Job]) -> None:
    study_of(make_job(), **{IDENTITY: {}, LR_RANGE: RECORD})
    for flags in ((), ("--lr-range-test",)):
        job = recorded_range(make_job(*flags))
        assert interval(job.space) == (0.002, 0.2)
        assert job.lr_range == RECORD
        said: list[str] = []
        assert range_first(job, Path("no-data-needed"), said.append) is job
        assert said == [f"as the study began: {in_words(RECORD)}"]
    without = recorded_range(make_job("--no-lr-range-test"))
    assert interval(without.space) == (1e-4, 1.0)  # its identity check then refuses


def test_a_study_begun_without_a_test_gets_none(make_job: Callable[..., Job]) -> None:
    study_of(make_job(), **{IDENTITY: {}})
    job = recorded_range(make_job())
    assert (job.lr_range_steps, job.lr_range) == (0, None)
    with pytest.raises(UserError, match="was begun without a range test"):
        recorded_range(make_job("--lr-range-test"))


def test_a_new_study_and_one_that_was_never_finished_being_made_are_tested(
    make_job: Callable[..., Job],
) -> None:
    assert recorded_range(make_job()).lr_range_steps == 100
    study_of(make_job(), **{LR_RANGE: RECORD})
    assert recorded_range(make_job()).lr_range_steps == 100


@pytest.mark.slow
def test_the_test_runs_in_its_own_process_and_is_recorded(
    make_job: Callable[..., Job], data_dir: Path
) -> None:
    job = make_job()
    said: list[str] = []
    tested = range_first(job, prepare("digits", data_dir), said.append)
    assert tested.lr_range is not None
    low, high = interval(tested.space)
    assert 1e-4 <= low < high < 1.0
    assert low <= 0.005 <= high
    assert tested.lr_range["low"] == low
    assert tested.lr_range["suggestion"] == pytest.approx(low * 10, rel=0.01)
    assert said[-1] == in_words(tested.lr_range)
    assert job.folder.lr_range.is_file()


@pytest.mark.slow
def test_a_search_narrows_records_and_goes_on(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ("--data-dir", str(data_dir), "--results-dir", str(tmp_path / "results"))
    flags = (*SPACE, *places, "--epochs", "1", "--concurrency", "1", "--threads", "1")
    assert run.main([*flags, "--n-trials", "1"]) == 0
    first = capsys.readouterr().out
    url = f"sqlite:///{tmp_path / 'results' / 'studies.db'}"
    study = optuna.load_study(study_name="resnet9_lr_range-quick", storage=url)
    record = study.user_attrs[LR_RANGE]
    assert "learning-rate range test over 100 mini-batches" in first
    assert in_words(record) in first
    assert study.trials[0].params["lr"] == 0.005  # the report's recipe is still trial 0
    assert run.main([*flags, "--n-trials", "2"]) == 0
    again = capsys.readouterr().out
    assert f"as the study began: {in_words(record)}" in again
    assert record["low"] <= study.trials[1].params["lr"] <= record["high"]
