"""Runs a study's trials in Ray Tune workers until it has its total or is asked to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from search.autotune.resources import ANY, Resources
from search.common.errors import SearchError
from search.common.file_store import files_of
from search.common.layout import StudyFolder, origin_of
from search.study.events import FINISHED, INTERRUPTED, TIMED_OUT, Note
from search.study.messages import Task
from search.study.trial_runner import Conditions, TrialRunner
from search.workers.node_facts import facts_here
from search.workers.nodes import Capacity, Needs, Nodes
from search.workers.ray_internals import (
    RayNotStartedError,
    local_ray,
    lost_process,
    set_up_tune,
)
from search.workers.stop_signals import Deadline, stop_signals
from search.workers.watchdog import RemoteHeartbeats, Watchdog

if TYPE_CHECKING:
    from search.workers.worker import Work

MOST_PENDING = 1000  # trials that wait for a cluster to start their workers
MOST_RESTARTS = 3  # of Ray, in one search


def run_search(
    runner: TrialRunner,
    resources: Resources,
    work: Work,
    timeout: float | None = None,
    then: Callable[[], TrialRunner | None] = lambda: None,
) -> str:
    """Trains until the study is met, ``timeout`` seconds have passed or a signal came.

    ``work`` is a function from ``Task`` to messages, as ``search.workers.train_task.train_task``;
    ``then`` opens the runner that the same workers turn to once this one is met, if there is any.
    Returns how it ended; trials that were live then stay RUNNING in the study and on disk.
    """
    with stop_signals() as stop:
        deadline = Deadline(stop, timeout)

        def prepare(runner: TrialRunner) -> None:
            shares_gpus = resources.gpus_per_trial < 1
            runner.train_under(Conditions(deadline.reached, deadline.seconds_left, shares_gpus))

        phases = Phases(runner, then, prepare)
        restarts = 0
        while not phases.are_met() and (lost := _with_ray(phases, resources, work, deadline)):
            restarts += 1
            if restarts > MOST_RESTARTS:
                raise SearchError(
                    f"{lost}, {restarts} times; what was recorded is kept; rerun to resume"
                )
            for number in list(phases.runner.live):
                phases.runner.release(number)
            phases.runner.observe(Note(f"{lost}; Ray is started again", warning=True))
    ended = FINISHED if phases.are_met() else INTERRUPTED if stop.asked else TIMED_OUT
    phases.runner.close()
    return ended


def _with_ray(phases: Phases, resources: Resources, work: Work, deadline: Deadline) -> str:
    """Trains until what all workers need is lost or they are no longer needed; returns a sentence
    about the loss, "" if there was none."""
    if deadline.reached():
        return ""
    try:
        with _open_ray(phases, resources, deadline.reached) as (scratch, capacity):
            if not deadline.reached():
                _tune(phases, resources, work, deadline, scratch, capacity)
            died = "" if deadline.reached() else lost_process()
            return f"Ray's {died} died" if died else ""
    except RayNotStartedError as error:
        return "" if deadline.reached() else str(error)


class Phases:
    """``runner`` is at work now. ``then`` opens the one that follows, None where none does;
    ``prepare`` is called with each before it is asked for anything."""

    def __init__(
        self,
        first: TrialRunner,
        then: Callable[[], TrialRunner | None],
        prepare: Callable[[TrialRunner], None] = lambda runner: None,
    ):
        self.runner = first
        self._then: Callable[[], TrialRunner | None] | None = then
        self._prepare = prepare
        prepare(first)

    def are_met(self) -> bool:
        """Return whether nothing is left to do; turn to what follows where the runner at work is
        met."""
        while self.runner.is_met():
            following = self._then() if self._then else None
            self._then = None
            if following is None:
                return True
            self._prepare(following)
            self.runner = following
        return False

    def say(self, note: Note) -> None:
        """Tell whoever follows the search."""
        self.runner.observe(note)

    def has_issued(self, task: Task) -> bool:
        """Return whether ``task`` is of the runner at work; else it is old news."""
        return Path(task.folder) == self.runner.plan.folder.trial(task.number).absolute()


@contextmanager
def _open_ray(
    phases: Phases, resources: Resources, stop: Callable[[], bool]
) -> Iterator[tuple[str, Capacity]]:
    """Open a private Ray, or the cluster that ``resources`` name. Yields a scratch folder for Tune,
    and how many trials may be at work where. Raises ``UserError`` where no node of the cluster may
    train, ``RayNotStartedError``."""
    if resources.ray_address is None:
        cpus = resources.concurrency * resources.threads * resources.processes
        with local_ray(cpus, resources.concurrency) as scratch:
            yield scratch, Capacity(resources.concurrency)
        return
    set_up_tune(resources.most or MOST_PENDING)
    from search.workers.cluster import ClusterView, cluster_ray

    plan = phases.runner.plan
    with cluster_ray(resources.ray_address, plan.folder, plan.space) as scratch:
        view = ClusterView(Path(scratch, "token"), files_of(plan.folder, patience=0))
        nodes = Nodes(view, _needs(phases.runner, resources), resources.most, phases.say)
        nodes.wait(stop)
        yield scratch, nodes


def _needs(runner: TrialRunner, resources: Resources) -> Needs:
    """Return what a node of a cluster must have."""
    execution = runner.plan.execution
    driver = facts_here("")
    kind = runner.device_kind() or driver.kind(execution.device)
    return Needs(
        execution,
        resources.threads * resources.processes,
        resources.gpus_per_trial,
        driver,
        None if resources.device_kinds == ANY else kind,
    )


def _tune(
    phases: Phases,
    resources: Resources,
    work: Work,
    deadline: Deadline,
    scratch: str,
    capacity: Capacity,
) -> None:
    """Has Tune train until the phases are met. Raises what the runner raises."""
    from ray import tune

    from search.workers.node_data import drivers_data
    from search.workers.ray_adapters import (
        NoReporter,
        RunnerScheduler,
        RunnerSearcher,
        RunnerStopper,
        Session,
        StopNow,
    )
    from search.workers.worker import make_worker, placement

    watchdog = _watchdog(phases.runner.plan.folder, resources)
    session = Session(phases, capacity, watchdog, deadline.reached, resources.max_retries)
    data = drivers_data() if resources.ray_address else None
    cpus = resources.threads * resources.processes
    takes = partial(placement, cpus, resources.gpus_per_trial)
    try:
        tune.run(
            tune.with_resources(make_worker(work, data), takes),
            search_alg=RunnerSearcher(session),
            scheduler=RunnerScheduler(session),
            stop=RunnerStopper(session),
            num_samples=-1,
            reuse_actors=True,
            raise_on_failed_trial=False,
            storage_path=scratch,
            trial_dirname_creator=lambda trial: trial.trial_id,
            progress_reporter=NoReporter(),
            verbose=0,
        )
    except StopNow:
        if deadline.reached():
            phases.say(Note(deadline.reason()))
    except tune.TuneError as error:  # the runner's own error, which Ray keeps as a text
        raise error.__context__ or error from None


def _watchdog(folder: StudyFolder, resources: Resources) -> Watchdog:
    if resources.ray_address is None:
        return Watchdog(resources.silence)
    from search.workers.cluster import ask_for_beat, kill_on

    remote = RemoteHeartbeats(ask_for_beat) if origin_of(folder.results_dir) else None
    return Watchdog(resources.silence, remote=remote, kill_on=kill_on)
