"""From search to verdict on invented trainings: what is trained again, what is said of it."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.study import Study
from rich.console import Console

from search.common.errors import UserError
from search.record.record import read_record
from search.reporting.search_result import SearchResult
from search.reporting.study_data import StudyData, read_study
from search.reporting.verdict import beside, regression, sentence
from search.settings.decide import decide
from search.settings.open_study import find_record, open_study
from search.settings.plan import SearchPlan
from search.settings.reevaluation import refuse_other_study
from search.settings.request import make_request
from search.settings.run_settings import RunSettings
from search.storage.lease import Lease
from search.strategy.verdict import NO_DIFFERENCE, NOTHING_BEATS, WINS
from search.study.messages import Completed, Diverged, EpochDone, Failed, Message, Task
from search.study.reevaluation import open_reevaluation
from search.study.trial_runner import TrialRunner
from search.terminal.search_summary import print_result
from search.workers.driver import Phases
from trainers.data.prepared import Meta

SHAPES = {"train_images": (1000, 8, 8, 1), "test_images": (500, 8, 8, 1)}
DATA = Meta(1, "digits", ("a", "b"), SHAPES, (0.5,), (0.5,), "fingerprint")
SPACE = Path(__file__).parents[2] / "faults" / "tiny_space.py"
FLAGS = ("--epochs", "2", "--n-trials", "6", "--pruner", "none", "--threads", "1")
CONFIRM = ("--confirm", "3", "--confirm-seeds", "5")

Truth = Callable[[Mapping[str, Any]], float]  # configuration → accuracy without noise


class World:
    """Searches of one study; ``trained`` are the configurations that cost something, in order."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.storage = optuna.storages.InMemoryStorage()
        self.trained: list[dict[str, Any]] = []
        self.ending: Callable[[Task], Message | None] = lambda task: None

    def plan(self, *flags: str) -> SearchPlan:
        where = ["--space", str(SPACE), "--preset", "quick", "--results-dir", str(self.folder)]
        request = make_request(RunSettings.parse([*where, *FLAGS, *flags]))
        found = find_record(request, self.storage)
        return decide(request, DATA, self.folder, found, print)[0]

    def run(self, truth: Truth, *flags: str) -> StudyData:
        """To its end."""
        plan = self.plan(*flags)
        with Lease(plan.folder) as lease, ExitStack() as leases:
            study = open_study(plan, self.storage, lease)
            runner = TrialRunner(study, plan, lease, lambda event: None)

            def then() -> TrialRunner | None:
                return open_reevaluation(plan, study, self.storage, leases, lambda event: None)

            phases = Phases(runner, then)
            while not phases.are_met():
                task = phases.runner.ask()
                if task is not None:
                    listen(phases.runner, task, self._train(task, truth))
        return read_study(study, self.folder)

    def _train(self, task: Task, truth: Truth) -> Iterator[Message]:
        """Noise follows from the seed, and a bit from the setting."""
        config = dict(task.config)
        self.trained.append(config)
        if (ending := self.ending(task)) is not None:
            yield ending
            return
        common = random.Random(config["seed"]).gauss(0, 1.0)
        own = random.Random(f"{config['seed']} {config['lr']}").gauss(0, 0.1)
        value = truth(config) + common + own
        yield EpochDone({"epoch": 1, "val_top1": value}, {"wall_seconds": 1.0})
        yield EpochDone({"epoch": 2, "val_top1": value + 1}, {"wall_seconds": 2.0})
        yield Completed({"test_top1": value - 2, "wall_seconds": 2.0})

    def confirming(self) -> Study:
        return optuna.load_study(study_name="tiny-quick-confirm", storage=self.storage)


def listen(runner: TrialRunner, task: Task, messages: Iterator[Message]) -> None:
    for message in messages:
        if not isinstance(message, EpochDone):
            runner.finish(task.number, message)  # type: ignore[arg-type]
        else:
            runner.report(task.number, message)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("OPTUNA_STORAGE", "sqlite:///not-used.db")
    monkeypatch.setattr("search.autotune.devices.gpu_count", lambda: 0)
    return World(tmp_path)


def better(config: Mapping[str, Any]) -> float:
    """The baseline has 80, every other setting 84."""
    return 80.0 if config["lr"] == 0.05 else 84.0


def equal(config: Mapping[str, Any]) -> float:
    return 80.0


def worse(config: Mapping[str, Any]) -> float:
    return 80.0 if config["lr"] == 0.05 else 75.0


