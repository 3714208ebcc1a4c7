"""The space that ``gpu_check`` searches: two of its batch sizes cannot be trained."""

from __future__ import annotations

from pathlib import Path

from benchmarks.gpu_check.faulty import DEVICE_ASSERT, OUT_OF_MEMORY
from spaces.params import Categorical
from spaces.space import Preset, Space

NETWORK = f"{Path(__file__).with_name('faulty.py')}:Net"
FATAL = (OUT_OF_MEMORY, DEVICE_ASSERT)
GRID = Categorical("batch_size", (32, *FATAL, 56, 64, 72, 80, 88, 96, 104, 112, 120))
FEW = Categorical("batch_size", (64, *FATAL))

SPACE = Space(
    name="gpu_check",
    title="twelve batch sizes, two of them fatal",
    source="the GPU check",
    baseline={"model": NETWORK, "batch_size": 64, "epochs": 3, "lr": 0.05},
    parameters=(GRID,),
    presets={
        "quick": Preset("digits32", 3, {"epochs": 1}, (FEW,), "grid", "none", confirm=0),
        "full": Preset("digits32", 12, sampler="grid", pruner="none", confirm=0),
    },
)
