"""Opening a study: made whole, resumed, or refused because it is another's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution, json_to_distribution

from search.common.errors import UserError
from search.record.record import StudyRecord, read_record, write_record
from search.settings.decide import decide
from search.settings.open_study import find_record, open_study
from search.settings.plan import SearchPlan
from search.settings.request import Request, make_request
from search.settings.run_settings import RunSettings
from search.storage.lease import Lease
from search.storage.storage import open_storage
from search.terminal.dry_run import show
from spaces.params import Float, Int
from trainers.data.prepared import Meta
from trainers.execution import Execution

DATA = Meta(1, "digits", ("a", "b"), {"train_images": (9, 8, 8, 1)}, (0.5,), (0.5,), "fingerprint")
BUDGET = 400  # what the preset's minutes are said to come to
CONSTRAINED = """
from dataclasses import replace
from spaces.named.wrn_sam import SPACE as S
from spaces.space import Constraint
RULE = Constraint("{text}", lambda v: v["lr"] * {factor} < 1)
SPACE = replace(S, name="mine", constraints=(RULE,))
"""


class Search:
    """The start of ``python -m search.run``, on data that need not be there."""

    def __init__(self, folder: Path):
        self.folder = folder

    def request(self, *flags: str) -> Request:
        space = ["--space", "wrn_sam", "--preset", "quick", "--threads", "1"]
        return make_request(RunSettings.parse([*space, *flags]))

    def decide(self, *flags: str, data: Meta = DATA) -> tuple[SearchPlan, list[str]]:
        request = self.request(*flags)
        found = find_record(request, open_storage(request.storage))
        return decide(request, data, self.folder, found, print)

    def open(self, *flags: str, data: Meta = DATA) -> optuna.Study:
        plan, _ = self.decide(*flags, data=data)
        with Lease(plan.folder) as lease:
            return open_study(plan, open_storage(plan.storage), lease)


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Search:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    monkeypatch.setattr("search.autotune.devices.gpu_count", lambda: 0)
    monkeypatch.setattr("search.settings.decide.measured_budget", lambda *_: BUDGET)
    return Search(tmp_path)


def record_of(study: optuna.Study) -> StudyRecord:
    record = read_record(study)
    assert record is not None
    return record


def change_record(study: optuna.Study, **changes: Any) -> None:
    write_record(study, replace(record_of(study), **changes))


def test_a_new_study_says_what_it_is_and_starts_with_the_baseline(search: Search) -> None:
    study = search.open()
    assert study.study_name == "wrn_sam-quick"
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    trials = study.get_trials()
    assert [trial.state.name for trial in trials] == ["WAITING"]
    assert trials[0].system_attrs["fixed_params"]["depth"] == 10
    record = record_of(study)
    assert record.space.name == "wrn_sam"
    assert record.space.fixed["epochs"] == 9
    assert "batch_size" not in record.space.fixed
    assert (record.data.name, record.data.classes) == ("digits", ("a", "b"))
    assert record.data.shapes == {"train_images": [9, 8, 8, 1]}
    assert record.objectives == ("val_top1",)
    assert (record.strategy.sampler, record.strategy.pruner) == ("tpe", "promotion")
    assert record.provenance.versions["optuna"] == optuna.__version__


def test_title_and_references_belong_to_a_data_set(search: Search) -> None:
    flags = ("--preset", "full", "--n-trials", "5")
    theirs = record_of(search.open(*flags))  # the report's own
    assert theirs.space.title == "WideResNet with SAM, on digits"  # as the data call themselves
    assert "test_top1" in {figure.metric for figure in theirs.references}
    mine = replace(DATA, name="leaves", fingerprint="mine")
    flags = (*flags, "--dataset", "leaves/", "--study-name", "mine")
    ours = record_of(search.open(*flags, data=mine))
    assert (ours.space.title, ours.references) == ("WideResNet with SAM, on leaves", ())


def test_the_objective_decides_what_is_better(search: Search) -> None:
    study = search.open("--objective", "val_loss")
    assert study.direction == optuna.study.StudyDirection.MINIMIZE
    assert record_of(study).objectives == ("val_loss",)
    with pytest.raises(UserError, match="another objective: it was 'val_loss', now 'val_top1'"):
        search.open()


def test_opening_again_changes_nothing(search: Search) -> None:
    first = search.open()
    before = (first.user_attrs, first.get_trials())
    second = search.open()
    assert (second.user_attrs, second.get_trials()) == before


def test_what_is_left_open_on_resume_is_as_the_study_has_it(search: Search) -> None:
    flags = ("--sampler", "random", "--pruner", "none", "--seed", "5", "--n-trials", "99")
    began = record_of(search.open(*flags)).strategy
    plan, notes = search.decide()
    assert plan.record.strategy == began
    assert plan.n_trials == 99
    assert notes == ["precision float32, 2 workers x 1 thread (as the study began)"]


RANGE = ("--range", "lr=0.05:0.5", "--range", "batch_size=32:128")


def test_a_range_narrows_the_interval_and_is_kept_on_resume(search: Search) -> None:
    began = record_of(search.open(*RANGE))
    assert began.space.ranges == {"lr": [0.05, 0.5], "batch_size": [32, 128]}
    interval = json_to_distribution(began.space.parameters["lr"])
    assert interval == FloatDistribution(0.05, 0.5, log=True)
    for flags in ((), RANGE):
        plan, _ = search.decide(*flags)
        assert plan.space.parameters[:2] == (
            Int("batch_size", 32, 128, log=True),
            Float("lr", 0.05, 0.5, log=True),
        )
        assert plan.record.space == began.space


def test_another_range_on_resume_is_refused(search: Search) -> None:
    search.open("--range", "lr=0.05:0.5")
    with pytest.raises(UserError, match=r"was begun with --range lr=0\.05:0\.5; leave out --range"):
        search.decide("--range", "lr=0.05:0.6")


def test_a_study_without_ranges_gets_none(search: Search) -> None:
    search.open()
    with pytest.raises(UserError, match=r"was begun with no --range; leave out --range"):
        search.decide("--range", "lr=0.05:0.5")


def test_another_strategy_holds_from_now_on_and_is_said_and_recorded(search: Search) -> None:
    search.open("--n-trials", "20")
    flags = ("--n-trials", "99", "--sampler", "random", "--pruner", "none", "--seed", "5")
    _, notes = search.decide(*flags)
    assert notes[1:] == [
        "sampler: random from now on, until now tpe",
        "pruner: none from now on, until now promotion",
        "seed of the sampler: 5 from now on, until now 0",
        "number of trials: 99 from now on, until now 20",
    ]
    record = record_of(search.open(*flags))
    strategy = record.strategy
    assert (strategy.sampler, strategy.pruner, strategy.seed) == ("random", "none", 5)
    assert strategy.n_trials == 99
    assert record.provenance.command.endswith(" ".join(flags))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--epochs", "5"), "made for another baseline: epochs was 9, now 5"),
        (("--set", "augment=none"), "another baseline: augment was 'crop_flip_cutout', now 'none'"),
        (("--set", "lr=0.1"), "made for other parameters: lr was "),
    ],
)
def test_another_baseline_is_refused(search: Search, flags: tuple[str, ...], message: str) -> None:
    search.open()
    with pytest.raises(UserError) as caught:
        search.open(*flags)
    assert message in str(caught.value)
    assert "choose another --study-name" in str(caught.value)


def test_an_option_that_the_record_lacks_has_its_default(search: Search) -> None:
    """A release adds options; the studies of the one before continue."""
    study = search.open()
    space = record_of(study).space
    older = {name: value for name, value in space.fixed.items() if name != "early_stopping"}
    change_record(study, space=replace(space, fixed=older))
    assert record_of(search.open()).space.fixed == older
    with pytest.raises(UserError, match="another baseline: early_stopping was 0, now 3"):
        search.open("--set", "early_stopping=3")


def test_another_data_set_is_refused(search: Search) -> None:
    search.open()
    with pytest.raises(UserError, match="made for another dataset: it was 'fingerprint', now 'x'"):
        search.open(data=replace(DATA, fingerprint="x"))


def test_another_space_is_refused(search: Search, tmp_path: Path) -> None:
    text = "from dataclasses import replace\nfrom spaces.named.wrn_sam import SPACE as S\n"
    tmp_path.joinpath("mine.py").write_text(f"{text}SPACE = replace(S, name='mine')")
    search.open()
    with pytest.raises(UserError, match="made for another space: it was 'wrn_sam', now 'mine'"):
        search.open("--space", "mine.py", "--study-name", "wrn_sam-quick")


def test_another_objective_is_refused(search: Search) -> None:
    change_record(search.open(), objectives=("val_loss",))
    with pytest.raises(UserError, match="another objective: it was 'val_loss', now 'val_top1'"):
        search.open()


def test_another_constraint_is_refused(search: Search, tmp_path: Path) -> None:
    def rule(text: str, factor: float) -> tuple[str, str]:
        tmp_path.joinpath("mine.py").write_text(CONSTRAINED.format(text=text, factor=factor))
        return ("--space", "mine.py")

    study = search.open(*rule("lr is small", 1))
    search.open(*rule("lr is small", 1))
    with pytest.raises(UserError, match=r"another constraint: .*'lr is small'.* now .*'lr is low'"):
        search.open(*rule("lr is low", 1))
    trained = optuna.trial.create_trial(
        state=optuna.trial.TrialState.PRUNED,
        params={"lr": 0.6},
        distributions={"lr": optuna.distributions.FloatDistribution(0.01, 1)},
        intermediate_values={1: 50.0},
    )
    study.add_trial(trained)
    search.open(*rule("lr is small", 1))
    with pytest.raises(UserError, match=r"constraint: its trial .* breaks 'lr is small'"):
        search.open(*rule("lr is small", 2))


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_a_foreign_study_is_refused(search: Search, tmp_path: Path, direction: str) -> None:
    tmp_path.joinpath("results").mkdir()
    storage = f"sqlite:///{tmp_path}/results/studies.db"
    theirs = optuna.create_study(study_name="theirs", storage=storage, direction=direction)
    theirs.tell(theirs.ask(), 1.0)
    with pytest.raises(UserError, match="study 'theirs' was not made by this program"):
        search.open("--study-name", "theirs")
    assert not search.request("--study-name", "theirs").folder.path.exists()
    assert not theirs.user_attrs


def test_deciding_makes_no_study(search: Search) -> None:
    plan, _ = search.decide()
    assert optuna.get_all_study_names(plan.storage) == []
    assert not plan.folder.path.exists()


def test_a_study_without_its_first_trial_gets_it(search: Search, tmp_path: Path) -> None:
    """Its first driver died before the baseline was enqueued, or before its record was written."""
    tmp_path.joinpath("results").mkdir()
    url = search.request().storage
    optuna.create_study(study_name="wrn_sam-quick", storage=url, direction="maximize")
    study = search.open()
    assert [trial.state.name for trial in study.get_trials()] == ["WAITING"]
    assert record_of(study).space.name == "wrn_sam"


def test_a_study_that_another_driver_begins_meanwhile_is_not_mixed(search: Search) -> None:
    late, _ = search.decide("--threads", "2")
    search.open("--threads", "1")
    with (
        pytest.raises(UserError, match="begun by another driver meanwhile"),
        Lease(late.folder) as lease,
    ):
        open_study(late, open_storage(late.storage), lease)


def test_trials_in_another_folder_are_refused(search: Search, tmp_path: Path) -> None:
    """Drivers that keep their locks in two folders would take each other for dead."""
    storage = f"sqlite:///{tmp_path}/studies.db"
    search.open("--storage", storage)
    with pytest.raises(UserError, match=r"keeps its trials in .*results/wrn_sam-quick"):
        search.open("--storage", storage, "--results-dir", "elsewhere")
    tmp_path.joinpath("results").rename(tmp_path / "moved")
    study = search.open("--storage", storage, "--results-dir", "moved")
    assert record_of(study).folder == str(tmp_path / "moved" / "wrn_sam-quick")


def test_the_same_path_on_another_machine_is_refused_before_anything_is_made(
    search: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both see one database; each has a disk of its own."""
    monkeypatch.setattr("search.storage.storage.is_local", lambda path: False)
    storage = f"sqlite:///{tmp_path}/studies.db"
    study = search.open("--storage", storage)
    token = record_of(study).folder_token
    assert tmp_path.joinpath("results/wrn_sam-quick/folder.token").read_text() == token
    tmp_path.joinpath("results").rename(tmp_path / "not seen there")
    with pytest.raises(UserError, match=r"on another machine or disk, .*; share that folder"):
        search.open("--storage", storage)
    assert not tmp_path.joinpath("results").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--threads", "2"), "began with --threads 1, and 2 would change its curves; leave out"),
        (("--precision", "bfloat16"), "began with --precision float32, and bfloat16 would"),
        (("--processes", "2"), "began with --processes 1, and 2 would"),
        (("--deterministic",), "began without --deterministic; leave out --deterministic, or"),
        (("--gpus-per-trial", "1"), "began on the CPU, got --gpus-per-trial 1"),
    ],
)
def test_computing_in_another_way_is_refused(
    search: Search, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], message: str
) -> None:
    search.open()
    monkeypatch.setattr("search.autotune.devices.gpu_count", lambda: 2)
    with pytest.raises(UserError, match=message):
        search.open(*flags)


