"""A real search from the command line, killed, interrupted and resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import numpy as np
import optuna
import pytest
from optuna.study import Study

from search.common.errors import run_main
from search.run import main
from tests.search.in_process import search_here

pytestmark = pytest.mark.slow

SPACE = """
from spaces.params import Categorical, Float
from spaces.space import Preset, Space

PRESET = Preset(dataset="small.npz", n_trials=5, pruner="halving", confirm=1, confirm_seeds=2)
SPACE = Space(
    name="tiny",
    title="a tiny space",
    source="the tests",
    baseline={
        "model": "wide_resnet", "depth": 10, "width": 1, "batch_size": 32, "epochs": 4,
        "lr": 0.1, "dropout": 0.1,
    },
    parameters=(Float("lr", 0.01, 1.0, log=True), Categorical("batch_size", (16, 32))),
    presets={"quick": PRESET, "full": PRESET},
)
"""
# The command, with a signal to itself as soon as an epoch of a trial is on record. A shell that
# starts tests in the background has SIGINT ignored, and the search would respect that.
STRUCK = """
import os, runpy, sys
from signal import SIGINT, default_int_handler, signal as handle
from search.study.trial_runner import TrialRunner

handle(SIGINT, default_int_handler)
number, epoch, signal = (int(part) for part in sys.argv.pop(1).split(","))
report = TrialRunner.report

def report_and_strike(runner, trial, news):
    goes_on = report(runner, trial, news)
    if (trial, news.result["epoch"]) == (number, epoch):
        os.kill(os.getpid(), signal)
    return goes_on

