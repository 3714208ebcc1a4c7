"""Training of report B's small CNN, batch 100, against the report's own loop.

python -m benchmarks.train_lenet
"""

from __future__ import annotations

import sys

from benchmarks.harness import Aim, Case, Options, main
from benchmarks.training import compare_training

TRAIN_IMAGES, FEW = 25_000, 200
FLAGS = ("--space", "lenet_batch", "--preset", "full")


def cases(options: Options) -> list[Case]:
    images = options.of(TRAIN_IMAGES, FEW)
    return [compare_training(options, "small CNN, batch 100", Aim("≥", 6), images, *FLAGS)]


if __name__ == "__main__":
    sys.exit(main("train_lenet", "images/s of training, small CNN", cases))
