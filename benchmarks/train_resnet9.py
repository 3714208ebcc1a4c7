"""Training of report B's ResNet-9, batch 100, against the report's own loop.

python -m benchmarks.train_resnet9
"""

from __future__ import annotations

import sys

from benchmarks.harness import Aim, Case, Options, main
from benchmarks.training import compare_training

TRAIN_IMAGES, FEW = 777, 100  # a tenth of them is validation
FLAGS = ("--space", "resnet9_plain", "--preset", "full")


def cases(options: Options) -> list[Case]:
    images = options.of(TRAIN_IMAGES, FEW)
    batch = ("--set", options.of("batch_size=100", "batch_size=10"))
    return [compare_training(options, "ResNet-9, batch 100", Aim("≥", 6), images, *FLAGS, *batch)]


if __name__ == "__main__":
    sys.exit(main("train_resnet9", "images/s of training, report B's ResNet-9", cases))
