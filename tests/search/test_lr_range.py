"""The range test from the command line, and a search whose learning rate it narrows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import distribution_to_json

from search import lr_range
from search.autotune.lr_range import in_words, lr_parameter, narrowed, with_interval
from search.common.errors import UserError, run_main
from search.record.record import LRRangeFacts, StudyRecord
from search.settings import request
from search.settings.decide import decide, range_test_steps
from search.settings.request import Request
from search.settings.run_settings import RunSettings
from search.strategy.distributions import distributions
from spaces import named_space
from spaces.params import Float
from spaces.space import ResolvedSpace
from trainers.config import TrainConfig
from trainers.data.prepared import Meta

SPACE = ("--space", "resnet9_lr_range", "--preset", "quick", "--n-trials", "12")
FOUND = LRRangeFacts(low=0.002, high=0.2, suggestion=0.02, steps=100)
META = Meta(1, "digits", ("a", "b"), {"train_images": (9, 8, 8, 1)}, (0.5,), (0.5,), "f")
FOLDER = Path("no-data-needed")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def make_request(tmp_path: Path) -> Callable[..., Request]:
    def make(*flags: str) -> Request:
        results = ("--results-dir", str(tmp_path / "results"))
        settings = RunSettings.parse([*SPACE, *results, "--threads", "1", *flags])
        return request.make_request(settings)

    return make


def interval(space: ResolvedSpace) -> tuple[float, float]:
    lr = lr_parameter(space)
    assert isinstance(lr, Float)
    return lr.low, lr.high


def c_space(**baseline: Any) -> tuple[ResolvedSpace, TrainConfig]:
    """Report C's: lr in [1e-4, 1], the baseline's 0.005."""
    space = named_space("resnet9_lr_range").at("quick")
    space = replace(space, baseline={**space.baseline, **baseline})
    return space, TrainConfig.from_mapping(dict(space.baseline))


@pytest.mark.parametrize(
    ("suggestion", "expected"),
    [
        (0.01, (0.001, 0.1)),
        (0.5, (0.005, 1.0)),  # the space ends at 1; the baseline's 0.005 stays inside
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


def _with(pair: tuple[ResolvedSpace, TrainConfig], suggestion: float) -> tuple[Any, ...]:
    return pair[0], suggestion, pair[1]


def test_the_command_prints_a_suggestion_and_writes_the_curve(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ("--space", "lenet_batch", "--preset", "quick", "--threads", "1", "--steps", "60")
    places = ("--data-dir", str(data_dir), "--out", str(tmp_path / "out"))
    assert lr_range.main([*small, *places]) == 0
    out = capsys.readouterr().out
    assert "suggested learning rate: " in out
    said = re.search(r"(\d+) mini-batches from 1e-05 to ", out)
    assert said is not None
    steps = int(said[1])  # fewer where the loss explodes on the way
    assert 17 <= steps <= 60
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"lr_range.csv", "lr_range.png"}
    assert len((tmp_path / "out" / "lr_range.csv").read_text().splitlines()) == steps + 1


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


def test_a_preset_or_a_flag_asks_for_the_test(make_request: Callable[..., Request]) -> None:
    assert range_test_steps(make_request()) == 100  # the preset's
    assert range_test_steps(make_request("--no-lr-range-test")) == 0
    assert range_test_steps(make_request("--set", "lr=0.01")) == 0  # nothing to narrow
    assert range_test_steps(make_request("--space", "lenet_epochs")) == 0
    assert range_test_steps(make_request("--space", "lenet_epochs", "--lr-range-test")) == 300
    with pytest.raises(UserError, match="--lr-range-test needs an lr that varies"):
        make_request("--lr-range-test", "--set", "lr=0.01")


def begun(asked: Request, lr_range: LRRangeFacts | None) -> StudyRecord:
    """The record of a study that ``asked`` began and that a range test narrowed, or not."""
    asked = replace(asked, settings=replace(asked.settings, lr_range_test=False))
    plan, _ = decide(asked, META, FOLDER, None, print)
    if lr_range is None:
        return plan.record
    varies = distributions(with_interval(plan.space, lr_range.low, lr_range.high).parameters)
    parameters = {name: distribution_to_json(kind) for name, kind in varies.items()}
    space = replace(plan.record.space, parameters=parameters)
    return replace(plan.record, space=space, lr_range=lr_range)


def test_a_study_goes_on_with_the_interval_it_began_with(
    make_request: Callable[..., Request],
) -> None:
    record = begun(make_request(), FOUND)
    for flags in ((), ("--lr-range-test",)):
        plan, notes = decide(make_request(*flags), META, FOLDER, record, print)
        assert interval(plan.space) == (0.002, 0.2)
        assert plan.record.lr_range == FOUND
        assert f"as the study began: {in_words(FOUND)}" in notes
    with pytest.raises(UserError, match="was begun with a range test; leave out --no-lr-range-tes"):
        decide(make_request("--no-lr-range-test"), META, FOLDER, record, print)


def test_a_study_begun_without_a_test_gets_none(make_request: Callable[..., Request]) -> None:
    record = begun(make_request(), None)
    plan, _ = decide(make_request(), META, FOLDER, record, print)
    assert (interval(plan.space), plan.record.lr_range) == ((1e-4, 1.0), None)
    with pytest.raises(UserError, match="was begun without a range test"):
        decide(make_request("--lr-range-test"), META, FOLDER, record, print)
