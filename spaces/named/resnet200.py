"""A residual net on 200 classes of ImageNet, and what its parts are worth: report D.

    python -m search.run --space resnet200 --preset full --dataset FOLDER

quick: 12 trials on the embedded digits, about 1 minute on 2 cores of an AMD EPYC; expect 98 % on
validation.
full: the report's own scale, 15 epochs on Tiny-ImageNet, which must lie unpacked in the data
folder or be named with --dataset (an epoch took the report 6 min on one GPU; not run here);
expect about 23 % top-1 for trial 0.

Where the report is silent, the choices are those of ``cnn200``.
"""

from __future__ import annotations

from spaces.parameters.architecture import (
    batch_norm_switch,
    depths,
    dropout_switch,
    residual_switch,
)
from spaces.parameters.optimization import learning_rate, schedules
from spaces.space import Preset, Reference, Space

SPACE = Space(
    name="resnet200",
    title="a residual net, part by part",
    source="report D",
    recipe={
        "model": "resnet200",
        "depth": 30,
        "residual": True,
        "batch_norm": True,
        "dropout": 0.0,
        "batch_size": 64,
        "epochs": 15,
        "optimizer": "sgd",
        "lr": 0.015,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "schedule": "plateau",
        "plateau_patience": 10,
        "decay_factor": 0.1,
        "min_lr": 1e-5,
        "early_stopping": 15,
        "loss": "cross_entropy",
        "augment": "none",
        "normalize": "computed",
    },
    parameters=(
        dropout_switch(0.5),
        batch_norm_switch(),
        schedules("plateau", "constant"),
        residual_switch(),
        depths(10, 18, 26, 30, 34),
        learning_rate(0.0015, 0.15),
    ),
    presets={
        "quick": Preset(
            dataset="digits",
            n_trials=12,
            recipe={
                "depth": 10,
                "epochs": 8,
                "plateau_patience": 1,
                "early_stopping": 3,
                "val_fraction": 0.2,
            },
            parameters=(depths(10, 18),),
        ),
        "full": Preset(dataset="tiny-imagenet-200", n_trials=60),
    },
    references=(
        Reference("test_top1", 22.81, "report D, 15 epochs"),
        Reference("val_top1", 23.40, "report D, 15 epochs"),
        Reference("test_loss_batch_sum", 0.0587, "report D, sum of batch means / images"),
        Reference("seconds_per_epoch", 360, "report D, one GPU", {"processes": 1}),
        Reference("seconds_per_epoch", 210, "report D, two GPUs", {"processes": 2}),
    ),
)
