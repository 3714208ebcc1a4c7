"""python -m search.report: files where they belong, one line for what is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from search.common.errors import UserError, run_main
from search.report import main
from tests.search.reporting import studies


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with two studies."""
    tmp_path = tmp_path_factory.mktemp("results")
    storage = f"sqlite:///{tmp_path}/studies.db"
    studies.usual_study(tmp_path, "first", storage)
    second = studies.our_study("sec/ond", storage=storage)
    second.add_trial(studies.trial(0, [5.0, 6.0]))
    return tmp_path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_report_goes_into_the_studys_folder(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--study-name", "first", "--results-dir", str(results)]) == 0
    written = {"trials.csv", "epochs.csv", "trials.parquet", "epochs.parquet", "study.xlsx"}
    folder = results / "first" / "report"
    assert names(folder) == written | {"report.md", "index.html"}
    printed = capsys.readouterr().out.split("\n")
    assert str(folder / "index.html") in printed


def test_formats_and_folder_can_be_chosen(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "else where"
    args = ["--study-name", "first", "--results-dir", str(results), "--out", str(out)]
    assert main([*args, "--format", "csv, parquet,csv"]) == 0
    assert names(out) == {"trials.csv", "epochs.csv", "trials.parquet", "epochs.parquet"}


def test_a_name_is_safe_as_a_folder(results: Path) -> None:
    main(["--study-name", "sec/ond", "--results-dir", str(results), "--format", "csv"])
    assert (results / "sec%2Fond" / "report" / "trials.csv").is_file()


def test_comparing_writes_one_report_of_all(results: Path) -> None:
    args = ["--compare", "first", "sec/ond", "--results-dir", str(results), "--format", "csv,html"]
    assert main(args) == 0
    (folder,) = (results / "compare").iterdir()
    assert names(folder) == {"trials.csv", "epochs.csv", "index.html"}
    assert "/" not in folder.name


def test_the_only_study_needs_no_name(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/studies.db"
    studies.our_study("alone", storage=storage).add_trial(studies.trial(0, [1.0]))
    assert main(["--results-dir", str(tmp_path), "--format", "csv"]) == 0
    assert (tmp_path / "alone" / "report" / "trials.csv").is_file()


def test_a_journal_file_is_read_too(tmp_path: Path) -> None:
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "j.journal"))
    storage = optuna.storages.JournalStorage(backend)
    studies.our_study("s", storage=storage).add_trial(studies.trial(0, [1.0]))
    args = ["--storage", str(tmp_path / "j.journal"), "--results-dir", str(tmp_path)]
    assert main([*args, "--format", "csv"]) == 0
    assert "COMPLETE" in (tmp_path / "s" / "report" / "trials.csv").read_text()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--study-name", "thrid"], r"no study 'thrid' in .* \(there: first, sec/ond\)"),
        ([], "--study-name must be given"),
        (["--study-name", "first", "--format", "pdf"], "--format takes csv, .* got 'pdf'"),
        (["--study-name", "first", "--accuracy", "70"], "--accuracy needs --compare, got 70"),
        (
            ["--compare", "first", "sec/ond", "--accuracy", "nan"],
            "must be a finite number, got nan",
        ),
        (["--study-name", "first", "--format", ","], "--format must name at least one"),
        (["--compare", "first", "first"], "--compare needs at least two"),
        (["--study-name", "first", "--nonsense"], "unrecognized arguments"),
        (["--study-name", "first", "--out", "/proc/none/x"], "cannot write to '/proc/none/x'"),
    ],
)
def test_what_is_wrong_is_one_line(args: list[str], words: str, results: Path) -> None:
    with pytest.raises(UserError, match=words) as caught:
        main([*args, "--results-dir", str(results)])
    assert "\n" not in str(caught.value)


def test_a_missing_database_is_one_line_and_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(lambda: main(["--results-dir", str(tmp_path / "none")])) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: no study database at")
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "none").exists()


def test_a_password_in_the_url_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    url = "postgresql://me:geheim@127.0.0.1:1/db"
    assert run_main(lambda: main(["--storage", url, "--study-name", "x"])) == 2
    captured = capsys.readouterr()
    assert "geheim" not in captured.err + captured.out
    assert captured.err.count("\n") == 1


def test_help_imports_neither_pandas_nor_optuna() -> None:
    code = (
        "import atexit, sys; from search.report import main;"
        "show = lambda: print([m for m in ('pandas', 'optuna', 'torch') if m in sys.modules]);"
        "atexit.register(show); main(['--help'])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"
