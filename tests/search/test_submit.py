"""Submitting to Slurm: the script, what it does with the search's exit codes, what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from search import submit
from search.common.errors import run_main

SHARED = ("--storage", "results/studies.log")
SEARCH = ("--", "--space", "wrn_sam", *SHARED)


@pytest.fixture(autouse=True)
def login_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of commands, without sbatch; called as the installed program is."""
    for name in ("OPTUNA_STORAGE", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["/somewhere/sharpsearch"])
    commands = tmp_path / "bin"
    commands.mkdir()
    monkeypatch.setenv("PATH", f"{commands}:/usr/bin:/bin")
    return commands


def command(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.write_text(text)
    file.chmod(0o755)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert submit.main(["slurm", "--time", "8:00:00", *arguments]) == 0
    return capsys.readouterr().out


def test_the_script_names_tasks_limits_and_search(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tmp_path.joinpath("site.sh").write_text("#SBATCH --mem=32G\nmodule load cuda\n")
    site = ("--account", "A", "--partition", "gpu", "--setup", "site.sh", "--cpus-per-task", "8")
    script = printed(capsys, "--array", "16", *site, "--print", *SEARCH, "--study-name", "my study")
    head = script.partition("module load")[0].splitlines()
    assert set(head) >= {
        "#SBATCH --job-name=sharpsearch-wrn_sam",
        "#SBATCH --array=0-15",
        "#SBATCH --gpus=1",
        "#SBATCH --cpus-per-task=8",
        "#SBATCH --time=8:00:00",
        "#SBATCH --account=A",
        "#SBATCH --partition=gpu",
        "#SBATCH --signal=B:USR2@120",
        "#SBATCH --requeue",
        "#SBATCH --mem=32G",
    }
    assert head[0] == "#!/bin/bash"
    assert all(line.startswith("#") for line in head)  # sbatch reads no further than a command
    search = "sharpsearch run --space wrn_sam --storage results/studies.log --study-name 'my study'"
    assert f"\n{search} &\n" in script


def test_sbatch_gets_what_is_shown(login_node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(login_node, "sbatch", "#!/bin/sh\ncat > submitted\necho Submitted batch job 17\n")
    shown = printed(capsys, *SEARCH)
    assert shown == Path("submitted").read_text() + "Submitted batch job 17\n"


@pytest.mark.parametrize(
    ("code", "restarts", "requeued"),
    [(3, None, True), (3, "1", True), (3, "2", False), (0, None, False), (130, None, False)],
)
def test_a_task_requeues_itself_while_the_study_is_not_complete(
    code: int,
    restarts: str | None,
    requeued: bool,
    login_node: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command(login_node, "sharpsearch", f"#!/bin/sh\nexit {code}\n")
    command(login_node, "scontrol", '#!/bin/sh\necho "$@" > requeued\n')
    script = printed(capsys, "--requeues", "2", "--print", *SEARCH)
    counted = {} if restarts is None else {"SLURM_RESTART_COUNT": restarts}
    environment = {**os.environ, "SLURM_JOB_ID": "17", **counted}
    assert subprocess.run(["bash", "-c", script], env=environment).returncode == code
    assert Path("requeued").exists() == requeued
    assert not requeued or Path("requeued").read_text() == "requeue 17\n"


def test_a_warning_reaches_the_search_and_the_task_is_queued_again(
    login_node: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    waits = (
        f"#!{sys.executable} -SE\nimport signal, sys\n"
        "signal.signal(signal.SIGUSR2, lambda *_: sys.exit(130))\n"
        "open('ready', 'w').close()\nsignal.pause()\n"
    )
    command(login_node, "sharpsearch", waits)
    command(login_node, "scontrol", '#!/bin/sh\necho "$@" > requeued\n')
    os.mkfifo("ready")
    script = printed(capsys, "--print", *SEARCH)
    environment = {**os.environ, "SLURM_JOB_ID": "17"}
    task = subprocess.Popen(["bash", "-c", script], env=environment)
    Path("ready").read_text()  # waits until the search is there
    task.send_signal(signal.SIGUSR2)
    assert task.wait() == 130
    assert Path("requeued").read_text() == "requeue 17\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name the search after --: sharpsearch submit slurm"),
        (("--", "--space", "wrn_sma"), "unknown space 'wrn_sma'; did you mean 'wrn_sam'?"),
        (("--", "--space", "wrn_sam", "--n-trials", "0"), "--n-trials must be at least 1, got 0"),
        (
            ("--array", "2", "--", "--space", "wrn_sam"),
            "2 tasks on several nodes cannot share a SQLite file, got "
            "'sqlite:///results/studies.db'; name a database server, or a journal file on a "
            "shared disk: --storage results/studies.log",
        ),
        ((*SEARCH, "--ray-address", "auto"), "a Ray of its own, got --ray-address auto"),
        (
            ("--", "--space", "wrn_sam", "--storage", "postgresql://me:geheim@host/db"),
            "would show the password of --storage; leave the flag out and export OPTUNA_STORAGE",
        ),
        (
            (*SEARCH, "--results-dir", "s3://bucket/results"),
            "results at a URL need a database",
        ),
        (("--account", "a b", *SEARCH), "--account must be a name without blanks, got 'a b'"),
        (("--time", "soon", *SEARCH), "--time must be a time such as 8:00:00 or 1-12:00"),
        (("--setup", "none.sh", *SEARCH), "--setup 'none.sh' cannot be read"),
        (SEARCH, "sbatch is not on the PATH"),
    ],
)
def test_what_cannot_work_is_one_line(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["slurm", "--time", "60", *arguments]
    assert run_main(lambda: submit.main(given)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert "geheim" not in error


def test_what_sbatch_refuses_is_one_line(
    login_node: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(login_node, "sbatch", "#!/bin/sh\necho 'error: no such\n account' >&2\nexit 1\n")
    assert run_main(lambda: submit.main(["slurm", "--time", "60", *SEARCH])) == 2
    assert capsys.readouterr().err == ("error: sbatch refused the script: error: no such account\n")
