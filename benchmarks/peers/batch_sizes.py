"""The report's loop run three times: batch sizes 100, 200 and 300, a table at the end.

python -m benchmarks.peers.batch_sizes --preset full --dataset PATH --data-dir FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.peers import loop
from benchmarks.peers.baseline import Peer
from spaces import named_space
from trainers.config import TrainConfig
from trainers.data import prepare

BATCH_SIZES = (100, 200, 300)


def main() -> None:
    args = _arguments()
    baseline: dict[str, Any] = dict(named_space("lenet_batch").at(args.preset).baseline)
    for setting in args.set:
        name, _, value = setting.partition("=")
        baseline[name] = int(value)
    folder = prepare(args.dataset, args.data_dir)
    print("batch size  test accuracy %")
    for batch_size in BATCH_SIZES:
        config = TrainConfig.from_mapping({**baseline, "batch_size": batch_size})
        print(f"{batch_size:10}  {_train(config, folder):.2f}", flush=True)


def _train(config: TrainConfig, folder: Path) -> float:
    """Test accuracy in % after all epochs; validated after each."""
    peer = Peer(config, folder)
    for _ in range(config.epochs):
        peer.train_epoch()
        loop.accuracy(peer.model, peer.validation)
    return loop.accuracy(peer.model, peer.test)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", default="full")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--data-dir", required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
