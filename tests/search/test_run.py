"""The command line: help, dry run, and exit codes."""

from __future__ import annotations

import os
import shlex
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.common.errors import SearchError, StorageError, UserError, run_main
from search.run import main
from spaces import SPACES, named_space
from spaces.params import SpaceError
from tests.search.desk import Desks
from trainers.validators import ConfigError

HEAVY = ("torch", "ray", "optuna", "rich", "numpy", "sqlalchemy")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom search.run import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        f"loaded = set({HEAVY!r}) & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for flag in ("--space", "--preset", "--storage", "--n-trials", "--set", "--dry-run"):
        assert flag in done.stdout


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("width must\n be 1"), 2, "error: width must be 1\n"),
        (SpaceError("no"), 2, "error: no\n"),
        (ConfigError("no"), 2, "error: no\n"),
        (SearchError("gone"), 1, "error: gone\n"),
        (StorageError("gone"), 1, "error: gone\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_errors_are_one_line_and_a_code(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> int:
        raise error

    assert run_main(fails) == code
    assert capsys.readouterr().err == line


def test_a_programming_error_keeps_its_traceback() -> None:
    def fails() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_main(fails)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("flush", [True, False])
def test_output_on_a_full_disk_is_one_line_of_complaint(flush: bool) -> None:
    code = (
        "import sys; from search.common.errors import run_main\n"
        f"def main():\n    print('text', flush={flush}); sys.stdout.flush(); return 0\n"
        "sys.exit(run_main(main))"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (1, "error: [Errno 28] No space left on device\n")


def test_a_terminal_without_our_signs_is_no_reason_to_stop() -> None:
    code = (
        "from search.common.errors import run_main; run_main(lambda: print('10 … 16 größer') or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "10 ? 16 gr??er\n"


@pytest.mark.parametrize("password", ["geheim", "it's geheim", "geheim/@:'\"x"])
@pytest.mark.parametrize("joined", [False, True])
def test_the_command_on_record_has_no_password(
    password: str, joined: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"postgresql://me:{password}@host/db?sslpassword=geheim's"
    seen: list[str] = []

    def search(request: Any, *rest: Any) -> None:
        seen.append(request.settings.as_command())
        raise KeyboardInterrupt

    monkeypatch.setattr("search.run.search", search)
    storage = [f"--storage={url}"] if joined else ["--storage", url]
    flags = ["--space", "wrn_sam", *storage, "--study-name", "geheimnis"]
    with pytest.raises(KeyboardInterrupt):
        main(flags)
    shown = shlex.split(seen[0])
    assert shown[:5] == ["python", "-m", "search.run", "--space", "wrn_sam"]
    assert shown[5:7] == ["--storage", "postgresql://me:***@host/db?sslpassword=***"]
    assert shown[7:] == flags[-2:]


@pytest.mark.slow
def test_a_dry_run_shows_all_and_writes_nothing(
    tmp_path: Path,
    data_dir: Path,
    tree_of: Callable[[Path], dict[str, int]],
    no_ray: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    tmp_path.joinpath("mine.py").write_text("from spaces.named.wrn_sam import SPACE")
    before = tree_of(tmp_path)
    flags = ["--preset", "quick", "--data-dir", str(data_dir), "--dry-run"]
    assert main(["--space", "mine.py", "--set", "width=2", "--n-trials", "9", *flags]) == 0
    assert tree_of(tmp_path) == before
    text = capsys.readouterr().out
    plan, *_ = text.splitlines()[1:]
    assert plan.startswith(
        "would start: study 'wrn_sam-quick', up to 9 trials of up to 9 epochs on"
    )
    for part in ("baseline", "10 … 16, step 6", "one sample", "model size", "digits"):
        assert part in text


@pytest.mark.slow
def test_a_dry_run_prepares_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    flags = ["--space", "lenet_batch", "--preset", "quick", "--data-dir", "data", "--dry-run"]
    assert main(flags) == 0
    assert "parameters, " in capsys.readouterr().out
    images, labels = np.zeros((40, 32, 32, 3), np.uint8), np.arange(40) % 4
    arrays = {"train_images": images, "test_images": images}
    np.savez(tmp_path / "mine.npz", **arrays, train_labels=labels, test_labels=labels)
    assert main([*flags, "--dataset", "mine.npz"]) == 0
    text = capsys.readouterr().out
    assert "the data set is not prepared yet" in text
    assert "known once the data set is prepared" in text
    assert [path.name for path in tmp_path.iterdir()] == ["mine.npz"]
    with pytest.raises(ValueError, match="nowhere"):  # as the search refuses it
        main([*flags, "--dataset", "nowhere/"])


@pytest.mark.slow
@pytest.mark.parametrize("space", SPACES)
def test_a_dry_run_of_each_space_shows_its_own_network(
    space: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from trainers.config import TrainConfig
    from trainers.data import SHAPES
    from trainers.models.summary import summary_for

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    assert main(["--space", space, "--preset", "quick", "--dry-run"]) == 0
    text = capsys.readouterr().out
    scaled = named_space(space).at("quick")
    baseline = TrainConfig.from_mapping(dict(scaled.baseline)).to_dict()
    parameters = summary_for(baseline, SHAPES[scaled.preset.dataset]).parameters
    assert f"model size, baseline: {parameters:,} parameters" in text
    assert len(text.splitlines()) < 40


def test_a_dry_run_refuses_what_the_run_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    flags = ["--space", "wrn_sam", "--preset", "quick", "--dry-run"]
    with pytest.raises(ValueError, match="cutout_size must be at most 8"):
        main([*flags, "--set", "cutout_size=9"])
    with pytest.raises(ValueError, match=r"--enqueue-from must name another study .*\(there: none"):
        main([*flags, "--enqueue-from", "other"])


def test_a_dry_run_makes_no_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("empty.db")) as database:
        database.execute("CREATE TABLE other (x)")
        flags = ["--space", "lenet_batch", "--preset", "quick", "--dry-run"]
        assert main([*flags, "--storage", "sqlite:///empty.db"]) == 0
        tables = database.execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("other",)]
    assert "would start: study 'lenet_batch-quick'" in capsys.readouterr().out


@pytest.mark.slow
def test_a_dry_runs_sample_is_what_the_search_would_draw(
    tmp_path: Path, data_dir: Path, open_desk: Desks, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search.settings.decide import choose_strategy
    from search.settings.request import make_request
    from search.settings.run_settings import RunSettings
    from search.terminal.dry_run import sampled

    monkeypatch.chdir(tmp_path)
    request = make_request(RunSettings.parse(["--space", "wrn_sam", "--preset", "quick"]))
    strategy = choose_strategy(request, None)
    desk = open_desk(space=request.space, n_trials=2, sampler=strategy.sampler)
    desk.next_task()
    desk.next_task()
    assert sampled(request.space, strategy) == desk.trial(1).params


def test_a_study_that_another_driver_begins_meanwhile_is_resumed(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the tasks of a job array do, which begin at the same time."""
    from rich.console import Console

    from search.run import search
    from search.settings import open_study
    from search.settings.request import make_request
    from search.settings.run_settings import RunSettings
    from search.study.events import TIMED_OUT

    tries: list[str] = []
    opened = open_study.open_study

    def late(plan: Any, *rest: Any) -> Any:
        tries.append(plan.folder.study_name)
        if len(tries) == 1:
            raise open_study.BegunMeanwhileError("begun by another driver")
        return opened(plan, *rest)

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    monkeypatch.setattr(open_study, "open_study", late)
    monkeypatch.setattr("search.workers.driver.run_search", lambda *_: TIMED_OUT)
    flags = ["--space", "lenet_batch", "--preset", "quick", "--data-dir", str(data_dir)]
    request = make_request(RunSettings.parse(flags))
    assert search(request, Console(quiet=True)).ended == TIMED_OUT
    assert tries == ["lenet_batch-quick"] * 2


def test_the_timeout_counts_from_the_start_of_the_command(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What data, calibration and range test took is part of it."""
    from rich.console import Console

    from search.run import search
    from search.settings.request import make_request
    from search.settings.run_settings import RunSettings
    from search.study.events import TIMED_OUT

    left: list[float] = []

    def run_search(runner: Any, resources: Any, work: Any, timeout: float, then: Any) -> str:
        left.append(timeout)
        return TIMED_OUT

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    monkeypatch.setattr("search.workers.driver.run_search", run_search)
    flags = ["--space", "lenet_batch", "--preset", "quick", "--data-dir", str(data_dir)]
    request = make_request(RunSettings.parse([*flags, "--timeout", "1000"]))
    assert search(request, Console(quiet=True), time.monotonic() - 600).ended == TIMED_OUT
    assert left[0] <= 400
