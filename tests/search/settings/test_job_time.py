"""The time-out that follows from a Slurm job: its end by variable or scontrol, less the margin."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from search.common.errors import UserError
from search.settings.job_time import JOB, SECONDS_TO_STOP, in_words, seconds_until_timeout

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00 UTC


@pytest.fixture(autouse=True)
def job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Slurm job, on a machine without Slurm's commands."""
    monkeypatch.setattr("search.settings.job_time.time", SimpleNamespace(time=lambda: NOW))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)


def scontrol(folder: Path, says: str) -> None:
    """An ``scontrol`` that says so if it is asked for job 17 in a known format."""
    file = folder / "scontrol"
    file.write_text(
        "#!/bin/sh\n"
        '[ "$* $SLURM_TIME_FORMAT" = "show job 17 -o standard" ] || exit 1\n'
        f"echo '{says}'\n"
    )
    file.chmod(0o755)


@pytest.mark.parametrize("asked", [None, JOB])
def test_the_jobs_end_is_in_a_variable(asked: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(NOW) + 3600 + SECONDS_TO_STOP))
    left = seconds_until_timeout(asked)
    assert left == 3600
    assert in_words(asked, left).startswith("time: 1 h")
    assert seconds_until_timeout(9) == 9
    assert in_words(9, 9) == ""


@pytest.mark.parametrize(
    ("end", "left"), [("2027-01-15T09:00:00", 3600 - SECONDS_TO_STOP), ("Unknown", None)]
)
def test_or_scontrol_says_it(
    end: str, left: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    scontrol(tmp_path, f"JobId=17 JobName=a StartTime=2027-01-15T07:00:00 EndTime={end} Dead=N/A")
    try:
        assert seconds_until_timeout(JOB) == left
    finally:
        monkeypatch.undo()
        time.tzset()


def test_where_nobody_knows_the_end_only_an_explicit_job_is_refused(tmp_path: Path) -> None:
    assert seconds_until_timeout(None) is None
    with pytest.raises(UserError, match=r"not known: .*scontrol.*; give a number of seconds"):
        seconds_until_timeout(JOB)
    scontrol(tmp_path, "JobId=17")
    with pytest.raises(UserError, match="scontrol names no EndTime"):
        seconds_until_timeout(JOB)


def test_a_job_that_ends_too_soon_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(NOW) + 60))
    with pytest.raises(UserError, match=r"ends in 60 s, .* stops 180 s before.* more --time"):
        seconds_until_timeout(None)


def test_outside_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID")
    assert seconds_until_timeout(None) is None
    with pytest.raises(UserError, match=r"needs a Slurm job, but SLURM_JOB_ID is not set; submit"):
        seconds_until_timeout(JOB)
