"""Report B's ResNet-9 on CIFAR-10, trained as plainly as its small CNN.

    python -m search.run --space resnet9_plain

quick: on the embedded digits, about 3 minutes on any machine; expect 98 % on validation.
full: the report's own scale, 20 epochs on CIFAR-10 (not run here); expect about 71 % top-1 for
trial 0, reached after 6 to 8 epochs.
"""

from __future__ import annotations

from spaces.parameters.architecture import augmentations
from spaces.parameters.optimization import batch_size, learning_rate
from spaces.references import output_shapes
from spaces.space import Preset, Reference, Space

_GPU = "report B, RTX 3050"

SPACE = Space(
    name="resnet9_plain",
    title="ResNet-9, constant rate",
    source="report B",
    baseline={
        "model": "resnet9",
        "batch_size": 100,
        "epochs": 20,
        "optimizer": "sgd",
        "lr": 0.001,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "schedule": "constant",
        "loss": "cross_entropy",
        "augment": "none",
        "crop_padding": 4,
        "normalize": "cifar10",
    },
    parameters=(
        batch_size(32, 512),
        learning_rate(1e-4, 0.1),
        augmentations("none", "flip", "crop_flip"),
    ),
    presets={
        "quick": Preset(
            dataset="digits",
            n_trials=16,
            minutes=3,
            confirm=2,
            confirm_seeds=4,
            baseline={"epochs": 8, "crop_padding": 1, "normalize": "computed", "val_fraction": 0.2},
            parameters=(batch_size(32, 256), augmentations("none", "crop_flip")),
        ),
        "full": Preset(dataset="cifar10", n_trials=60),
    },
    references=(
        Reference("test_top1", 71, "report B, 20 epochs, stable at about this"),
        Reference("epochs_until_stable_low", 6, "report B, 6 to 8 epochs"),
        Reference("epochs_until_stable_high", 8, "report B, 6 to 8 epochs"),
        Reference("gpu_utilization", 96, _GPU),
        Reference("gpu_peak_memory_mb", 646, f"{_GPU}, of the process"),
        Reference("gpu_power_w", 34, _GPU),
        *output_shapes(
            "report B",
            {
                "stem": (64, 32),
                "block1": (128, 16),
                "block2": (256, 8),
                "block3": (512, 4),
                "pool": (512, 1),
                "classifier": (10,),
            },
        ),
    ),
)
