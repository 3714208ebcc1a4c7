"""Evaluation of the test images against the peer's evaluation loop.

python -m benchmarks.evaluation
"""

from __future__ import annotations

import sys

from benchmarks.crew import Crew
from benchmarks.harness import Aim, Case, Options, compare, main
from benchmarks.jobs import choice_of, make_job
from benchmarks.peers.recipe import Peer

AIM = Aim("≥", 5)
NETWORKS = {  # the space, and how many test images take a second or more
    "small CNN": ("lenet_batch", 10_000),
    "ResNet-9": ("resnet9_plain", 1000),
}


def cases(options: Options) -> list[Case]:
    return [
        _case(options, name, space, options.of(images, 60))
        for name, (space, images) in NETWORKS.items()
    ]


def _case(options: Options, name: str, space: str, images: int) -> Case:
    job = make_job(options, "--space", space, "--preset", "full")
    choice, folder = choice_of(job)
    train = max(200, 2 * job.config.batch_size)
    peer = Peer(job.config, folder, train, images)
    at_once = choice.resources.concurrency
    with Crew(job.config, [choice.execution], at_once, folder, train, images) as crew:
        crew.test()
        peer.evaluate()
        label = f"{name}, {images} images"
        return compare(label, "images/s", AIM, crew.test, peer.evaluate, options.pairs)


if __name__ == "__main__":
    sys.exit(main("evaluation", "images/s of evaluation", cases))
