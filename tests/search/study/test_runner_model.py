"""Any order of asking, reporting, ending, crashing and resuming, against a simple model."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from search.common.layout import StudyFolder
from search.settings.plan import TrialPlan
from search.storage.lease import Lease
from search.strategy.halving import HalvingPruner
from search.strategy.samplers import make_sampler
from search.study.messages import Completed, Diverged, Ending, EpochDone, Failed, OutOfMemory
from search.study.trial_runner import TrialRunner
from spaces.params import Float
from spaces.space import Preset, Space
from trainers.execution import Execution

TOTAL, EPOCHS = 4, 4  # fewer than the failures alike that end a study
PICKS = st.integers(0, 8)
PRESET = Preset(dataset="digits", n_trials=TOTAL)
SPACE = Space(
    name="small",
    title="a small space",
    source="the tests",
    baseline={"model": "wide_resnet", "depth": 10, "width": 1, "lr": 0.1, "epochs": EPOCHS},
    parameters=(Float("lr", 0.01, 1.0, log=True),),
    presets={"quick": PRESET, "full": PRESET},
).at("quick")


@dataclass
class Model:
    """What is known of a trial: its epochs, its state once it has ended, the driver that claimed
    it last, and the one that keeps it back, to run it alone."""

    owner: int
    curve: dict[int, float] = field(default_factory=dict)
    ended: str | None = None
    kept_by: int | None = None


class RunnerMachine(RuleBasedStateMachine):
    """Two drivers on one study; each may die at any moment and be started again, or lose its lock
    for a while, as where a network is cut, and not know of it."""

    def __init__(self) -> None:
        super().__init__()
        self.scratch = tempfile.TemporaryDirectory()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.storage = optuna.storages.InMemoryStorage()
        self.folder = StudyFolder(Path(self.scratch.name), "study")
        self.model: dict[int, Model] = {}
        self.params: dict[int, dict[str, Any]] = {}
        self.leases = [Lease(self.folder), Lease(self.folder)]
        self.cut_off: set[int] = set()
        self.runners = [self._open(lease) for lease in self.leases]

    def _open(self, lease: Lease) -> TrialRunner:
        study = optuna.create_study(
            study_name="study",
            storage=self.storage,
            direction="maximize",
            sampler=make_sampler("random", SPACE, 0),
            pruner=HalvingPruner(2, 2),
            load_if_exists=True,
        )
        if not study.get_trials(deepcopy=False):
            study.enqueue_trial(SPACE.baseline_params())
        plan = TrialPlan(SPACE, TOTAL, Execution(), Path("data"), self.folder, ("val_top1",))
        return TrialRunner(study, plan, lease, lambda event: None)

    def teardown(self) -> None:
        for lease in self.leases:
            lease.__exit__()
        self.scratch.cleanup()

    # -- rules -----------------------------------------------------------------------------------

    @precondition(lambda self: not self.is_met())
    @rule(driver=st.integers(0, 1))
    def ask(self, driver: int) -> None:
        live = {number for index in (0, 1) for number in self._has(index)}
        others = len(self.runners[driver].live)
        task = self.runners[driver].ask()
        self._look_for_prunings()
        if task is None and others:
            return  # one of its trials may be alone, or another is to be
        if task is None:
            assert len(self.model) == TOTAL
            assert all(m.ended or n in live or m.kept_by is not None for n, m in self.model.items())
            return
        known = self.model.setdefault(task.number, Model(driver))
        may_take = {driver, *self.cut_off}  # from whom: a trial that is lost may be taken back
        assert task.number not in live or known.owner in may_take, "handed out twice"
        assert known.ended is None
        assert known.kept_by is None or known.kept_by in may_take
        known.kept_by, known.owner = None, driver
        assert task.reported == max(known.curve, default=0)
        assert len(self.model) <= TOTAL

    @precondition(lambda self: any(runner.live for runner in self.runners))
    @rule(driver=st.integers(0, 1), pick=PICKS, step=st.integers(-1, 1), value=st.floats(0, 99))
    def report(self, driver: int, pick: int, step: int, value: float) -> None:
        """The next epoch; one that was reported already, as a resumed worker repeats it."""
        runner, number = self._target(driver, pick)
        live = runner.live.get(number)
        epoch = (live.epoch if live else 0) + (1 if step == 1 else 0)
        if not 1 <= epoch <= EPOCHS:
            return
        mine = self._is_mine(runner, number)
        goes_on = runner.report(number, EpochDone({"epoch": epoch, "val_top1": value}))
        if not mine:
            assert not goes_on
            assert number not in runner.live
            return
        self.model[number].curve.setdefault(epoch, value)
        self.model[number].ended = None if goes_on else "PRUNED"

    @precondition(lambda self: any(runner.live for runner in self.runners))
    @rule(driver=st.integers(0, 1), pick=PICKS)
    def report_nan(self, driver: int, pick: int) -> None:
        runner, number = self._target(driver, pick)
        live = runner.live.get(number)
        if live is None or live.epoch == EPOCHS:
            return
        epoch, mine = live.epoch + 1, self._is_mine(runner, number)
        assert not runner.report(number, EpochDone({"epoch": epoch, "val_top1": math.nan}))
        if not mine:
            return
        self.model[number].curve[epoch] = math.nan
        self.model[number].ended = "PRUNED"

    @rule(
        driver=st.integers(0, 1),
        pick=PICKS,
        ending=st.sampled_from(
            [Completed({}), OutOfMemory("host"), Failed("ValueError: no"), Diverged("loss", 9)]
        ),
    )
    def end(self, driver: int, pick: int, ending: Ending) -> None:
        runner, number = self._target(driver, pick)
        mine, others = self._is_mine(runner, number), len(runner.live) > 1
        known = self.model.get(number)
        runner.finish(number, ending)
        if not mine or known is None:
            assert number not in runner.live
            return
        if isinstance(ending, OutOfMemory) and others:
            assert number not in runner.live  # to be tried again alone
            known.kept_by = self.runners.index(runner)
            return
        if isinstance(ending, Diverged):
            known.curve[9] = math.nan
        trained = any(not math.isnan(value) for value in known.curve.values())
        states = {Completed: "COMPLETE" if trained else "FAIL", Failed: "FAIL"}
        known.ended = states.get(type(ending), "PRUNED")

    @rule(driver=st.integers(0, 1))
    def lose_or_take_lock(self, driver: int) -> None:
        """The driver knows nothing of it: others may take its trials meanwhile."""
        if driver in self.cut_off:
            self.leases[driver].locks.hold(self.leases[driver].driver)
        else:
            self.leases[driver].locks.close()
        self.cut_off ^= {driver}

    @rule(driver=st.integers(0, 1))
    def crash(self, driver: int) -> None:
        """Gone with all it knew; the lock goes with its process."""
        self.cut_off -= {driver}
        for known in self.model.values():
            known.kept_by = None if known.kept_by == driver else known.kept_by
        self.leases[driver].__exit__()
        self.leases[driver] = Lease(self.folder)
        self.runners[driver] = self._open(self.leases[driver])

    @precondition(lambda self: len(self.model) < TOTAL)
    @rule(driver=st.integers(0, 1), steps=st.integers(0, 2))
    def crash_while_asking(self, driver: int, steps: int) -> None:
        """Killed after a trial was created, owned or given its parameter."""
        runner, lease = self.runners[driver], self.leases[driver]
        with lease.claiming():
            if any(not m.ended for m in self.model.values()):
                return
            trial = runner.study.ask()
            if steps > 0:
                trial.set_user_attr("driver", lease.driver)
            if steps > 1:
                trial.suggest_float("lr", 0.01, 1.0, log=True)
        self.model[trial.number] = Model(driver)
        self.crash(driver)

    def is_met(self) -> bool:
        return len(self.model) == TOTAL and all(known.ended for known in self.model.values())

    def _is_mine(self, runner: TrialRunner, number: int) -> bool:
        """Whether the trial is at work there and no other driver took it over."""
        live = number in runner.live
        return live and self.runners[self.model[number].owner] is runner

    def _has(self, driver: int) -> set[int]:
        runner = self.runners[driver]
        return {number for number in runner.live if self._is_mine(runner, number)}

    def _target(self, driver: int, pick: int) -> tuple[TrialRunner, int]:
        """A live trial and its driver mostly; else any driver and number, of a trial or of none."""
        live = [(runner, number) for runner in self.runners for number in sorted(runner.live)]
        if live and pick < 7:
            return live[pick % len(live)]
        return self.runners[driver], pick % (TOTAL + 1)

    def _look_for_prunings(self) -> None:
        """Asking may end trials whose pruning a crash had cut off."""
        for trial in self.runners[0].study.get_trials():
            known = self.model.get(trial.number)
            if known and not known.ended and trial.state.name == "PRUNED" and known.curve:
                known.ended = "PRUNED"

    # -- what always holds -----------------------------------------------------------------------

    @invariant()
    def the_study_is_as_the_model_says(self) -> None:
        for trial in self.runners[0].study.get_trials():
            if trial.state.name == "WAITING":
                continue
            known = self.model[trial.number]
            assert trial.state.name == (known.ended or "RUNNING")
            assert {k: repr(v) for k, v in trial.intermediate_values.items()} == {
                k: repr(v) for k, v in known.curve.items()
            }
            if known.ended:
                assert trial.user_attrs["reason"]
            if known.ended == "COMPLETE":
                assert trial.value == max(v for v in known.curve.values() if not math.isnan(v))

    @invariant()
    def parameters_never_change(self) -> None:
        for trial in self.runners[0].study.get_trials():
            if trial.params:
                assert self.params.setdefault(trial.number, trial.params) == trial.params


TestRunner = RunnerMachine.TestCase
TestRunner.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