def test_a_better_setting_wins_by_what_it_is_better(world: World) -> None:
    data = world.run(better, *CONFIRM)
    verdict = data.verdict
    assert verdict is not None
    assert verdict.gain is not None
    assert verdict.outcome == WINS
    assert 4 in verdict.gain
    assert verdict.gain.half < 0.5  # of pairs: the seeds' own noise of 1 is in both
    assert verdict.chosen is not None
    assert verdict.chosen.half > 0.5
    assert sentence(verdict).startswith(f"Trial {verdict.winner} beats the baseline: +")
    assert sentence(verdict).endswith(" points (95 % CI, 5 seeds, test top-1)")


def test_where_nothing_beats_the_baseline_the_verdict_says_so(world: World) -> None:
    verdict = world.run(worse, *CONFIRM).verdict
    assert verdict is not None
    assert verdict.outcome == NOTHING_BEATS
    assert sentence(verdict).startswith("Nothing beats the baseline: trial ")
    assert " is at −" in sentence(verdict)


def test_equals_are_not_said_to_differ(world: World) -> None:
    verdict = world.run(equal, *CONFIRM).verdict
    assert verdict is not None
    assert verdict.outcome in (NO_DIFFERENCE, NOTHING_BEATS)


def test_pairs_share_seed_and_split_and_these_are_fresh(world: World) -> None:
    data = world.run(better, *CONFIRM)
    assert data.verdict is not None
    searched, confirmed = world.trained[:6], world.trained[6:]
    assert {(config["seed"], config["split_seed"]) for config in searched} == {(0, 0)}
    assert all(config["seed"] == config["split_seed"] > 0 for config in confirmed)
    baselines = {config["seed"] for config in confirmed if config["lr"] == 0.05}
    winner = data.frozen[data.verdict.winner or 0].params["lr"]
    of_winner = {config["seed"] for config in confirmed if config["lr"] == winner}
    assert len(baselines) == 5
    assert baselines <= of_winner
    record = read_record(world.confirming())
    assert record is not None
    assert record.reevaluates == "tiny-quick"
    assert data.record is not None
    assert data.record.reevaluation is not None
    assert baselines == set(data.record.reevaluation.judging)


def test_trials_of_the_reevaluation_name_those_of_the_search(world: World) -> None:
    data = world.run(better, *CONFIRM)
    for trial in world.confirming().get_trials():
        searched = data.frozen[trial.user_attrs["confirmed_trial"]]
        assert trial.params["lr"] == searched.params["lr"]
        assert trial.state.name == "COMPLETE"


def test_a_search_without_reevaluation_trains_nothing_again(world: World) -> None:
    data = world.run(better, *CONFIRM, "--no-confirm")
    assert len(world.trained) == 6
    assert data.reevaluation is None
    assert optuna.get_all_study_names(world.storage) == ["tiny-quick"]


def test_the_same_command_again_trains_nothing(world: World) -> None:
    first = world.run(better, *CONFIRM)
    trained = len(world.trained)
    again = world.run(better)
    assert len(world.trained) == trained
    assert again.verdict == first.verdict


def test_a_study_that_goes_on_confirms_only_what_is_new(world: World) -> None:
    """More trials, and two more seeds: those of before are not trained again."""
    world.run(better, *CONFIRM)
    before = [dict(config) for config in world.trained]
    data = world.run(better, "--n-trials", "8", "--confirm-seeds", "7")
    new = world.trained[len(before) :]
    assert len([config for config in new if config["seed"] == 0]) == 2
    assert all(config not in before for config in new)
    assert data.verdict is not None
    assert data.verdict.seeds == 7


def test_a_study_of_before_is_confirmed_where_that_is_asked_for(world: World) -> None:
    world.run(better, "--no-confirm")
    assert world.run(better).reevaluation is None
    assert world.run(better, *CONFIRM).verdict is not None


def test_a_winner_that_diverges_with_some_seed_is_not_said_to_win(world: World) -> None:
    plan = world.plan(*CONFIRM)
    assert plan.record.reevaluation is not None
    bad = plan.record.reevaluation.judging[1]

    def ending(task: Task) -> Message | None:
        config = task.config
        diverges = config["seed"] == bad and config["lr"] != 0.05
        return Diverged("diverged in epoch 1: training loss is nan", 1) if diverges else None

    world.ending = ending
    verdict = world.run(better, *CONFIRM).verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.lost) == (NO_DIFFERENCE, 1)
    assert "4 seeds" in sentence(verdict)
    assert "it diverged or failed with 1 of 5 seeds" in sentence(verdict)


