"""The Ray that a search runs on: one of its own on this machine, or a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from search.autotune.resources import ANY, Resources
from search.common.study_files import files_of
from search.study.trial_runner import TrialRunner
from search.workers.capacity import OwnMachine, Room
from search.workers.node_facts import facts_here
from search.workers.node_requirements import Needs
from search.workers.nodes import Nodes
from search.workers.phases import Stages
from search.workers.ray_internals import local_ray, set_up_tune

MOST_PENDING = 1000  # trials that wait for a cluster to start their workers


@contextmanager
def open_ray(
    stages: Stages, resources: Resources, stop: Callable[[], bool]
) -> Iterator[tuple[str, Room]]:
    """A private Ray, or the cluster that ``resources`` name: a scratch folder for Tune, and how
    many trials may be at work where. Raises ``UserError`` where no node of the cluster may train,
    ``RayNotStartedError``."""
    if resources.ray_address is None:
        cpus = resources.concurrency * resources.threads * resources.processes
        with local_ray(cpus, resources.concurrency) as scratch:
            yield scratch, OwnMachine(resources.concurrency)
        return
    set_up_tune(resources.most or MOST_PENDING)
    from search.workers.cluster import RayView, cluster_ray

    plan = stages.runner.plan
    with cluster_ray(resources.ray_address, plan.folder, plan.space) as scratch:
        view = RayView(Path(scratch, "token"), files_of(plan.folder, patience=0))
        nodes = Nodes(view, _needs(stages.runner, resources), resources.most, stages.say)
        nodes.wait(stop)
        yield scratch, nodes


def _needs(runner: TrialRunner, resources: Resources) -> Needs:
    """What a node of a cluster must have."""
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
