"""Whatever JSON a study holds of itself, a dry run and a replay end in work or in one line."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search import replay, run
from search.common.errors import run_main
from search.record.record import RECORD
from tests.fuzzing import JSON, fuzzed
from tests.search.reporting import studies
from tests.search.reporting.test_odd_records import PLACES, WHOLE, changed

MINE = """
from spaces.params import Float, Int, Categorical
from spaces.space import Space
SPACE = Space(
    "space", baseline={"lr": 0.1, "width": 2, "augment": "none", "epochs": 4},
    parameters=(Float("lr", 0.1, 1.0, log=True), Int("width", 1, 4),
                Categorical("augment", ("none", "crop"))), train="own:train",
)
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a space with a training function of its own."""
    folder = tmp_path_factory.mktemp("here")
    (folder / "own.py").write_text("def train(config, run):\n    yield {}\n")
    (folder / "mine.py").write_text(MINE)
    return folder


@pytest.mark.filterwarnings("ignore")
@fuzzed(12)
@given(place=st.sampled_from(PLACES), new=JSON)
def test_any_record_has_a_dry_run_and_a_replay_or_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], place: tuple[Any, ...], new: Any
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        url = f"sqlite:///{scratch}/studies.db"
        study = optuna.create_study(study_name="s", storage=url, direction="maximize")
        study.add_trial(studies.trial(0, [1.0]))
        study.set_user_attr(RECORD, changed(WHOLE, place, new))
        where = ["--results-dir", scratch, "--storage", url, "--study-name", "s"]
        space = ["--space", str(here / "mine.py"), "--n-trials", "1", "--dry-run"]
        commands: tuple[tuple[Callable[[list[str]], int], list[str]], ...] = (
            (run.main, [*space, *where]),
            (run.main, [*space, *where[:-2], "--study-name", "t", "--enqueue-from", "s"]),
            (replay.main, [*where, "--trial", "0"]),
        )
        for main, flags in commands:
            code = run_main(lambda main=main, flags=flags: main(flags))
            error = capsys.readouterr().err
            assert (code, error.count("\n")) in ((0, 0), (1, 1), (2, 1)), error
