"""What needs processes of its own: bit for bit, memory that runs out, a broken card, two ranks."""

from __future__ import annotations

import math
import signal
from typing import Any

import torch

from benchmarks.gpu_check.check import Figures, Setting, config, expect
from benchmarks.gpu_check.child import finish, start
from benchmarks.gpu_check.faulty import DEVICE_ASSERT, OUT_OF_MEMORY
from benchmarks.gpu_check.space import NETWORK
from trainers.config import TrainConfig
from trainers.execution import Execution
from trainers.models import MODELS

SHARE = 0.25  # of the card's memory
PARALLEL_TOLERANCE = 1e-2  # of a loss: the processes' sums are rounded otherwise
ALL_RANDOM = {
    "optimizer": "sam",
    "adaptive": True,
    "dropout": 0.3,
    "augment": "crop_flip_cutout",
    "loss": "smoothed_kl",
    "label_smoothing": 0.1,
}


def bit_for_bit(setting: Setting) -> Figures:
    """The same curves twice in one process, in a second one, and after a kill in the midst of an
    epoch; on a GPU with ``deterministic``."""
    how = Execution(setting.device, deterministic=True)
    epochs = 2 if setting.smallest else 3
    names = ["lenet"] if setting.smallest else list(MODELS)
    cut_short = names[0]
    known: dict[str, Any] = {"execution": how.to_dict(), "data": str(setting.data)}
    jobs = [{"do": "train", "config": random_config(n, epochs).to_dict(), **known} for n in names]
    cut = {
        "do": "resume",
        "config": random_config(cut_short, epochs).to_dict(),
        "folder": str(setting.folder / "cut"),
        **known,
    }
    (first,) = finish(start([*jobs, *jobs, cut | {"die": True}]))
    expect(first.exit_code == -signal.SIGKILL, f"a run was to be killed: {first.last_words}")
    (second,) = finish(start([cut, *jobs]))
    expect(second.exit_code == 0, second.last_words)
    once, again = first.lines[: len(names)], first.lines[len(names) :]
    resumed, *fresh = second.lines
    all_same(names, once, again, "twice in one process")
    all_same(names, once, fresh, "in another process")
    expect(resumed["before"] >= 1, "nothing was on disk when the run was killed")
    all_same([cut_short], once[:1], [resumed["curve"]], "killed and resumed")
    return {"models": len(names), "epochs": epochs, "epochs_before_the_kill": resumed["before"]}


def random_config(model: str, epochs: int) -> TrainConfig:
    """A setting that draws all random numbers there are."""
    return config(model, epochs=epochs, batch_size=300, **ALL_RANDOM)


def all_same(names: list[str], some: list[Any], others: list[Any], where: str) -> None:
    """Raises ``FailedError`` with the first of ``names`` whose curves differ."""
    for name, one, other in zip(names, some, others, strict=True):
        expect(one == other, f"{name}, {where}: {one} and {other}")


def failing_trials(setting: Setting) -> Figures:
    """A trial that takes more than its share of memory ends for that reason, and the same process
    trains the next one. After a kernel's failed assert the card is lost to its process, and the
    worker says so; on the CPU the same index is the trial's own failure."""
    (done,) = finish(start([_job(setting, size) for size in (OUT_OF_MEMORY, 64, DEVICE_ASSERT)]))
    expect(done.exit_code == 0 and len(done.lines) == 3, done.last_words)
    full, after, broken = done.lines
    expect(full["ending"] == "OutOfMemory", f"where memory ran out: {full}")
    expect(after["ending"] == "Completed", f"the next trial: {after}")
    expected = "DeviceLost" if setting.cuda else "Failed"
    expect(broken["ending"] == expected, f"where an assert failed, not {expected}: {broken}")
    figures = {"assert": broken["reason"][:80]}
    if not setting.cuda:
        return figures
    allowed = SHARE * torch.cuda.get_device_properties(0).total_memory / 2**30
    expect(full["gib"] <= allowed, f"{full['gib']:.2f} GiB were taken, its share is {allowed:.2f}")
    return figures | {"taken_gib": round(full["gib"], 2), "share_gib": round(allowed, 2)}


def _job(setting: Setting, batch_size: int) -> dict[str, Any]:
    """A trial of the faulty network, for a worker."""
    return {
        "do": "work",
        "number": batch_size,
        "config": TrainConfig(model=NETWORK, batch_size=batch_size, epochs=1).to_dict(),
        "execution": Execution(setting.device).to_dict(),
        "data": str(setting.data),
        "folder": str(setting.folder / f"faulty {batch_size}"),
        "gpus": SHARE if setting.cuda else 0.0,
    }


def data_parallel(setting: Setting) -> Figures:
    """Two processes learn what one does: with NCCL where there are two cards, else with gloo, both
    on the one device. The network has no BatchNorm, which each process has for itself."""
    over = "cuda" if setting.cuda and torch.cuda.device_count() > 1 else "cpu"
    chosen = config("lenet", epochs=1, batch_size=200).to_dict()
    known = {"config": chosen, "data": str(setting.data)}
    shared = {
        "do": "join",
        "execution": Execution(setting.device, processes=2).to_dict(),
        "meeting": str(setting.folder / "meeting"),
        "over": over,
        **known,
    }
    alone = {"do": "train", "execution": Execution(setting.device).to_dict(), **known}
    # Also alone: the first process, before it meets the other.
    done = finish(start([alone, shared | {"rank": 0}]), start([shared | {"rank": 1}]))
    for rank, child in enumerate(done):
        expect(child.exit_code == 0, f"process {rank} of 2: {child.last_words}")
    (expected, first), (second,) = (child.lines for child in done)
    expect(first == second, f"the processes differ: {first} and {second}")
    pairs = [(a["train_loss"], b["train_loss"]) for a, b in zip(first, expected, strict=True)]
    worst = max(abs(a - b) / b for a, b in pairs)
    expect(
        math.isfinite(worst) and worst <= PARALLEL_TOLERANCE,
        f"losses of two processes and of one: {pairs}",
    )
    backend = "NCCL, two cards" if over == "cuda" else f"gloo, one {setting.device}"
    return {"over": backend, "largest_difference": float(f"{worst:.2g}")}
