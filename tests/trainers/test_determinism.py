"""The same curve bit for bit: fresh or warm, alone or beside others, killed and resumed or not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trainers.curves import same_curve
from trainers.config import TrainConfig
from trainers.data import ImageData
from trainers.epoch_result import EpochResult
from trainers.execution import Execution
from trainers.runs.training_run import TrainingRun
from trainers.trainer import Trainer

REPOSITORY = Path(__file__).resolve().parents[2]
EPOCHS = 3
RANDOM = {  # everything that draws random numbers
    "batch_size": 40,
    "dropout": 0.3,
    "augment": "crop_flip_cutout",
    "crop_padding": 1,
    "cutout_size": 4,
    "epochs": EPOCHS,
    "schedule": "cosine",
}
SETTINGS = {
    "sgd": RANDOM,
    "sam": {
        **RANDOM,
        "optimizer": "sam",
        "rho": 0.1,
        "adaptive": True,
        "loss": "smoothed_kl",
        "label_smoothing": 0.1,
    },
}

CHILD = """
import json, os, signal, sys
from pathlib import Path
from trainers.config import TrainConfig
from trainers.data import open_prepared
from trainers.execution import Execution
from trainers.runs.training_run import TrainingRun
from trainers.trainer import Trainer

task = json.loads(sys.argv[1])
data_folder = Path(task["data"])

def curve(precision):
    config = TrainConfig.from_mapping(task["config"])
    trainer = Trainer(config, open_prepared(data_folder), Execution(precision=precision))
    while not trainer.finished:
        trainer.train_epoch()
    return [result.to_dict() for result in trainer.history]

def train_for_ever():
    while True:
        curve("float32")

def die_in_the_third_epoch():
    runs = [
        TrainingRun(TrainConfig.from_mapping(config), data_folder, Execution(), Path(folder))
        for config, folder in task["runs"]
    ]
    for run in runs:
        for result in run.results():
            if result.epoch == 2:
                break
    last = runs[-1].trainer
    batches = list(last.batches.training(last.train_indices, 3))
    last.batches.training = lambda *_: die_after(batches[:3])
    last.train_epoch()

def die_after(batches):
    yield from batches
    os.kill(os.getpid(), signal.SIGKILL)

print(json.dumps({precision: curve(precision) for precision in ("float32", "bfloat16")}))
sys.stdout.flush()
globals()[task["then"]]()
"""


def start(config: TrainConfig, data: Path, then: str, **more: Any) -> subprocess.Popen[str]:
    """A process that trains ``config`` and prints its curves, and then does something else."""
    task = {"config": config.to_dict(), "data": str(data), "then": then, **more}
    command = [sys.executable, "-c", CHILD, json.dumps(task)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def configs(tiny_config) -> dict[str, TrainConfig]:
    return {name: tiny_config(**options) for name, options in SETTINGS.items()}


@pytest.fixture(scope="module")
def curves(configs, digits: ImageData) -> dict[str, list[EpochResult]]:
    """Trained in this process, which has trained other things before."""
    found = {}
    for name, config in reversed(configs.items()):
        for precision in ("bfloat16", "float32"):
            trainer = Trainer(config, digits, Execution(precision=precision))
            while not trainer.finished:
                trainer.train_epoch()
            found[f"{name} {precision}"] = trainer.history
    return found


def test_the_curves_differ_where_the_settings_do(curves) -> None:
    losses = {tuple(result.train_loss for result in curve) for curve in curves.values()}
    assert len(losses) == 4


def assert_curves(line: str, name: str, curves: dict[str, list[EpochResult]]) -> None:
    for precision, curve in json.loads(line).items():
        found = [EpochResult.from_mapping(result) for result in curve]
        assert same_curve(found, curves[f"{name} {precision}"]), (name, precision)


@pytest.mark.slow
def test_killed_and_resumed_agree_with_uninterrupted(
    curves, configs, digits_folder: Path, tmp_path: Path
) -> None:
    """The process, which begins with SAM, dies in the midst of the third epoch."""
    runs = [(config.to_dict(), str(tmp_path / name)) for name, config in configs.items()]
    child = start(configs["sam"], digits_folder, "die_in_the_third_epoch", runs=runs)
    output, _ = child.communicate(timeout=120)
    assert child.returncode == -signal.SIGKILL
    assert_curves(output, "sam", curves)
    for name, config in configs.items():
        run = TrainingRun(config, digits_folder, Execution(), tmp_path / name)
        assert len(run.trainer.history) == 2
        assert run.problems == []
        assert same_curve(list(run.results()), curves[f"{name} float32"]), name


@pytest.fixture(scope="module")
def neighbour(configs, digits_folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A fresh process that has trained SGD, which it printed, and now trains on and on."""
    child = start(configs["sgd"], digits_folder, "train_for_ever")
    assert child.stdout is not None
    try:
        yield child, child.stdout.readline()
    finally:
        child.kill()
        child.communicate()


@pytest.mark.slow
def test_a_fresh_process_and_a_warm_one_agree(neighbour, curves) -> None:
    _, printed = neighbour
    assert_curves(printed, "sgd", curves)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_alone_and_beside_another_process_agree(
    neighbour, curves, configs, digits: ImageData, precision: str
) -> None:
    child, _ = neighbour
    assert child.poll() is None
    trainer = Trainer(configs["sam"], digits, Execution(precision=precision))
    while not trainer.finished:
        trainer.train_epoch()
    assert child.poll() is None  # it was there all the time
    assert same_curve(trainer.history, curves[f"sam {precision}"])
