"""Every command on a database, checkpoints and a results folder made by somebody else, which name
code wherever a name can stand: none of it runs, and each command ends in work or in one line."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, distribution_to_json
from optuna.trial import create_trial

from search import api, describe, evaluate, lr_range, replay, report, run, train
from search.common.errors import run_main
from search.common.layout import StudyFolder
from search.record.record import DataFacts, SpaceFacts, StudyRecord
from search.settings.compatibility import as_begun
from search.settings.request import make_request
from search.settings.run_settings import RunSettings
from search.storage.storage import load_study, open_storage
from search.terminal.search_summary import update_notes
from tests.search.reporting import studies
from trainers.config import TrainConfig
from trainers.data.prepared import read_meta
from trainers.execution import Execution
from trainers.runs.checkpoint import read_checkpoint, write_checkpoint
from trainers.runs.identity import Identity
from trainers.user_code import located, pinned

QUICK = ("--space", "lenet_batch", "--preset", "quick", "--epochs", "1", "--threads", "1")
CODE = """
open(MARKER, "w").close()
class Net: pass
def train(config, run): pass
"""
MINE = """
from spaces.params import Float
from spaces.space import Space
SPACE = Space("mine", baseline={"x": 0.5, "epochs": 4}, parameters=(Float("x", 0, 1),),
              train="own:train")
