"""Ray's own way: Tuner with OptunaSearch and ASHAScheduler, as Ray's documentation shows it.

    python -m benchmarks.peers.tuner default|reuse FOLDER DATA_DIR TRIALS

https://docs.ray.io/en/latest/tune/examples/optuna_example.html
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import optuna
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from search.strategy.distributions import distributions
from spaces import named_space

REPORTS = 9
AT_ONCE = 2


class DoNothing(tune.Trainable):
    """Reports the same value again and again."""

    def setup(self, config: dict[str, Any]) -> None:
        self.epoch = 0

    def step(self) -> dict[str, Any]:
        self.epoch += 1
        return {"accuracy": 50.0, "done": self.epoch == REPORTS}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.epoch = 0
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to keep."""


def run(folder: Path, trials: int, reuse: bool) -> None:
    space = distributions(named_space("wrn_sam").at("quick").parameters)
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder}/studies.db")
    tuner = tune.Tuner(
        tune.with_resources(DoNothing, {"cpu": 1}),
        tune_config=tune.TuneConfig(
            metric="accuracy",
            mode="max",
            search_alg=OptunaSearch(dict(space), metric="accuracy", mode="max", storage=storage),
            scheduler=ASHAScheduler(max_t=REPORTS),
            num_samples=trials,
            max_concurrent_trials=AT_ONCE,
            reuse_actors=reuse,
        ),
        run_config=tune.RunConfig(storage_path=str(folder / "ray"), verbose=0),
    )
    tuner.fit()


if __name__ == "__main__":
    kind, target, _, count = sys.argv[1:]
    run(Path(target), int(count), kind == "reuse")
