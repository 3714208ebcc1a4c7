"""ResNet-50 on CIFAR-10 with a cosine schedule: report A.

    python -m search.run --space resnet50_cosine

quick: ResNet-18 and -34 on the embedded digits, about 3 minutes on any machine; expect
90 % and more on validation, but half of that for trial 0, whose rate of 0.1 wants more than 6
epochs.
full: the report's own scale, 200 epochs on CIFAR-10 (trial 0 took 5 h 14 min on its RTX 4060
laptop GPU; not run here); expect about 95.5 % top-1 for trial 0.

The report normalises without saying by what; here by the training set's own mean and std.
"""

from __future__ import annotations

from spaces.parameters.architecture import depths
from spaces.parameters.optimization import batch_size, learning_rate, weight_decay
from spaces.space import Preset, Reference, Space

_GPU = "report A, RTX 4060 laptop GPU"
_TEST = "report A, evaluation of 10,000 images at batch 256, RTX 4060 laptop GPU"

SPACE = Space(
    name="resnet50_cosine",
    title="ResNet-50 with a cosine schedule",
    source="report A",
    baseline={
        "model": "resnet",
        "depth": 50,
        "batch_size": 256,
        "epochs": 200,
        "optimizer": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "schedule": "cosine",
        "loss": "cross_entropy",
        "augment": "crop_flip",
        "crop_padding": 4,
        "normalize": "computed",
    },
    parameters=(
        batch_size(64, 1024),
        learning_rate(0.01, 1.0),
        weight_decay(1e-5, 5e-3),
        depths(18, 34, 50, 101, 152),
    ),
    presets={
        "quick": Preset(
            dataset="digits",
            n_trials=8,
            minutes=3,
            confirm=2,
            confirm_seeds=4,
            baseline={
                "depth": 18,
                "batch_size": 64,
                "epochs": 6,
                "crop_padding": 1,
                "val_fraction": 0.2,
            },
            parameters=(batch_size(32, 256), depths(18, 34)),
        ),
        "full": Preset(dataset="cifar10", n_trials=60, confirm=2, confirm_seeds=3),
    },
    references=(
        Reference("test_top1", 95.53, "report A, best epoch on the test set"),
        Reference("test_top1", 95.33, "report A, the same as its text has it", {"said_in": "text"}),
        Reference("test_top1", 95.49, "report A", {"epoch": 197}),
        Reference("test_top1", 95.37, "report A", {"epoch": 198}),
        Reference("test_top1", 95.50, "report A", {"epoch": 199}),
        Reference("test_top1", 95.38, "report A", {"epoch": 200}),
        Reference("parameters", 23_520_842, "report A, 23.521 M"),
        Reference(
            "macs_with_norm_and_pool", 1.312e9, "report A; its counter counts BatchNorm and pooling"
        ),
        Reference("seconds_per_epoch", 90, f"{_GPU}, about"),
        Reference("wall_seconds", 18_840, f"{_GPU}, 5 h 14 min"),
        Reference("gpu_utilization", 100, _GPU),
        Reference("gpu_peak_memory_mb", 7500, _GPU),
        Reference("gpu_power_w", 76, _GPU),
        Reference("test_seconds", 7.72, _TEST),
        Reference("test_gpu_peak_memory_mb", 1796, _TEST),
        Reference("test_gpu_utilization", 98, _TEST),
    ),
)
