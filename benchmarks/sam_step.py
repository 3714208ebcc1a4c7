"""What SAM's second pass costs: a SAM step against our own SGD step of the same network.

python -m benchmarks.sam_step
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

from benchmarks.data import part_of
from benchmarks.harness import Aim, Case, Options, Sample, compare, main
from benchmarks.jobs import plan_of, request_of
from trainers.config import TrainConfig
from trainers.configs import trainer_config
from trainers.data import ImageData
from trainers.execution import Execution
from trainers.trainer import Trainer

SHAPE, SMALL_SHAPE = ("16", "4", "128"), ("10", "1", "16")  # depth, width, batch
STEPS = 2


def cases(options: Options) -> list[Case]:
    depth, width, batch = options.of(SHAPE, SMALL_SHAPE)
    flags = ["--space", "wrn_sam", "--preset", "full", "--set", f"depth={depth}"]
    flags += ["--set", f"width={width}", "--set", f"batch_size={batch}"]
    plan = plan_of(request_of(options, *flags))
    config = trainer_config(plan.config)
    data = part_of(plan.data_folder, max(200, 2 * config.batch_size), 100)
    sam = _steps(config, data, plan.execution)
    sgd = _steps(replace(config, optimizer="sgd"), data, plan.execution)
    sam(), sgd()
    name = f"WideResNet-{depth}-{width}, batch {batch}"
    return [compare(name, "s/step", Aim("≤", 2.05), sam, sgd, options.pairs)]


def _steps(config: TrainConfig, data: ImageData, execution: Execution) -> Sample:
    """Seconds of a step; its batch is drawn before."""
    trainer = Trainer(config, data, execution)
    images, labels = next(iter(trainer.batches.training(trainer.train_indices, 1)))
    trainer.model.train()

    def seconds() -> float:
        start = time.perf_counter()
        for _ in range(STEPS):
            trainer.step(images, labels)
        return (time.perf_counter() - start) / STEPS

    return seconds


if __name__ == "__main__":
    sys.exit(main("sam_step", "a SAM step against an SGD step", cases))
