"""Opening a study: made whole, gone on with, or refused because it is another's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from search.common.errors import UserError
from search.planning.choose_execution import recorded_execution
from search.planning.job import Job, resolve
from search.planning.open_study import check_study, make_plan, open_study
from search.run import make_parser
from search.storage.lease import Lease
from trainers.data.prepared import Meta

DATA = Meta(1, "digits", ("a", "b"), {"train_images": (9, 8, 8, 1)}, (0.5,), (0.5,), "fingerprint")
Opener = Callable[..., optuna.Study]


@pytest.fixture
def job_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Job]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)

    def make(*flags: str) -> Job:
        parser = make_parser()
        return resolve(parser.parse_args(["--space", "wrn_sam", "--preset", "quick", *flags]))

    return make


@pytest.fixture
def opened(job_of: Callable[..., Job]) -> Opener:
    def open_it(*flags: str, data: Meta = DATA) -> optuna.Study:
        job = job_of(*flags)
        check_study(job, data)
        with Lease(job.folder) as lease:
            return open_study(job, data, lease, "the command")

    return open_it


def test_a_new_study_says_what_it_is_and_starts_with_the_recipe(opened: Opener) -> None:
    study = opened()
    assert study.study_name == "wrn_sam-quick"
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    trials = study.get_trials()
    assert [trial.state.name for trial in trials] == ["WAITING"]
    assert trials[0].system_attrs["fixed_params"]["depth"] == 10
    attributes = study.user_attrs
    assert attributes["space"]["name"] == "wrn_sam"
    assert attributes["dataset"]["name"] == "digits"
    assert attributes["dataset"]["classes"] == ["a", "b"]
    assert attributes["dataset"]["shapes"] == {"train_images": [9, 8, 8, 1]}
    assert attributes["identity"]["recipe"]["epochs"] == 16
    assert "batch_size" not in attributes["identity"]["recipe"]
    assert attributes["provenance"]["command"] == "the command"
    assert attributes["provenance"]["versions"]["optuna"] == optuna.__version__
    assert [ref["value"] for ref in attributes["references"] if ref["metric"] == "test_top1"]


def test_opening_again_changes_nothing(opened: Opener) -> None:
    first = opened()
    before = (first.user_attrs, first.get_trials())
    second = opened()
    assert (second.user_attrs, second.get_trials()) == before


def test_total_sampler_pruner_and_seed_may_change(opened: Opener) -> None:
    opened()
    opened("--n-trials", "99", "--sampler", "random", "--pruner", "none", "--seed", "5")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--epochs", "5"), "made for another recipe: epochs was 16, now 5"),
        (("--set", "augment=none"), "another recipe: augment was 'crop_flip_cutout', now 'none'"),
        (("--set", "lr=0.1"), "made for another parameters: lr was "),
    ],
)
def test_another_recipe_is_refused(opened: Opener, flags: tuple[str, ...], message: str) -> None:
    opened()
    with pytest.raises(UserError) as caught:
        opened(*flags)
    assert message in str(caught.value)
    assert "choose another --study-name" in str(caught.value)


def test_another_data_set_is_refused(opened: Opener) -> None:
    from dataclasses import replace

    opened()
    with pytest.raises(UserError, match="made for another dataset: it was 'fingerprint', now 'x'"):
        opened(data=replace(DATA, fingerprint="x"))


def test_another_space_is_refused(opened: Opener, job_of: Any, tmp_path: Path) -> None:
    text = "from dataclasses import replace\nfrom spaces.named.wrn_sam import SPACE as S\n"
    tmp_path.joinpath("mine.py").write_text(f"{text}SPACE = replace(S, name='mine')")
    opened()
    with pytest.raises(UserError, match="made for another space: it was 'wrn_sam', now 'mine'"):
        check_study(job_of("--space", "mine.py", "--study-name", "wrn_sam-quick"), DATA)


def test_another_objective_is_refused(opened: Opener) -> None:
    study = opened()
    study.set_user_attr("identity", {**study.user_attrs["identity"], "objective": "val_loss"})
    with pytest.raises(UserError, match="another objective: it was 'val_loss', now 'val_top1'"):
        opened()


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_a_foreign_study_is_refused(
    opened: Opener, job_of: Any, tmp_path: Path, direction: str
) -> None:
    tmp_path.joinpath("results").mkdir()
    storage = f"sqlite:///{tmp_path}/results/studies.db"
    theirs = optuna.create_study(study_name="theirs", storage=storage, direction=direction)
    theirs.tell(theirs.ask(), 1.0)
    with pytest.raises(UserError, match="study 'theirs' was not made by this program"):
        opened("--study-name", "theirs")
    assert not job_of("--study-name", "theirs").folder.path.exists()
    assert not theirs.user_attrs


def test_checking_makes_no_study(job_of: Callable[..., Job]) -> None:
    job = job_of()
    check_study(job, DATA)
    assert optuna.get_all_study_names(job.storage) == []
    assert not job.folder.path.exists()


def test_a_study_without_its_first_trial_gets_it(opened: Opener, job_of: Any) -> None:
    """Its first driver died before the recipe was enqueued, or before all was written."""
    job = job_of()
    job.results_dir.mkdir()
    optuna.create_study(study_name="wrn_sam-quick", storage=job.storage, direction="maximize")
    study = opened()
    assert [trial.state.name for trial in study.get_trials()] == ["WAITING"]
    assert "identity" in study.user_attrs


def test_trials_in_another_folder_are_refused(opened: Opener, tmp_path: Path) -> None:
    """Drivers that keep their locks in two folders would take each other for dead."""
    storage = f"sqlite:///{tmp_path}/studies.db"
    opened("--storage", storage)
    with pytest.raises(UserError, match=r"keeps its trials in .*results/wrn_sam-quick"):
        opened("--storage", storage, "--results-dir", "elsewhere")
    tmp_path.joinpath("results").rename(tmp_path / "moved")
    study = opened("--storage", storage, "--results-dir", "moved")
    assert study.user_attrs["folder"] == str(tmp_path / "moved" / "wrn_sam-quick")


def test_a_study_goes_on_as_it_began_to_compute(opened: Opener, job_of: Any) -> None:
    opened("--threads", "1")
    job = job_of("--threads", "2")
    study = opened("--threads", "2")
    assert make_plan(job, study, Path("data")).execution["threads"] == 1


def test_a_study_that_began_on_a_gpu_needs_one(opened: Opener, job_of: Any) -> None:
    study = opened()
    on_gpu = {**study.user_attrs["execution"], "device": "cuda"}
    study.set_user_attr("execution", on_gpu)
    with pytest.raises(UserError, match="began on a GPU, and this run has none"):
        recorded_execution(job_of())


def test_recorded_threads_decide_how_many_run_at_once(
    opened: Opener, job_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.planning.choose_execution.cpu_count", lambda: 8)
    assert recorded_execution(job_of()) is None
    opened("--threads", "2")
    choice = recorded_execution(job_of("--threads", "1"))
    assert choice is not None
    assert (choice.resources.concurrency, choice.resources.threads) == (4, 2)
    choice = recorded_execution(job_of("--concurrency", "3"))
    assert choice is not None
    assert choice.resources.concurrency == 3
