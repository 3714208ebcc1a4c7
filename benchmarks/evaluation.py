"""Evaluation of the test images against the peer's evaluation loop.

python -m benchmarks.evaluation
"""

from __future__ import annotations

import sys

from benchmarks.crew import Crew
from benchmarks.harness import Aim, Case, Options, compare, main
from benchmarks.jobs import plan_of, request_of
from benchmarks.peers.recipe import Peer
from trainers.configs import trainer_config

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
    plan = plan_of(request_of(options, "--space", space, "--preset", "full"))
    config = trainer_config(plan.config)
    train = max(200, 2 * config.batch_size)
    peer = Peer(config, plan.data_folder, train, images)
    at_once = plan.resources.concurrency
    with Crew(config, [plan.execution], at_once, plan.data_folder, train, images) as crew:
        crew.test()
        peer.evaluate()
        label = f"{name}, {images} images"
        return compare(label, "images/s", AIM, crew.test, peer.evaluate, options.pairs)


if __name__ == "__main__":
    sys.exit(main("evaluation", "images/s of evaluation", cases))
