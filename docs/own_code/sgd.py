"""python -m search.run --space docs/own_code/sgd.py"""

from spaces.params import Float
from spaces.space import Space

SPACE = Space(
    name="sgd",
    baseline={"lr": 0.01, "alpha": 1e-4, "epochs": 9},
    parameters=(Float("lr", 1e-4, 1.0, log=True), Float("alpha", 1e-6, 1e-2, log=True)),
    train="sgd_task:train",
)
