"""One setting trained from the command line: what is printed, kept, resumed and refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from search import train
from search.common.errors import UserError, run_main
from trainers.runs.history import read_history
from trainers.trainer import Trainer

SMALL = ("--space", "lenet_batch", "--preset", "quick", "--threads", "1", "--epochs", "2")

Command = Callable[..., int]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def command(data_dir: Path, tmp_path: Path) -> Command:
    """search.train on the small setting in one folder, with more arguments."""

    def run(*more: str) -> int:
        places = ("--data-dir", str(data_dir), "--out", str(tmp_path / "run"))
        return run_main(lambda: train.main([*SMALL, *places, *more]))

    return run


def test_a_run_prints_its_epochs_and_its_evaluation(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--feature-maps", "conv1,conv2") == 0
    out = capsys.readouterr().out
    assert [line.split(":")[0] for line in out.splitlines() if line.startswith("epoch ")] == [
        "epoch 1/2",
        "epoch 2/2",
    ]
    for figure in (
        "test top-1 (%)",
        "test top-5 (%)",
        "test loss",
        "test loss (sum of batch means / N)",
        "precision, mean of classes (%)",
        "recall, mean of classes (%)",
        "F1, mean of classes (%)",
        "test time (s)",
        "confusion matrix",
    ):
        assert figure in out
    assert "62,006" in out  # parameters, and
    assert "651,720" in out  # multiply-accumulates, both counted by hand in the summary's tests
    folder = tmp_path / "run"
    assert [row["epoch"] for row in read_history(folder)] == [1, 2]
    kept = json.loads((folder / "test.json").read_text())
    assert f"{kept['top1']:.2f}" in out
    assert (folder / "feature_maps.png").read_bytes().startswith(b"\x89PNG")


def test_a_used_folder_is_refused_and_resumed(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command() == 0
    first = read_history(tmp_path / "run")
    assert command() == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "is not empty; resume with --resume, or choose another --out" in error
    assert command("--resume") == 0
    assert read_history(tmp_path / "run") == first


def test_a_batch_too_small_for_its_processes_is_refused(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--processes", "3", "--set", "batch_size=5") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "batch_size must be at least 6, two images for each of 3 processes, got 5" in error


def test_ctrl_c_leaves_a_run_that_goes_on(
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    epoch_in_steps = Trainer.epoch_in_steps

    def interrupted(trainer: Trainer):
        if len(trainer.history) == 1:
            raise KeyboardInterrupt
        return epoch_in_steps(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "epoch_in_steps", interrupted)
        assert command() == 130
    out = capsys.readouterr().out
    assert "interrupted after epoch 1; progress saved; resume with:" in out
    assert "python -m search.train --space lenet_batch" in out
    assert out.rstrip().endswith("--resume")
    assert command("--resume") == 0
    assert [row["epoch"] for row in read_history(tmp_path / "run")] == [1, 2]


def test_resuming_with_another_setting_is_refused(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command() == 0
    before = read_history(tmp_path / "run")
    assert command("--resume", "--set", "lr=0.5") == 2
    assert "cannot resume: " in (error := capsys.readouterr().err)
    assert "lr was 0.02, now 0.5; choose another --out" in error
    assert read_history(tmp_path / "run") == before


def test_a_diverging_run_says_so(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--set", "lr=1e6") == 1
    assert "diverged in epoch 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--feature-maps", "conv7"), "no convolution 'conv7'"),
        (("--set", "lr=0"), "lr must be above 0, got 0"),
        (("--set", "depht=3"), "unknown key 'depht' in --set; did you mean 'depth'?"),
        (("--threads", "0"), "--threads must be at least 1, got 0"),
        (("--precision", "float8"), "unknown precision 'float8'"),
        (("--dataset", "digits"), "must be"),  # normalize=cifar10 and lenet need other images
        (("--dataset", "nowhere.npz"), "no such file or folder: nowhere.npz"),
    ],
)
def test_wrong_input_is_one_line(
    command: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    assert command(*arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert read_history(tmp_path / "run") == []


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("hello")
    with pytest.raises(UserError, match="is a file; name a folder"):
        train.main([*SMALL, "--out", str(tmp_path / "notes")])
