"""A CNN of six layers on 200 classes of ImageNet, and what its parts are worth: report D.

    python -m search.run --space cnn200 --preset full --dataset FOLDER

quick: on the embedded digits, about 3 minutes on any machine; expect 98 % on
validation.
full: the report's own scale, 40 epochs on Tiny-ImageNet, which must lie unpacked in the data
folder or be named with --dataset (an epoch took the report 1.5 min on one GPU; not run here);
expect about 29 % top-1 for trial 0.

Where the report is silent: batches of 64, since its test loss, a sum of batch means over 10,000
images, is 0.0496 and so a mean of 3.2 over 157 batches (79 would mean 6.3, worse than guessing);
SGD without weight decay; early stopping after 15 epochs, so that a drop of the rate after 10 can
still help; no augmentation; the training set's own mean and std.
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
    name="cnn200",
    title="a CNN, part by part",
    source="report D",
    baseline={
        "model": "cnn200",
        "depth": 6,
        "residual": False,
        "batch_norm": True,
        "dropout": 0.0,
        "batch_size": 64,
        "epochs": 40,
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
        depths(3, 4, 5, 6),
        learning_rate(0.0015, 0.15),
    ),
    presets={
        "quick": Preset(
            dataset="digits32",
            n_trials=12,
            minutes=3,
            confirm=2,
            confirm_seeds=4,
            baseline={"epochs": 8, "plateau_patience": 1, "early_stopping": 3, "val_fraction": 0.2},
        ),
        "full": Preset(dataset="tiny-imagenet-200", n_trials=60),
    },
    references=(
        Reference("test_top1", 28.67, "report D, 40 epochs"),
        Reference("val_top1", 29.10, "report D, 40 epochs"),
        Reference("test_loss_batch_sum", 0.0496, "report D, sum of batch means / N"),
        Reference("seconds_per_epoch", 90, "report D, one GPU", {"processes": 1}),
        Reference("seconds_per_epoch", 48, "report D, two GPUs", {"processes": 2}),
        Reference("speedup_low", 1.8, "report D, both networks, 1.8 to 1.9", {"processes": 2}),
        Reference("speedup_high", 1.9, "report D, both networks, 1.8 to 1.9", {"processes": 2}),
    ),
)
