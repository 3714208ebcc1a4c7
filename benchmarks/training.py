"""Images a second of training: the service's way on this machine against the report's loop."""

from __future__ import annotations

from benchmarks.crew import Crew
from benchmarks.harness import Aim, Case, Options, compare
from benchmarks.jobs import choice_of, make_job
from benchmarks.peers.recipe import Peer


def compare_training(options: Options, name: str, aim: Aim, train: int, *flags: str) -> Case:
    """Both train the recipe of ``flags`` on the same ``train`` images, an epoch each in turn."""
    job = make_job(options, *flags)
    choice, folder = choice_of(job)
    peer = Peer(job.config, folder, train)
    at_once = choice.resources.concurrency
    with Crew(job.config, [choice.execution], at_once, folder, train) as crew:
        crew.train_epoch()  # nobody is measured while another still starts
        peer.train_epoch()
        return compare(name, "images/s", aim, crew.train_epoch, peer.train_epoch, options.pairs)
