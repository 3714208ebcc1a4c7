"""Report C's ResNet-9 on CIFAR-10, its learning rate found by a range test.

    python -m search.run --space resnet9_lr_range

A range test of the learning rate is run first and narrows its interval; weight decay is 5e-4 for
each image of a batch, so it grows with the batch size. ``python -m search.lr_range`` runs the
test alone: at the report's scale it suggested 0.0049 here, where the report picked 0.005.

quick: on the embedded digits after a range test of 100 mini-batches, about 3 minutes on any
machine; expect 98 % on validation.
full: the report's own scale, 24 epochs on CIFAR-10 (not run here); expect about 88 % top-1 for
trial 0, and 82 % without augmentation.
"""

from __future__ import annotations

from spaces.parameters.architecture import augmentations
from spaces.parameters.optimization import batch_size, learning_rate
from spaces.references import class_accuracies
from spaces.space import Preset, Reference, Space

_NONE = {"augment": "none"}

SPACE = Space(
    name="resnet9_lr_range",
    title="ResNet-9 after a learning-rate range test",
    source="report C",
    baseline={
        "model": "resnet9_pool",
        "batch_size": 64,
        "epochs": 24,
        "optimizer": "sgd",
        "lr": 0.005,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "weight_decay_per_image": True,
        "schedule": "cosine",
        "loss": "cross_entropy",
        "augment": "crop_flip",
        "crop_padding": 4,
        "normalize": "half",
    },
    parameters=(
        learning_rate(1e-4, 1.0),
        batch_size(16, 256),
        augmentations("none", "crop_flip"),
    ),
    presets={
        "quick": Preset(
            dataset="digits",
            n_trials=12,
            minutes=3,
            confirm=2,
            confirm_seeds=4,
            baseline={"epochs": 8, "crop_padding": 1, "val_fraction": 0.2},
            lr_range_steps=100,
        ),
        "full": Preset(dataset="cifar10", n_trials=60, lr_range_steps=300),
    },
    references=(
        Reference("suggested_lr", 5e-3, "report C, range test over 300 mini-batches"),
        Reference("test_top1", 88, "report C, crop + flip"),
        Reference("train_top1", 91, "report C, crop + flip"),
        *class_accuracies("report C, crop + flip", (87, 98, 77, 80, 90, 79, 89, 92, 96, 93), {}),
        Reference("test_top1", 82, "report C, no augmentation", _NONE),
        Reference("train_top1", 99, "report C, no augmentation", _NONE),
        *class_accuracies(
            "report C, no augmentation", (87, 88, 77, 61, 83, 79, 91, 85, 94, 85), _NONE
        ),
    ),
)
