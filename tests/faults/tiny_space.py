"""The space of the fault tests: small enough that a whole study takes seconds."""

from __future__ import annotations

from spaces.params import Categorical, Float, Int
from spaces.space import Preset, Space

PRESET = Preset(dataset="digits", n_trials=4, pruner="halving", confirm=0)

SPACE = Space(
    name="tiny",
    title="a tiny network on the digits",
    source="the tests",
    baseline={
        "model": "wide_resnet",
        "depth": 10,
        "width": 1,
        "batch_size": 256,
        "epochs": 3,
        "optimizer": "sgd",
        "lr": 0.05,
        "dropout": 0.1,
        "augment": "none",
    },
    parameters=(
        Float("lr", 0.01, 0.5, log=True),
        Int("batch_size", 128, 512, log=True),
        Categorical("optimizer", ("sgd", "sam")),
    ),
    presets={"quick": PRESET, "full": PRESET},
)
