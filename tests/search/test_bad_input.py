"""Wrong input through the real command line: one line, exit code 2, nothing made, no Ray."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from search.common.errors import run_main
from search.run import main

QUICK = ("--space", "wrn_sam", "--preset", "quick")

Refused = Callable[..., str]


@pytest.fixture
def refused(
    tmp_path: Path,
    data_dir: Path,
    tree_of: Any,
    no_ray: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Refused:
    """Runs the command and returns its one line of complaint."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)

    def run(*flags: str) -> str:
        before = tree_of(tmp_path)
        assert run_main(lambda: main([*flags, "--data-dir", str(data_dir)])) == 2
        message = capsys.readouterr().err
        assert message.startswith("error: ")
        assert message.count("\n") == 1
        assert tree_of(tmp_path) == before
        return message

    return run


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--space", "wrn_sma"), "unknown space 'wrn_sma'; did you mean 'wrn_sam'?"),
        (("--space", "nowhere.py"), "no such space file: nowhere.py"),
        ((), "--space"),
        ((*QUICK, "--preset", "small"), "unknown preset 'small'.* auto, quick, full"),
        ((*QUICK, "--sampler", "tp"), "unknown sampler 'tp'; did you mean 'tpe'?"),
        ((*QUICK, "--pruner", "halve"), "unknown pruner 'halve'; did you mean 'halving'?"),
        ((*QUICK, "--precision", "float16"), "unknown precision 'float16'"),
        ((*QUICK, "--set", "widht=2"), "unknown key 'widht'.*did you mean 'width'"),
        ((*QUICK, "--set", "width"), "--set takes KEY=VALUE, got 'width'"),
        ((*QUICK, "--set", "width=1", "--set", "width=2"), "'width' twice"),
        ((*QUICK, "--dataset", "cifar11"), "cifar11"),
        ((*QUICK, "--dataset", "nowhere.npz"), "nowhere.npz"),
        ((*QUICK, "--set", "batch_size=0"), "batch_size must be at least 1, got 0"),
        ((*QUICK, "--set", "depth=17"), "depth must be 4 plus a multiple of 6, got 17; try 16"),
        ((*QUICK, "--set", "dropout=1.2"), r"dropout must be in \[0, 1\), got 1.2"),
        ((*QUICK, "--set", "rho=-1"), "rho must be at least 0, got -1"),
        ((*QUICK, "--set", "lr=nan"), "lr must be .*, got nan"),
        ((*QUICK, "--set", "lr=fast"), "lr must be a number .*, got 'fast'"),
        ((*QUICK, "--set", "model=vgg"), "model must be one of .*, got 'vgg'"),
        ((*QUICK, "--set", "cutout_size=9"), "cutout_size must be at most 8"),
        ((*QUICK, "--set", "model=lenet"), "at least 16 pixels wide for model=lenet, got 8"),
        (
            (*QUICK, "--set", "batch_size=1500"),
            r"batch_size must be at most \d+, the images of the training split, got 1500",
        ),
        ((*QUICK, "--set", "val_fraction=0.01", "--set", "batch_size=2000"), "at most 14"),
        ((*QUICK, "--epochs", "0"), "epochs must be at least 1, got 0"),
        ((*QUICK, "--epochs", "2", "--set", "epochs=3"), "--epochs 2 and --set epochs=3 disagree"),
        ((*QUICK, "--epochs", "two"), "--epochs.*'two'"),
        ((*QUICK, "--objective", "test_top1"), "objective must be one of .* got 'test_top1'"),
        ((*QUICK, "--objective", "val_los"), "unknown .*'val_los'; did you mean 'val_loss'?"),
        ((*QUICK, "--objective", "val_loss", "--set", "objective=val_top5"), "disagree"),
        ((*QUICK, "--n-trials", "0"), "--n-trials must be at least 1, got 0"),
        ((*QUICK, "--timeout", "-1"), "--timeout must be at least 0, got -1"),
        ((*QUICK, "--timeout", "nan"), "--timeout must be at least 0, got nan"),
        ((*QUICK, "--concurrency", "0"), "--concurrency must be at least 1, got 0"),
        ((*QUICK, "--threads", "0"), "--threads must be at least 1, got 0"),
        ((*QUICK, "--seed", "-1"), "--seed must be at least 0, got -1"),
        ((*QUICK, "--gpus-per-trial", "-1"), "--gpus-per-trial must be at least 0, got -1"),
        ((*QUICK, "--gpus-per-trial", "1000"), "--gpus-per-trial must be at most"),
        ((*QUICK, "--sampler", "grid"), "the grid of this space must have at most"),
        ((*QUICK, "--no-such-flag"), "unrecognized arguments: --no-such-flag"),
        ((*QUICK, "--storage", "nonsense"), "--storage must be a database URL.*got 'nonsense'"),
        ((*QUICK, "--storage", "sqlite://"), "--storage must be a file or a server"),
        ((*QUICK, "--storage", "sqlite:///."), "--storage must name a file, got the folder"),
        ((*QUICK, "--storage", "foo://u:secret@h/x"), r"got 'foo://u:\*\*\*@h/x'"),
        ((*QUICK, "--storage", "mysql://u:secret@h:port/x"), r"got 'mysql://u:\*\*\*@h:port/x'"),
    ],
)
def test_wrong_flags_are_refused(refused: Refused, flags: tuple[str, ...], message: str) -> None:
    text = refused(*flags)
    assert re.search(message, text), text
    assert "secret" not in text


