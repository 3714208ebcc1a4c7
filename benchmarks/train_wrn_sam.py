"""Training of a WideResNet-16-4 with SAM, crop, flip and Cutout, against the loop with a
per-tensor SAM.

    python -m benchmarks.train_wrn_sam
"""

from __future__ import annotations

import sys

from benchmarks.harness import Aim, Case, Options, main
from benchmarks.training import compare_training

TRAIN_IMAGES = {"smallest": 60, "normal": 570}  # a tenth of them is validation
SHAPES = {"smallest": ("10", "1", "16"), "normal": ("16", "4", "128")}


def cases(options: Options) -> list[Case]:
    depth, width, batch = SHAPES[options.size]
    settings = (f"depth={depth}", f"width={width}", f"batch_size={batch}", "dropout=0.0")
    flags = ["--space", "wrn_sam", "--preset", "full"]
    flags += [flag for setting in settings for flag in ("--set", setting)]
    name = f"WideResNet-{depth}-{width} with SAM, batch {batch}"
    return [compare_training(options, name, Aim("≥", 3), TRAIN_IMAGES[options.size], *flags)]


if __name__ == "__main__":
    sys.exit(main("train_wrn_sam", "images/s of training, WideResNet with SAM", cases))