def test_a_failed_training_can_be_tried_again(world: World, tmp_path: Path) -> None:
    plan = world.plan(*CONFIRM)
    assert plan.record.reevaluation is not None
    bad = plan.record.reevaluation.judging[0]
    world.ending = lambda task: Failed("OSError: no") if task.config["seed"] == bad else None
    verdict = world.run(better, *CONFIRM).verdict
    assert verdict is not None
    assert (verdict.lost, verdict.baseline_lost) == (1, 1)
    world.ending = lambda task: None
    with Lease(plan.folder) as lease, ExitStack() as leases:
        study = open_study(plan, world.storage, lease)
        runner = open_reevaluation(plan, study, world.storage, leases, lambda event: None)
        assert runner is not None
        runner.retry_failed()
    verdict = world.run(better, *CONFIRM).verdict
    assert verdict is not None
    assert (verdict.lost, verdict.baseline_lost, verdict.outcome) == (0, 0, WINS)


def test_a_grids_best_is_confirmed(world: World) -> None:
    """Two points, of which one is the baseline's."""

    def truth(config: Mapping[str, Any]) -> float:
        return 84.0 if config["optimizer"] == "sam" else 80.0

    grid = ("--sampler", "grid", "--n-trials", "2", "--set", "lr=0.05", "--set", "batch_size=256")
    verdict = world.run(truth, *grid, *CONFIRM).verdict
    assert verdict is not None
    assert (verdict.winner, verdict.outcome) == (1, WINS)
    assert len(world.trained) == 2 + 2 * 5


def test_what_new_seeds_do_not_show_is_told(world: World) -> None:
    """The search's seed gave every setting 3 points that no other seed gives."""

    def lucky(config: Mapping[str, Any]) -> float:
        return better(config) + (3.0 if config["seed"] == 0 else 0.0)

    verdict = world.run(lucky, *CONFIRM).verdict
    assert verdict is not None
    assert verdict.confirmed is not None
    common = random.Random(0).gauss(0, 1.0)
    assert verdict.searched - verdict.confirmed.estimate == pytest.approx(3 + common, abs=1.5)
    assert " points on new seeds" in regression(verdict)


def test_the_published_figure_lies_in_the_interval_or_not(world: World) -> None:
    verdict = world.run(better, *CONFIRM).verdict
    assert verdict is not None
    assert verdict.baseline is not None
    middle = verdict.baseline.estimate
    assert ", inside its interval here" in beside(verdict, {"test_top1": middle})
    assert ", outside its interval here" in beside(verdict, {"test_top1": 60.0})
    assert beside(verdict, {"test_loss": 1.0}) == ""


def test_the_terminal_begins_with_the_verdict(world: World) -> None:
    data = world.run(better, *CONFIRM)
    console = Console(file=io.StringIO(), width=120)
    assert data.verdict is not None
    print_result(console, data)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.startswith(sentence(data.verdict))
    assert f"chosen: trial {data.verdict.winner}" in text
    assert "mean of 5 new seeds" in " ".join(text.split())
    assert "on 100 validation and 500 test images" in " ".join(text.split())
    assert "re-evaluation: 1" in text


def test_python_has_the_verdict_and_the_trial_that_it_chose(world: World) -> None:
    data = world.run(better, *CONFIRM)
    study = optuna.load_study(study_name="tiny-quick", storage=world.storage)
    result = SearchResult(study, data)
    assert data.verdict is not None
    assert result.verdict == sentence(data.verdict)
    assert result.best is not None
    assert result.best.number == data.verdict.winner
    assert repr(result).startswith(f"<study 'tiny-quick': {result.verdict}. ")
    html = result._repr_html_()
    assert html.startswith(f"<p><b>{result.verdict}. ")
    assert f"chosen: trial {data.verdict.winner}" in html
    assert "5 new seeds" in html


def test_a_reevaluation_resumes_under_the_searchs_name(world: World) -> None:
    world.run(better, *CONFIRM)
    with pytest.raises(UserError, match="is the re-evaluation of 'tiny-quick'"):
        world.plan("--study-name", "tiny-quick-confirm")


def test_another_study_of_the_reevaluations_name_is_left_alone(world: World) -> None:
    other = optuna.create_study(study_name="tiny-quick-confirm", storage=world.storage)
    other.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(UserError, match="is another study"):
        refuse_other_study(world.plan(*CONFIRM), world.storage)
    refuse_other_study(world.plan("--no-confirm"), world.storage)
