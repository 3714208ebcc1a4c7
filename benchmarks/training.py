"""Training and evaluation on this machine against the reports' plain loop.

    python -m benchmarks.training

Both train the same baseline on the same images, an epoch each in turn: the loop with every core for
its one model, the service as it chooses to, several trials at once, of which all count.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier

from benchmarks.data import part_of
from benchmarks.harness import Aim, Case, Options, Sample, compare, main
from benchmarks.jobs import plan_of, request_of
from benchmarks.peers.baseline import Peer
from trainers.config import TrainConfig, trainer_config
from trainers.execution import Execution
from trainers.trainer import Trainer

EVALUATION = Aim("≥", 5)


@dataclass(frozen=True)
class Network:
    """A space's baseline and what is set of it; ``smallest`` only shows that it works.

    ``train`` and ``test`` are how many images take a second or more; a tenth of the former is
    validation. Without ``test`` evaluation is not measured.
    """

    name: str
    space: str
    aim: Aim
    train: int
    test: int = 0
    settings: Mapping[str, object] = field(default_factory=dict)
    smallest: Mapping[str, object] = field(default_factory=dict)


WRN = {"depth": 16, "width": 4, "batch_size": 128, "dropout": 0.0}
SMALL_WRN = {"depth": 10, "width": 1, "batch_size": 16, "dropout": 0.0}
RESNET9 = {"batch_size": 100}, {"batch_size": 10}
NETWORKS = (
    Network("small CNN, batch 100", "lenet_batch", Aim("≥", 6), 25_000, 10_000),
    Network("ResNet-9, batch 100", "resnet9_plain", Aim("≥", 6), 777, 1000, *RESNET9),
    Network("WRN-16-4 with SAM, batch 128", "wrn_sam", Aim("≥", 3), 290, 0, WRN, SMALL_WRN),
)
FEW_TRAIN, FEW_TEST = 200, 60


def cases(options: Options) -> list[Case]:
    networks = options.of(NETWORKS, NETWORKS[::2])
    return [case for network in networks for case in _cases(options, network)]


def _cases(options: Options, network: Network) -> Iterator[Case]:
    settings = options.of(network.settings, network.smallest)
    flags = [f for name, value in settings.items() for f in ("--set", f"{name}={value}")]
    request = request_of(options, "--space", network.space, "--preset", "full", *flags)
    plan = plan_of(request)
    config = trainer_config(plan.config)
    train, test = options.of(network.train, FEW_TRAIN), options.of(network.test, FEW_TEST)
    peer = Peer(config, plan.data_folder, train, test or FEW_TEST)
    at_once, images = plan.resources.concurrency, (plan.data_folder, train, test or FEW_TEST)
    with trials_at_once(at_once, config, plan.execution, *images) as together:
        ours = partial(together, _train_epoch)
        ours(), peer.train_epoch()  # nobody is measured while another still starts
        label, pairs = f"training: {network.name}", options.pairs
        yield compare(label, "images/s", network.aim, ours, peer.train_epoch, pairs)
        if network.test:
            label = f"evaluation: {network.name}"
            evaluate = partial(together, _evaluate)
            yield compare(label, "images/s", EVALUATION, evaluate, peer.evaluate, pairs)


# -- trials at once, each in a process of its own --

_trainer: Trainer
_meeting: Barrier


@contextmanager
def trials_at_once(
    count: int, config: TrainConfig, way: Execution, data: Path, train: int, test: int
) -> Iterator[Callable[[Sample], float]]:
    """What has each of ``count`` trials take a sample at the same time, and sums them."""
    context = get_context("spawn")
    given = (context.Barrier(count), config, way, data, train, test)
    with ProcessPoolExecutor(count, context, _begin, given) as pool:
        yield lambda sample: sum(pool.map(_together, [sample] * count))


def _begin(
    meeting: Barrier, config: TrainConfig, way: Execution, data: Path, train: int, test: int
) -> None:
    global _meeting, _trainer
    _meeting, _trainer = meeting, Trainer(config, part_of(data, train, test), way)


def _together(sample: Sample) -> float:
    _meeting.wait()  # so each process takes one
    return sample()


def _train_epoch() -> float:
    """Images a second."""
    return len(_trainer.train_indices) / _trainer.train_epoch().seconds


def _evaluate() -> float:
    """Images a second."""
    start = time.perf_counter()
    return _trainer.test().images / (time.perf_counter() - start)


if __name__ == "__main__":
    sys.exit(main("training", "images/s against the plain loop", cases))