TrialRunner.report = report_and_strike
runpy.run_module("search.run", run_name="__main__", alter_sys=True)
"""
RUN = ["--space", "tiny.py", "--preset", "quick", "--concurrency", "1", "--threads", "1"]


@dataclass
class Life:
    """What became of the search after each of its ends."""

    folder: Path
    flags: list[str]
    reference: Study
    codes: list[int] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    states: list[list[str]] = field(default_factory=list)
    left_behind: list[set[str]] = field(default_factory=list)

    @property
    def study(self) -> Study:
        return optuna.load_study(study_name="tiny-quick", storage=self.url)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/results/studies.db"

    def run(self, strike: tuple[int, int, int] | None = None) -> None:
        """One run of the command; ``strike`` is a trial, its epoch, and the signal after that."""
        mark = uuid4().hex
        struck = ["-c", STRUCK, ",".join(str(int(part)) for part in strike or ())]
        output, errors = self.folder / "output", self.folder / "errors"
        with output.open("w") as stdout, errors.open("w") as stderr:  # Ray may hold a pipe open
            done = subprocess.run(
                [sys.executable, *(struck if strike else ["-m", "search.run"]), *self.flags],
                cwd=self.folder,
                env={**os.environ, "SHARPSEARCH_TEST_MARK": mark},
                stdout=stdout,
                stderr=stderr,
            )
        self.codes.append(done.returncode)
        self.outputs.append(output.read_text())
        self.errors.append(errors.read_text())
        self.states.append([trial.state.name for trial in self.study.get_trials()])
        self.left_behind.append(survivors(mark, seconds=60))


def survivors(mark: str, seconds: float) -> set[str]:
    """Processes that carry ``mark`` in their environment after ``seconds``, if any are left.

    Two agents of Ray's take a minute to see that its other processes are gone; they train nothing.
    """
    end = time.monotonic() + seconds
    while (found := marked(mark)) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def marked(mark: str) -> set[str]:
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found.add((process / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip())
        except OSError:
            continue  # gone, or another user's
    return {command for command in found if command and not command.endswith("Agent")}


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """Killed in the second trial, interrupted in the third, then let to its end."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("looks for processes in /proc")
    folder = tmp_path_factory.mktemp("life")
    folder.joinpath("tiny.py").write_text(SPACE)
    save_small_digits(folder / "small.npz")
    flags = [*RUN, "--data-dir", "data"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("OPTUNA_STORAGE", raising=False)
        life = Life(folder, flags, search_here(*flags, "--results-dir", "reference"))
        life.run(strike=(1, 1, signal.SIGKILL))
        life.run(strike=(2, 1, signal.SIGINT))
        life.run()
        yield life


def save_small_digits(path: Path) -> None:
    """200 + 100 of scikit-learn's real digits."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images[..., None] * 15).astype(np.uint8)
    np.savez(
        path,
        train_images=images[:200],
        train_labels=digits.target[:200],
        test_images=images[200:300],
        test_labels=digits.target[200:300],
        classes=np.array([str(digit) for digit in range(10)]),
    )


def test_an_end_before_the_end_leaves_only_what_was_live(life: Life) -> None:
    assert life.codes == [-signal.SIGKILL, 130, 0]
    killed, interrupted, finished = life.states
    assert killed[1] == interrupted[2] == "RUNNING"
    assert killed.count("RUNNING") == interrupted.count("RUNNING") == 1
    assert len(finished) == 5
    assert not {"RUNNING", "WAITING"} & set(finished)


def test_the_study_is_bit_for_bit_that_of_an_uninterrupted_search(life: Life) -> None:
    ours, theirs = life.study.get_trials(), life.reference.get_trials()
    assert len(ours) == len(theirs) == 5
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.params == other.params
        assert mine.state == other.state
        assert mine.intermediate_values == other.intermediate_values
        assert mine.value == other.value
        assert mine.user_attrs["reason"] == other.user_attrs["reason"]
        for figure in ("test_top1", "test_loss"):
            assert mine.user_attrs.get(figure) == other.user_attrs.get(figure)


def test_no_epoch_is_missing_and_none_is_there_twice(life: Life) -> None:
    for trial in life.study.get_trials():
        epochs = list(trial.intermediate_values)
        assert epochs == list(range(1, len(epochs) + 1))
        path = life.folder / f"results/tiny-quick/trials/{trial.number:05d}/history.csv"
        rows = path.read_text().splitlines()[1:]
        assert [int(row.split(",")[0]) for row in rows] == epochs


def test_no_process_is_left_behind(life: Life) -> None:
    assert life.left_behind == [set()] * 3


def test_a_resumed_trial_is_said_and_nobody_but_us_speaks(life: Life) -> None:
    assert "trial 1 resumed after epoch" in life.outputs[1]
    assert "trial 2 resumed after epoch" in life.outputs[2]
    assert life.errors == [""] * 3
    for text in life.outputs:
        assert "Warning" not in text
        assert "ray" not in text.lower().replace("array", "")


def test_the_same_command_again_adds_nothing_and_starts_no_ray(
    life: Life,
    no_ray: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = life.study.get_trials()
    monkeypatch.chdir(life.folder)
    assert run_main(lambda: main(life.flags)) == 0
    assert life.study.get_trials() == before
    assert "chosen: trial" in capsys.readouterr().out


def test_its_best_was_confirmed(life: Life) -> None:
    """The winner and the baseline with two fresh seeds each, in a study of its own."""
    confirmed = optuna.load_study(study_name="tiny-quick-confirm", storage=life.url)
    trials = confirmed.get_trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 4
    assert len({trial.params["seed"] for trial in trials}) == 2
    assert {trial.user_attrs["confirmed_trial"] for trial in trials} > {0}
    log = (life.folder / "results/tiny-quick/search.log").read_text()
    assert log.count("re-evaluation: the best setting and the baseline with new seeds") == 1


def test_optunas_own_tools_read_it(life: Life) -> None:
    optuna_cli = [sys.executable, "-c", "from optuna.cli import main; main()"]
    study = ["--storage", life.url, "--study-name", "tiny-quick"]
    done = subprocess.run(
        [*optuna_cli, "best-trial", *study, "-f", "json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert '"number"' in done.stdout
    frame = life.study.trials_dataframe()
    assert {"params_lr", "params_batch_size", "user_attrs_reason", "value"} <= set(frame.columns)
