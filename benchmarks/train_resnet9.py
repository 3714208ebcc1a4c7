"""Training of report B's ResNet-9, batch 100, against the report's own loop.

python -m benchmarks.train_resnet9
"""

from __future__ import annotations

import sys

from benchmarks.harness import Aim, Case, Options, main
from benchmarks.training import compare_training

TRAIN_IMAGES = {"smallest": 230, "normal": 2220}  # a tenth of them is validation
FLAGS = ("--space", "resnet9_plain", "--preset", "full", "--set", "batch_size=100")


def cases(options: Options) -> list[Case]:
    images = TRAIN_IMAGES[options.size]
    return [compare_training(options, "ResNet-9, batch 100", Aim("≥", 6), images, *FLAGS)]


if __name__ == "__main__":
    sys.exit(main("train_resnet9", "images/s of training, report B's ResNet-9", cases))
