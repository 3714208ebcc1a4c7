"""WideResNet with SAM on CIFAR-100: report E.

    python -m search.run --space wrn_sam

quick: a WideResNet on the embedded digits, about 3 minutes on any machine;
expect validation accuracies of 90 % and more, so the published figure is shown but not comparable.
full: the report's own scale, 200 epochs on CIFAR-100 (one trial took the report's RTX 2080 Ti
more than a day; the pruner stops most trials early); expect about 84 % top-1 for trial 0.
"""

from __future__ import annotations

from spaces.parameters.architecture import dropout, wide_resnet_depth, width
from spaces.parameters.optimization import batch_size, learning_rate, sam_rho, weight_decay
from spaces.space import Preset, Reference, Space

_PAPER = "SAM paper (Foret et al. 2021), CIFAR-100, WideResNet-28-10, 200 epochs"
_BASIC = {"depth": 28, "augment": "crop_flip"}
_CUTOUT = {"depth": 28}

SPACE = Space(
    name="wrn_sam",
    title="WideResNet with SAM",
    source="report E",
    baseline={
        "model": "wide_resnet",
        "depth": 34,
        "width": 10,
        "dropout": 0.0,
        "batch_size": 128,
        "epochs": 200,
        "optimizer": "sam",
        "rho": 0.1,
        "adaptive": False,
        "lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "schedule": "piecewise",
        "milestones": (0.2, 0.5, 0.7, 0.85),
        "decay_factor": 0.2,
        "loss": "smoothed_kl",
        "label_smoothing": 0.1,
        "augment": "crop_flip_cutout",
        "crop_padding": 4,
        "cutout_size": 16,
        "cutout_probability": 0.5,
        "normalize": "computed",
        "seed": 17,
    },
    parameters=(
        batch_size(32, 512),
        learning_rate(0.01, 1.0),
        weight_decay(1e-5, 5e-3),
        sam_rho(0.01, 0.5),
        dropout(0.5),
        wide_resnet_depth(10, 40),
        width(1, 12),
    ),
    presets={
        "quick": Preset(
            dataset="digits",
            n_trials=48,
            minutes=3,
            confirm=2,
            confirm_seeds=4,
            baseline={
                "depth": 10,
                "width": 1,
                "batch_size": 32,
                "epochs": 9,
                "crop_padding": 1,
                "cutout_size": 4,
                "val_fraction": 0.2,
            },
            parameters=(batch_size(16, 128), wide_resnet_depth(10, 16), width(1, 2)),
        ),
        "full": Preset(dataset="cifar100", n_trials=100, confirm=2, confirm_seeds=3),
    },
    references=(
        Reference("test_top1", 84.36, "report E, best epoch on the test set"),
        Reference("test_top5", 96.65, "report E, best epoch on the test set"),
        Reference("test_loss", 0.5081, "report E, lowest over the epochs, smoothed KL"),
        Reference("test_error", 16.5, f"{_PAPER}, basic augmentation", {**_BASIC}),
        Reference(
            "test_error", 18.8, f"{_PAPER}, basic augmentation", {**_BASIC, "optimizer": "sgd"}
        ),
        Reference("test_error", 14.9, f"{_PAPER}, Cutout", {**_CUTOUT}),
        Reference("test_error", 16.9, f"{_PAPER}, Cutout", {**_CUTOUT, "optimizer": "sgd"}),
    ),
)
