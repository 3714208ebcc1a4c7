"""Ray's own search around the plain loop, a line for each epoch.

python -m benchmarks.peers.race --preset full --dataset PATH --data-dir FOLDER --epochs 10
    --seconds 240 --results-dir FOLDER
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from search.autotune.devices import cpu_count
from search.strategy.distributions import distributions
from spaces import named_space
from trainers.data import prepare


class Said(tune.Callback):
    """Says each epoch as it comes."""

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: Any, **_: Any
    ) -> None:
        print(f"epoch {result['training_iteration']} val_top1 {result['val_top1']:.2f}", flush=True)


def train(params: dict[str, Any], baseline: dict[str, Any], folder: str) -> None:
    """One trial: validated after each epoch."""
    import torch

    from benchmarks.peers import loop
    from benchmarks.peers.baseline import Peer
    from trainers.config import TrainConfig

    peer = Peer(TrainConfig.from_mapping({**baseline, **params}), Path(folder))
    torch.set_num_threads(1)
    for _ in range(baseline["epochs"]):
        peer.train_epoch()
        tune.report({"val_top1": loop.accuracy(peer.model, peer.validation)})


def main() -> None:
    start = time.monotonic()
    args = _arguments()
    space = named_space("lenet_epochs").at(args.preset)
    baseline = {**space.baseline, "epochs": args.epochs}
    folder = str(Path(prepare(args.dataset, args.data_dir)).resolve())
    trainable = tune.with_parameters(train, baseline=baseline, folder=folder)
    kinds = dict(distributions(space.parameters))
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        tune_config=tune.TuneConfig(
            metric="val_top1",
            mode="max",
            search_alg=OptunaSearch(kinds, metric="val_top1", mode="max"),
            scheduler=ASHAScheduler(max_t=args.epochs),
            num_samples=-1,
            max_concurrent_trials=cpu_count(),
            time_budget_s=max(1.0, args.seconds - (time.monotonic() - start)),
        ),
        run_config=tune.RunConfig(
            storage_path=str(Path(args.results_dir).resolve()), verbose=0, callbacks=[Said()]
        ),
    )
    tuner.fit()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("preset", "dataset", "data-dir", "results-dir"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