"""


X = distribution_to_json(FloatDistribution(0, 1))


class Bomb:
    """Its pickle writes the marker where it is loaded."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str, int]]:
        return os.open, (str(self.marker), os.O_CREAT)


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What hostile code writes. Its files lie in the working directory, and elsewhere."""
    marker, here = tmp_path / "ran", tmp_path / "here"
    here.mkdir()
    (tmp_path / "elsewhere").mkdir()
    for folder in (here, tmp_path / "elsewhere"):
        for name in ("net.py", "task.py"):
            (folder / name).write_text(f"MARKER = {str(marker)!r}\n{CODE}")
    (here / "own.py").write_text("def train(config, run):\n    yield {}\n")
    (here / "mine.py").write_text(MINE)
    monkeypatch.chdir(here)
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    return marker


def specs(folder: Path) -> Iterator[tuple[str, str]]:
    """Options that name code, and how."""
    for option, name in (("model", "net.py:Net"), ("train", "task.py:train")):
        elsewhere = f"{folder / 'elsewhere'}/{name}"
        yield from ((option, spec) for spec in (name, pinned(elsewhere)))


PLACES = ("fixed", "baseline", "choices", "params")


def hostile_record(place: str, option: str, spec: str) -> StudyRecord:
    """A record in whose ``place`` the option is that code."""
    usual = studies.our_record().space
    varies = CategoricalDistribution((spec, "lenet"))
    space: SpaceFacts = {
        "fixed": replace(usual, fixed={**usual.fixed, option: spec}),
        "baseline": replace(usual, baseline={**usual.baseline, option: spec}),
        "choices": replace(usual, parameters={option: distribution_to_json(varies)}),
        "params": usual,
    }[place]
    return studies.our_record(space=space)


def hostile_study(results: Path, name: str, place: str, option: str, spec: str) -> None:
    """The study ``name`` with that record, and a trial that has the code as a parameter."""
    url = f"sqlite:///{results}/studies.db"
    record = hostile_record(place, option, spec)
    study = studies.our_study(name, storage=open_storage(url), space=record.space)
    params = {option: spec} if place == "params" else {}
    study.add_trial(
        create_trial(
            params={**params, "lr": 0.1},
            distributions={
                **{name: CategoricalDistribution((spec, "lenet")) for name in params},
                "lr": studies.SPACE["lr"],
            },
            value=50.0,
            intermediate_values={1: 50.0},
        )
    )
    folder = StudyFolder(results, name).trial(0)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "history.csv").write_text(f"epoch,val_top1,{spec}\n1,50,1\n")


@pytest.fixture
def ends(marker: Path, capsys: pytest.CaptureFixture[str], no_ray: None) -> Callable[..., str]:
    """Runs a command, which ends in work or in one line without running the code; that line."""

    def ended(main: Callable[[list[str]], int], *flags: str) -> str:
        code = run_main(lambda: main([*map(str, flags)]))
        error = capsys.readouterr().err
        assert not marker.exists(), flags
        assert (code, error.count("\n")) in ((0, 0), (1, 1), (2, 1)), error
        return error

    return ended


@pytest.mark.parametrize("place", PLACES)
def test_code_that_a_study_names_is_not_run(
    place: str, ends: Callable[..., str], marker: Path, data_dir: Path
) -> None:
    for i, (option, spec) in enumerate(specs(marker.parent)):
        results = marker.parent / f"results-{i}"
        results.mkdir()
        for name in ("s", "u"):
            hostile_study(results, name, place, option, spec)
        where = ("--results-dir", str(results))
        study, data = (*where, "--study-name", "s"), ("--data-dir", str(data_dir))
        refused = ends(replay.main, *study, "--trial", "0")
        if place in ("fixed", "params"):
            assert f"study 's' has {option}={spec}, whose code would be run" in refused
        assert not ends(report.main, *study, "--format", "md" if i else "csv,md,html")
        assert not ends(report.main, *where, "--compare", "s", "u", "--format", "md")
        asked = (*(("--space", "mine.py") if option == "train" else QUICK), *data)
        assert "study 's'" in ends(run.main, *asked, *study, "--dry-run")
        assert "study 's'" in ends(run.main, *asked, *study)
        other = (*where, "--study-name", "t", "--enqueue-from", "s", "--dry-run")
        assert "--enqueue-from 's'" in ends(run.main, *asked, *other)
        with pytest.raises(ValueError, match="study 's'"):
            api.search("lenet_batch", preset="quick", study_name="s", results_dir=results)
        api.load("s", results_dir=results).report("md")
        update_notes(load_study("s", f"sqlite:///{results}/studies.db"), results)
        assert not marker.exists()


def checkpoints(folder: Path, marker: Path, data: Path) -> Iterator[str]:
    """One set of hostile checkpoints in ``folder`` after the other."""
    identity = Identity(TrainConfig(model="lenet"), Execution(), read_meta(data).fingerprint)
    paths = [folder / name for name in ("best.pt", "checkpoint.pt", "checkpoint.previous.pt")]
    for path in paths:
        path.write_bytes(pickle.dumps(Bomb(marker)))
    yield "a pickle"
    for path in paths:
        write_checkpoint(path, {"identity": Bomb(marker)})
    yield "a pickle with its checksum"
    for option, spec in specs(marker.parent):
        known = identity.to_dict()
        known["config"] = {**known["config"], option: spec, "epochs": 1}
        rest: dict[str, Any] = {"usage": {}, "objects": {}, "history": [], "model": {}, "epoch": 1}
        rest |= {"data_folder": str(data), "trainer": {"history": []}}
        for path in paths:
            write_checkpoint(path, {"identity": known, **rest})
            assert read_checkpoint(path)
        yield f"{option}={spec}"


def test_code_that_a_checkpoint_names_is_not_run(
    ends: Callable[..., str], marker: Path, data_dir: Path
) -> None:
    from search.settings.check_data import prepare_data
    from search.terminal.notebook import make_console

    data = prepare_data("digits", data_dir, make_console())
    folder = marker.parent / "run"
    folder.mkdir()
    (folder / "history.csv").write_text("epoch,val_top1\n1,50\n")
    for what in checkpoints(folder, marker, data):
        assert ends(evaluate.main, str(folder)), what
        asked = (*QUICK, "--data-dir", str(data_dir), "--out", str(folder))
        assert ends(train.main, *asked, "--resume"), what


def test_files_of_the_working_directory_are_not_run(
    ends: Callable[..., str], marker: Path, data_dir: Path
) -> None:
    for name in ("torch.py", "spaces.py", "lenet.py", "digits.py", "conftest.py"):
        Path(name).write_text(f"MARKER = {str(marker)!r}\n{CODE}")
    assert not ends(describe.main, *QUICK[:4], "--data-dir", str(data_dir))
    asked = (*QUICK, "--data-dir", str(data_dir), "--steps", "2", "--start", "0.001")
    ends(lr_range.main, *asked, "--out", str(marker.parent / "range"))


def test_modules_beside_a_recorded_file_are_not_those_of_the_users_own(
    marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record names a file of the same name and content in a folder of somebody else's."""
    text = "import helper\ndef train(config, run):\n    yield {}\n"
    mine, theirs = Path("own.py").absolute(), marker.parent / "elsewhere" / "own.py"
    for path in (mine, theirs):
        path.write_text(text)
    theirs.with_name("helper.py").write_text(f"MARKER = {str(marker)!r}\n{CODE}")
    usual = studies.our_record()
    fixed = {"epochs": 4, "train": pinned(f"{theirs}:train")}
    space = SpaceFacts("mine", fixed=fixed, baseline={"x": 0.5}, parameters={"x": X})
    record = replace(usual, space=space, data=DataFacts(""))
    ours = as_begun(make_request(RunSettings.of_keywords({"space": "mine.py"})), record)
    found = located(str(ours.space.baseline["train"]))
    assert found is not None
    assert found[0] == mine
    monkeypatch.chdir(marker.parent)
    asked = RunSettings.of_keywords({"space": str(mine.with_name("mine.py"))})
    assert as_begun(make_request(asked), record).space.baseline["train"] == pinned(f"{mine}:train")
