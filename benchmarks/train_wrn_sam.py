"""Training of a WideResNet-16-4 with SAM, crop, flip and Cutout, against the loop with a
per-tensor SAM.

    python -m benchmarks.train_wrn_sam
"""

from __future__ import annotations

import sys

from benchmarks.harness import Aim, Case, Options, main
from benchmarks.training import compare_training

TRAIN_IMAGES, FEW = 290, 60  # a tenth of them is validation
SHAPE, SMALL_SHAPE = ("16", "4", "128"), ("10", "1", "16")  # depth, width, batch


def cases(options: Options) -> list[Case]:
    depth, width, batch = options.of(SHAPE, SMALL_SHAPE)
    settings = (f"depth={depth}", f"width={width}", f"batch_size={batch}", "dropout=0.0")
    flags = ["--space", "wrn_sam", "--preset", "full"]
    flags += [flag for setting in settings for flag in ("--set", setting)]
    name = f"WideResNet-{depth}-{width} with SAM, batch {batch}"
    images = options.of(TRAIN_IMAGES, FEW)
    return [compare_training(options, name, Aim("≥", 3), images, *flags)]


if __name__ == "__main__":
    sys.exit(main("train_wrn_sam", "images/s of training, WideResNet with SAM", cases))
