"""A space with a training function of its own: how it is found, and what may be asked of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search.common.errors import UserError
from search.record.record import EXACT
from search.settings.check_data import NO_DATA
from search.settings.decide import decide
from search.settings.request import Request, make_request
from search.settings.run_settings import RunSettings
from trainers.custom.loop_config import LoopConfig

SPACE = """
from spaces.params import Float
from spaces.space import Space
SPACE = Space(
    name="mine", baseline={"lr": 0.1, "layers": [4, 4], "epochs": 5},
    parameters=(Float("lr", 0.01, 1.0),), train="TRAIN",
)
"""
TASK = """
def train(config, run):
    for epoch in run.epochs():
        yield {"val_top1": epoch}
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Request]:
    """What a command asks for, with a space file and its task beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    monkeypatch.setattr("search.autotune.devices.gpu_count", lambda: 0)
    (tmp_path / "task.py").write_text(TASK)

    def ask(*flags: str, train: str = "task:train") -> Request:
        (tmp_path / "mine.py").write_text(SPACE.replace("TRAIN", train))
        return make_request(RunSettings.parse(["--space", "mine.py", *flags]))

    return ask


def test_a_setting_is_what_the_function_is_given(asked: Any, tmp_path: Path) -> None:
    request = asked("--set", "seed=3", "--epochs", "7")
    config = request.config
    assert isinstance(config, LoopConfig)
    path, _, digest = config.train.partition("@")
    assert path == f"{tmp_path / 'task.py'}:train"
    assert len(digest) == 12
    given = {**config.to_dict()}
    assert given.pop("train") == config.train
    wanted = {"lr": 0.1, "layers": [4, 4], "epochs": 7, "seed": 3, "split_seed": 0}
    assert given == {**wanted, "objective": "val_top1"}
    assert (request.study_name, request.dataset) == ("mine", "")


@pytest.mark.parametrize(
    ("flags", "train", "message"),
    [
        ((), "task", "train must be of the form module:function, got 'task'"),
        ((), "tusk:train", "train='tusk:train': there is no .*tusk.py, nor an installed module"),
        (("--set", "lt=1"), "task:train", "unknown key 'lt' in --set; did you mean 'lr'"),
        (("--set", "train=x"), "task:train", "unknown key 'train' in --set"),
        (("--preset", "quick"), "task:train", "quick"),
        (("--dataset", "cifar10"), "task:train", "--dataset is not for a space with a training f"),
        (("--processes", "2"), "task:train", "--processes is not for a space with a training fun"),
        (("--precision", "bfloat16"), "task:train", "--precision is not for a space with a train"),
    ],
)
def test_wrong_input_is_one_line(
    asked: Any, flags: tuple[str, ...], train: str, message: str
) -> None:
    with pytest.raises(UserError, match=message) as refused:
        asked(*flags, train=train)
    assert "\n" not in str(refused.value)


def test_a_function_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SPACE.replace('"TRAIN"', "print"))
    with pytest.raises(UserError, match=r"train must be a text, module:function, .*notebook") as no:
        make_request(RunSettings.parse(["--space", str(tmp_path / "mine.py")]))
    assert "\n" not in str(no.value)


def test_its_resume_is_checked_once_and_on_record(
    asked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []

    def check(config: Any, execution: Any, announce: Any) -> str:
        found.append("resume is not exact: lr is 1 uninterrupted, 2 after a restart")
        return found[-1]

    monkeypatch.setattr("search.settings.decide.check_resume", check)
    plan, notes = decide(asked(), NO_DATA, tmp_path, None, print)
    assert f"warning: {found[0]}" in notes
    assert plan.record.resume_check == found[0]
    again, notes = decide(asked(), NO_DATA, tmp_path, plan.record, print)
    assert again.record.resume_check == found[0]
    assert f"warning: {found[0]}" in notes
    assert len(found) == 1


def test_the_check_can_be_skipped_which_is_on_record(asked: Any, tmp_path: Path) -> None:
    (tmp_path / "task.py").write_text("def train(config, run):\n    raise SystemExit(3)\n")
    plan, notes = decide(asked("--no-resume-check"), NO_DATA, tmp_path, None, print)
    assert plan.record.resume_check == "resume was not checked (--no-resume-check)"
    assert f"warning: {plan.record.resume_check}" in notes


def test_a_changed_function_is_another_study(
    asked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.settings.decide.check_resume", lambda *_: EXACT)
    record = decide(asked(), NO_DATA, tmp_path, None, print)[0].record
    (tmp_path / "task.py").write_text(TASK + "# another\n")
    with pytest.raises(UserError, match=r"was made for another baseline: train was .*@.*, now .*@"):
        decide(asked(), NO_DATA, tmp_path, record, print)


def test_the_same_function_at_another_path_is_the_same_study(
    asked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a job of a cluster brings its files anew."""
    monkeypatch.setattr("search.settings.decide.check_resume", lambda *_: EXACT)
    record = decide(asked(), NO_DATA, tmp_path, None, print)[0].record
    (tmp_path / "later").mkdir()
    (tmp_path / "task.py").rename(tmp_path / "later" / "task.py")
    monkeypatch.chdir(tmp_path / "later")
    (tmp_path / "later" / "mine.py").write_text(SPACE.replace("TRAIN", "task:train"))
    request = make_request(RunSettings.parse(["--space", "mine.py"]))
    plan, _ = decide(request, NO_DATA, tmp_path, record, print)
    assert plan.record.space == record.space
    assert plan.config.to_dict()["train"] == record.space.fixed["train"]