def test_a_grid_with_fewer_points_than_trials_is_refused(refused: Refused) -> None:
    fixed = [f"--set={key}" for key in ("batch_size=64", "lr=0.1", "weight_decay=0", "rho=0.1")]
    text = refused(*QUICK, *fixed, "--set=dropout=0", "--sampler=grid", "--n-trials=5")
    assert "--n-trials must be at most 4, the points of this space's grid, got 5" in text


def test_a_file_that_is_no_database_is_refused(refused: Refused, tmp_path: Path) -> None:
    tmp_path.joinpath("notes.db").write_text("not a database " * 100)
    text = refused(*QUICK, "--storage", "sqlite:///notes.db")
    assert "cannot open the storage 'sqlite:///notes.db': file is not a database" in text


def test_a_folder_that_cannot_be_made_is_refused(refused: Refused, tmp_path: Path) -> None:
    tmp_path.joinpath("file").write_text("")
    text = refused(*QUICK, "--results-dir", "file/results")
    assert "--results-dir must be a folder that can be written to, got 'file/results'" in text
    assert "cannot open the storage" in refused(*QUICK, "--storage", "sqlite:///file/x/studies.db")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("SPACE = (", "cannot be run: SyntaxError"),
        ("import nothing_like_it", "cannot be run: ModuleNotFoundError"),
        ("import sys; sys.exit(0)", "cannot be run: SystemExit"),
        ("x = 1", "must define SPACE as a spaces.space.Space, got None"),
        ("SPACE = 3", "must define SPACE as a spaces.space.Space, got 3"),
        (
            "from spaces.params import Float\nFloat('lr', 1.0, 0.1)",
            r"lr: needs finite low <= high, got \[1.0, 0.1\]",
        ),
        (
            "from spaces.space import Space\n"
            "SPACE = Space(name='a', title='', source='', baseline={}, parameters=(), presets={})",
            "must have a preset 'quick'",
        ),
        (
            "from spaces.space import Preset, Space\nP = Preset('digits', 2)\n"
            "SPACE = Space(name='a', title='', source='', baseline={'speed': 3}, parameters=(),"
            " presets={'quick': P, 'full': P})",
            "unknown hyperparameter 'speed'",
        ),
        (
            "from spaces.params import Int\nfrom spaces.space import Preset, Space\n"
            "P = Preset('digits', 2)\n"
            "SPACE = Space(name='a', title='', source='',"
            " baseline={'depth': 10, 'width': 1, 'batch_size': 64},"
            " parameters=(Int('batch_size', 16, 4096, log=True),),"
            " presets={'quick': P, 'full': P})",
            "batch_size may be .* in this space, but batch_size must be at most 12.*"
            "--range batch_size=LOW:HIGH, or fix it with --set batch_s",
        ),
    ],
)
def test_a_bad_space_file_is_refused(
    refused: Refused, tmp_path: Path, content: str, message: str
) -> None:
    tmp_path.joinpath("mine.py").write_text(content)
    text = refused("--space", "mine.py", "--preset", "quick")
    assert re.search(message, text), text


Arrays = dict[str, Any]


def without(arrays: Arrays, name: str) -> Arrays:
    return {key: value for key, value in arrays.items() if key != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: without(a, "train_labels"), "train_labels"),
        (lambda a: without(a, "test_images"), "test_images"),
        (lambda a: a | {"train_images": a["train_images"][..., 0]}, "train_images"),
        (lambda a: a | {"train_images": a["train_images"].astype(np.float32)}, "uint8"),
        (lambda a: a | {"train_labels": a["train_labels"][:-1]}, "train_labels"),
        (lambda a: a | {"train_labels": np.array([0, 1, 2, 0, 1, 3])}, "train_labels"),
        (lambda a: a | {"train_labels": np.array([0, 1, 2, 0, 1, -1])}, "train_labels"),
        (
            lambda a: a | {"train_images": a["train_images"][:0], "train_labels": np.arange(0)},
            "train_images",
        ),
    ],
)
def test_a_bad_npz_is_refused(
    refused: Refused, tmp_path: Path, tiny_arrays: Arrays, change: Any, message: str
) -> None:
    np.savez(tmp_path / "bad.npz", **change(tiny_arrays))
    text = refused(*QUICK, "--dataset", "bad.npz")
    assert message in text
    assert "bad.npz" in text


def test_a_torn_npz_is_refused(refused: Refused, tmp_path: Path, tiny_arrays: Arrays) -> None:
    np.savez(tmp_path / "bad.npz", **tiny_arrays)
    whole = tmp_path.joinpath("bad.npz").read_bytes()
    tmp_path.joinpath("bad.npz").write_bytes(whole[: len(whole) // 2])
    assert "bad.npz" in refused(*QUICK, "--dataset", "bad.npz")


def test_another_programs_study_is_refused(refused: Refused, tmp_path: Path) -> None:
    optuna.create_study(
        study_name="theirs", storage=f"sqlite:///{tmp_path}/other.db", direction="minimize"
    )
    text = refused(*QUICK, "--storage", "sqlite:///other.db", "--study-name", "theirs")
    assert "study 'theirs' was not made by this program; choose another --study-name" in text


def test_the_process_says_it_and_loads_no_ray(tmp_path: Path) -> None:
    code = (
        "import sys; from search.common.errors import run_main; from search.run import main;"
        f"code = run_main(lambda: main({[*QUICK, '--set', 'batch_size=4096']!r}));"
        "assert not {'ray', 'torch'} & set(sys.modules); sys.exit(code)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: batch_size must be at most ")
    assert not list(tmp_path.iterdir())