def resumed(search: Search, *flags: str) -> SearchPlan:
    """As ``search.decide``, with threads left open."""
    request = search.request(*flags)
    request = replace(request, settings=replace(request.settings, threads=None))
    found = find_record(request, open_storage(request.storage))
    return decide(request, DATA, search.folder, found, print)[0]


def test_a_study_goes_on_as_it_began_to_compute(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.autotune.devices.cpu_count", lambda: 8)
    search.open("--threads", "2")
    plan = resumed(search)
    assert plan.execution.threads == 2
    assert (plan.resources.concurrency, plan.resources.threads) == (4, 2)
    plan = resumed(search, "--concurrency", "3", "--max-retries", "7")
    assert (plan.resources.concurrency, plan.resources.max_retries) == (3, 7)


def test_a_study_on_gpus_goes_on_with_its_processes(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process has a GPU, also where --processes is not said again."""
    monkeypatch.setattr("search.autotune.devices.gpu_count", lambda: 4)
    card = {"name": "Gpu", "capability": "9.0", "free": 10**11, "tf32": True, "bfloat16": True}
    monkeypatch.setattr("search.autotune.devices.run_module", lambda *_: [json.dumps([card] * 4)])
    search.open("--processes", "2")
    plan = resumed(search)
    assert (plan.execution.device, plan.execution.processes) == ("cuda", 2)
    resources = plan.resources
    assert (resources.concurrency, resources.gpus_per_trial, resources.processes) == (2, 2.0, 2)


def test_a_study_that_began_on_a_gpu_needs_one(search: Search) -> None:
    study = search.open()
    change_record(study, execution=replace(record_of(study).execution, device="cuda"))
    with pytest.raises(UserError, match="began on a GPU, and this run has none"):
        search.open()


def test_a_grids_total_is_its_size(search: Search) -> None:
    fixed = ("batch_size=64", "lr=0.1", "weight_decay=0", "rho=0.1", "dropout=0")
    flags = [flag for value in fixed for flag in ("--set", value)]
    assert search.decide(*flags, "--sampler", "grid")[0].n_trials == 2 * 2  # depth, width
    assert search.decide(*flags, "--sampler", "grid", "--n-trials", "3")[0].n_trials == 3


def test_a_grid_that_takes_over_ends_with_its_last_row(search: Search) -> None:
    fixed = ("batch_size=64", "lr=0.1", "weight_decay=0", "rho=0.1", "dropout=0")
    flags = [flag for value in fixed for flag in ("--set", value)]
    search.open(*flags, "--n-trials", "9")
    plan, notes = search.decide(*flags, "--sampler", "grid")
    assert plan.n_trials == 2 * 2  # depth, width
    assert "number of trials: 4 from now on, until now 9" in notes


def test_a_dry_run_says_how_a_study_goes_on(
    search: Search, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = "search.terminal.dry_run.data_if_prepared"
    monkeypatch.setattr(checked, lambda *_: (search.folder, DATA))
    search.open("--sampler", "random", "--pruner", "none", "--n-trials", "3")
    before = sorted(search.folder.rglob("*"))
    show(search.request("--data-dir", str(search.folder)))
    text = " ".join(capsys.readouterr().out.split())
    assert "would resume: study 'wrn_sam-quick', up to 3 trials" in text
    assert "sampler random, pruner none" in text
    assert sorted(search.folder.rglob("*")) == before
    with pytest.raises(UserError, match="made for another"):
        show(search.request("--epochs", "5", "--data-dir", str(search.folder)))


CARD = {"name": "Card", "capability": "9.0", "free": 80e9, "tf32": True, "bfloat16": True}


def test_what_a_calibration_finds_is_recorded_and_resumed(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine with a GPU, where a graph in bfloat16 is the fastest and four trials at once
    are clearly faster than two."""
    rounds: list[int] = []

    def timed(arguments: Any, count: int, *said: str) -> list[str]:
        rounds.append(count)
        ways = map(Execution.from_mapping, json.loads(arguments[1])["executions"])
        return [json.dumps([[_speed(way) / count**0.5, ""] for way in ways])] * count

    monkeypatch.setattr("search.autotune.devices.gpu_count", lambda: 1)
    monkeypatch.setattr("search.autotune.devices.cpu_count", lambda: 4)
    monkeypatch.setattr("search.autotune.devices.run_module", lambda *_: [json.dumps([CARD])])
    monkeypatch.setattr("search.autotune.timing.run_module", timed)
    large = replace(DATA, shapes={"train_images": (50_000, 32, 32, 3)})
    flags = ("--n-trials", "9", "--data-dir", str(search.folder))
    plan, notes = search.decide(*flags, data=large)
    assert plan.execution == plan.record.execution == FOUND
    assert (plan.resources.concurrency, plan.resources.gpus_per_trial) == (4, 0.25)
    assert plan.record.gpus_per_trial == 0.25
    assert notes[0].startswith(
        "precision bfloat16, CUDA graph, 4 workers x 1 thread, 4 on each GPU"
    )
    with Lease(plan.folder) as lease:
        open_study(plan, open_storage(plan.storage), lease)
    assert rounds == [1, 2, 4]
    again, _ = search.decide(*flags, data=large)
    assert (again.execution, again.resources) == (plan.execution, plan.resources)
    alone, _ = search.decide(*flags, "--gpus-per-trial", "1", data=large)
    assert alone.resources.concurrency == 1
    assert rounds == [1, 2, 4], "a study that resumes is not calibrated"


FOUND = Execution("cuda", "bfloat16", graph=True)


def _speed(way: Execution) -> float:
    return 1000.0 if way == FOUND else 600.0


def test_which_weights_are_kept_is_as_the_study_has_it(search: Search) -> None:
    search.open("--keep-weights", "all")
    plan, notes = search.decide()
    assert (plan.keep_weights, len(notes)) == ("all", 1)
    _, notes = search.decide("--keep-weights", "none")
    assert "weights kept: none from now on, until now all" in notes


def test_a_budget_of_epochs_is_recorded_and_says_how_many_trials_may_begin(search: Search) -> None:
    plan, _ = search.decide("--epoch-budget", "100")
    assert (plan.epoch_budget, plan.n_trials) == (100, 100)
    search.open("--epoch-budget", "100", "--n-trials", "7")
    plan, notes = search.decide("--epoch-budget", "200")
    assert (plan.epoch_budget, plan.n_trials) == (200, 200)
    assert "budget of epochs: 200 from now on, until now 100" in notes
    assert search.decide()[0].epoch_budget == 100


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--epoch-budget", "8"), "--epoch-budget must be at least 9, the epochs of the baseline"),
        (
            ("--epoch-budget", "99", "--pruner", "halving"),
            "--epoch-budget is planned for by --pruner promotion alone, got --pruner halving",
        ),
    ],
)
def test_a_budget_that_cannot_be_planned_for_is_refused(
    search: Search, flags: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        search.decide(*flags)
    assert message in str(caught.value)


def test_a_budget_of_epochs_lets_trials_pause(search: Search) -> None:
    search.open("--n-trials", "9", "--pruner", "halving")
    assert search.decide()[0].record.strategy.pruner == "halving"  # as it began
    search.open("--epoch-budget", "100")
    assert search.decide()[0].record.strategy.pruner == "promotion"
