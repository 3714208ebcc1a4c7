"""A residual net on 200 classes of ImageNet, and what its parts are worth: report D.

    python -m search.run --space resnet200 --preset full --dataset FOLDER

quick: on the embedded digits, about 3 minutes on any machine; expect 98 % on
validation.
full: the report's own scale, 15 epochs on Tiny-ImageNet, which must lie unpacked in the data
folder or be named with --dataset (an epoch took the report 6 min on one GPU; not run here);
expect about 23 % top-1 for trial 0.

Where the report is silent, the choices are those of ``cnn200``.
"""

from __future__ import annotations

from spaces.named.cnn200 import SPACE as CNN200
from spaces.parameters.architecture import depths
from spaces.space import Preset, Reference, Space

_QUICK = CNN200.presets["quick"]

SPACE = Space(
    name="resnet200",
    title="a residual net, part by part",
    source="report D",
    baseline={**CNN200.baseline, "model": "resnet200", "depth": 30, "residual": True, "epochs": 15},
    parameters=tuple(
        depths(10, 18, 26, 30, 34) if parameter.name == "depth" else parameter
        for parameter in CNN200.parameters
    ),
    presets={
        "quick": Preset(
            dataset="digits",
            n_trials=12,
            minutes=3,
            confirm=2,
            confirm_seeds=4,
            baseline={**_QUICK.baseline, "depth": 10},
            parameters=(depths(10, 18),),
        ),
        "full": Preset(dataset="tiny-imagenet-200", n_trials=60),
    },
    references=(
        Reference("test_top1", 22.81, "report D, 15 epochs"),
        Reference("val_top1", 23.40, "report D, 15 epochs"),
        Reference("test_loss_batch_sum", 0.0587, "report D, sum of batch means / N"),
        Reference("seconds_per_epoch", 360, "report D, one GPU", {"processes": 1}),
        Reference("seconds_per_epoch", 210, "report D, two GPUs", {"processes": 2}),
    ),
)
