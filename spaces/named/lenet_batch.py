"""The batch-size table of a small CNN on CIFAR-10: report B's headline.

    python -m search.run --space lenet_batch --preset full

A grid over batch sizes 100, 200 and 300; nothing is pruned, since every row of the table is
wanted, and nothing is selected, so nearly all images (98 %) are trained on.

quick: the same grid on the embedded digits, half a minute on 2 cores of an AMD EPYC; expect
97 % on validation whatever the batch size: the digits are easy.
full: the report's own scale, 10 epochs on CIFAR-10, 2 minutes on the same cores with --no-confirm,
which leaves out six trainings more; the rows came to 52.19, 46.22 and 40.41 % in bfloat16, 53.33,
46.31 and 40.48 % in float32.

The report's accuracies are those of the last epoch, a study's those of the best on the
validation split; with a constant rate and ten epochs the last is the best, or nearly so.
"""

from __future__ import annotations

from spaces.parameters.optimization import batch_sizes
from spaces.references import output_shapes
from spaces.space import Preset, Reference, Space

_TABLE = "report B, after 10 epochs, RTX 3050"
_LOOP = "a plain loop as report B writes it, three fresh seeds, CPU"
_200, _300 = {"batch_size": 200}, {"batch_size": 300}
_PLAIN = {"measured_by": "plain loop"}

SPACE = Space(
    name="lenet_batch",
    title="batch size of a small CNN",
    source="report B",
    baseline={
        "model": "lenet",
        "batch_size": 100,
        "epochs": 10,
        "optimizer": "sgd",
        "lr": 0.001,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "schedule": "constant",
        "loss": "cross_entropy",
        "augment": "none",
        "normalize": "cifar10",
        "val_fraction": 0.02,
    },
    parameters=(batch_sizes(100, 200, 300),),
    presets={
        "quick": Preset(
            dataset="digits32",
            n_trials=3,
            confirm=1,
            confirm_seeds=3,
            baseline={"epochs": 30, "lr": 0.02, "val_fraction": 0.2},
            sampler="grid",
            pruner="none",
        ),
        "full": Preset(
            dataset="cifar10",
            n_trials=3,
            sampler="grid",
            pruner="none",
            confirm=1,
            confirm_seeds=3,
        ),
    },
    references=(
        Reference("test_top1", 53.36, _TABLE),
        Reference("test_top1", 45.43, _TABLE, _200),
        Reference("test_top1", 40.69, _TABLE, _300),
        Reference("wall_seconds", 33.66, _TABLE),
        Reference("wall_seconds", 33.23, _TABLE, _200),
        Reference("wall_seconds", 33.13, _TABLE, _300),
        Reference("gpu_utilization", 38, _TABLE),
        Reference("gpu_utilization", 40, _TABLE, _200),
        Reference("gpu_utilization_low", 35, f"{_TABLE}, 35 to 41", _300),
        Reference("gpu_utilization_high", 41, f"{_TABLE}, 35 to 41", _300),
        Reference("test_top1", 53.98, _LOOP, _PLAIN),
        Reference("test_top1", 46.13, _LOOP, {**_200, **_PLAIN}),
        Reference("test_top1", 39.62, _LOOP, {**_300, **_PLAIN}),
        *output_shapes(
            "report B",
            {
                "input": (3, 32),
                "conv1": (6, 14),
                "conv2": (16, 5),
                "flatten": (400,),
                "fc1": (120,),
                "fc2": (84,),
                "fc3": (10,),
            },
        ),
    ),
)
