"""python -m search.run --space docs/own_code/vit.py"""

from spaces.params import Categorical, Float
from spaces.space import Space

SPACE = Space(
    name="vit",
    baseline={"lr": 3e-3, "dim": 32, "dropout": 0.1, "batch_size": 64, "epochs": 12},
    parameters=(
        Float("lr", 3e-4, 3e-2, log=True),
        Categorical("dim", (16, 32, 64)),
        Float("dropout", 0.0, 0.5),
        Categorical("batch_size", (32, 64, 128)),
    ),
    train="vit_task:train",
)
