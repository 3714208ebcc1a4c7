"""The check of a training function's resume, in processes of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from search.common.errors import UserError
from search.record.record import EXACT
from search.settings import resume_check
from search.settings.request import make_request
from search.settings.run_settings import RunSettings
from trainers.execution import Execution

SPACE = """
from spaces.space import Space
SPACE = Space(name="mine", baseline={"lr": 0.1, "epochs": 5}, parameters=(), train="task:train")
"""
TASK = """
def train(config, run):
    for epoch in run.epochs():
        yield {"val_top1": epoch, "note": "a text"}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Of a space file whose task lies beside it; made when it is called."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "mine.py").write_text(SPACE)
    (tmp_path / "task.py").write_text(TASK)
    return lambda *flags: make_request(RunSettings.parse(["--space", "mine.py", *flags])).config


def test_the_check_itself_is_made_once_for_the_same_code(config: Any, tmp_path: Path) -> None:
    made = "checking that resume is exact (2 epochs)"
    remark = "note is left out, which is no number: 'a text'"

    def said(*flags: str) -> list[str]:
        lines: list[str] = []
        assert resume_check.check_resume(config(*flags), Execution(), lines.append) == EXACT
        return lines

    assert said() == [made, remark]
    assert said("--set", "lr=0.5") == ["resume was checked before for the same code"]
    (tmp_path / "task.py").write_text(TASK + "# another\n")
    assert said() == [made, remark]


def test_a_function_that_fails_is_said_before_a_search(config: Any, tmp_path: Path) -> None:
    (tmp_path / "task.py").write_text("def train(config, run):\n    yield config['width']\n")
    message = r"the check of the training function ended with exit code 1: KeyError: 'width'; mend"
    with pytest.raises(UserError, match=message):
        resume_check.check_resume(config(), Execution(), print)
