"""The learning-rate range test: raise the rate step by step and watch the loss.

Smith, *Cyclical Learning Rates for Training Neural Networks*, 2017, as report C uses it: the rate
grows exponentially over some hundred mini-batches, the loss is smoothed, and the rate to start
with is where it falls fastest.

    python -m trainers.lr_range '{"config": …, "execution": …, "data": "/a/folder",
                                  "sweep": {…}, "folder": "/a/folder"}'

writes the curve and prints its findings as JSON, in a process of its own.
"""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trainers.atomic_files import write_atomically
from trainers.config import TrainConfig
from trainers.data import ImageData, open_prepared
from trainers.execution import Execution
from trainers.trainer import Trainer
from trainers.validators import ConfigError, Integer, Number

CURVE_CSV, CURVE_PNG = "lr_range.csv", "lr_range.png"
SMOOTHING = 0.05  # weight of the newest loss
EXPLODED = 5.0  # times the lowest smoothed loss: the test is over
SKIP_FIRST, SKIP_LAST = 10, 5  # steps at the ends, where the smoothed loss says little


@dataclass(frozen=True)
class Sweep:
    """Rates from ``start`` to ``end`` over ``steps`` mini-batches. Raises ``ConfigError``."""

    start: float = 1e-5
    end: float = 1.0
    steps: int = 300

    def __post_init__(self) -> None:
        Number(0, open_low=True).check("start", self.start)
        Number(0, open_low=True).check("end", self.end)
        Integer(SKIP_FIRST + SKIP_LAST + 2).check("steps", self.steps)
        if self.end <= self.start:
            raise ConfigError(f"end must be above start, {self.start:g}, got {self.end:g}")

    def rate(self, step: int) -> float:
        """Return the rate of a step, from 0."""
        return self.start * (self.end / self.start) ** (step / (self.steps - 1))


@dataclass(frozen=True)
class RangeCurve:
    """Loss against rate; ``suggestion`` is None where the smoothed loss never falls."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float | None


def range_test(
    config: TrainConfig,
    data: ImageData,
    execution: Execution,
    sweep: Sweep,
    on_step: Callable[[], None] | None = None,
) -> RangeCurve:
    """Trains a fresh network of ``config`` with rising rates until the loss explodes.

    Schedule and epochs of ``config`` play no part; weights and batches follow from its seed.
    """
    trainer = Trainer(config, data, replace(execution, processes=1))
    trainer.model.train()
    batches = trainer.batches.endless(trainer.train_indices)
    rates: list[float] = []
    losses: list[float] = []
    smoothed: list[float] = []
    for step, (images, labels) in zip(range(sweep.steps), batches, strict=False):
        trainer.optimizer.lr = sweep.rate(step)
        loss = float(trainer.step(images, labels)[0])
        if not math.isfinite(loss):
            break
        rates.append(sweep.rate(step))
        losses.append(loss)
        before = smoothed[-1] if smoothed else loss
        smoothed.append(SMOOTHING * loss + (1 - SMOOTHING) * before)
        if on_step is not None:
            on_step()
        if smoothed[-1] > EXPLODED * min(smoothed):
            break
    return RangeCurve(tuple(rates), tuple(losses), tuple(smoothed), steepest(rates, smoothed))


def steepest(rates: Sequence[float], smoothed: Sequence[float]) -> float | None:
    """Return the rate where the loss falls fastest for a given factor of the rate."""
    inner = slice(SKIP_FIRST, len(rates) - SKIP_LAST)
    if inner.stop - inner.start < 2:
        return None
    slope = np.gradient(np.array(smoothed[inner]))
    lowest = int(slope.argmin())
    return rates[inner][lowest] if slope[lowest] < 0 else None


def write_curve(folder: Path, curve: RangeCurve) -> None:
    """Write ``lr_range.csv`` in ``folder``: a row per mini-batch."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("lr", "loss", "smoothed_loss"))
    writer.writerows(zip(curve.rates, curve.losses, curve.smoothed, strict=True))
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / CURVE_CSV, text.getvalue().encode())


def save_picture(folder: Path, curve: RangeCurve) -> None:
    """Save ``lr_range.png`` in ``folder``: loss against rate, the rate on a log axis."""
    from matplotlib.figure import Figure  # without pyplot: no state outside this figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(curve.rates, curve.losses, color="0.75", linewidth=1, label="loss of a mini-batch")
    axes.plot(curve.rates, curve.smoothed, color="tab:blue", label="smoothed")
    if curve.suggestion is not None:
        label = f"falls fastest at {curve.suggestion:.3g}"
        axes.axvline(curve.suggestion, color="tab:red", linestyle="--", label=label)
    axes.set_xscale("log")
    if curve.smoothed:  # the loss explodes at the end; the part that matters is below the start
        axes.set_ylim(0, 1.5 * max(curve.smoothed[: len(curve.smoothed) // 2 + 1]))
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss")
    axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_atomically(folder / CURVE_PNG, picture.getbuffer())


def main() -> None:
    task = json.loads(sys.argv[1])
    curve = range_test(
        TrainConfig.from_mapping(task["config"]),
        open_prepared(Path(task["data"])),
        Execution.from_mapping(task["execution"]),
        Sweep(**task["sweep"]),
    )
    folder = Path(task["folder"])
    write_curve(folder, curve)
    save_picture(folder, curve)
    print(json.dumps({"suggestion": curve.suggestion, "steps": len(curve.rates)}))


if __name__ == "__main__":
    main()
