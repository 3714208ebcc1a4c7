"""Images a second of training: the service's way on this machine against the report's loop."""

from __future__ import annotations

from benchmarks.crew import Crew
from benchmarks.harness import Aim, Case, Options, compare
from benchmarks.jobs import plan_of, request_of
from benchmarks.peers.recipe import Peer
from trainers.configs import trainer_config


def compare_training(options: Options, name: str, aim: Aim, train: int, *flags: str) -> Case:
    """Both train the recipe of ``flags`` on the same ``train`` images, an epoch each in turn."""
    plan = plan_of(request_of(options, *flags))
    config = trainer_config(plan.config)
    peer = Peer(config, plan.data_folder, train)
    at_once = plan.resources.concurrency
    with Crew(config, [plan.execution], at_once, plan.data_folder, train) as crew:
        crew.train_epoch()  # nobody is measured while another still starts
        peer.train_epoch()
        return compare(name, "images/s", aim, crew.train_epoch, peer.train_epoch, options.pairs)
