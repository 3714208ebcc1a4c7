"""A trained network from its checkpoint, ready to be evaluated again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainers.config import TrainConfig, trainer_config
from trainers.data import DataError, ImageData
from trainers.execution import Execution
from trainers.runs.checkpoint import CheckpointError, read_checkpoint
from trainers.runs.identity import Identity
from trainers.runs.training_run import BEST
from trainers.trainer import Trainer
from trainers.user_code import refuse_code
from trainers.validators import ConfigError


@dataclass(frozen=True)
class SavedModel:
    """What ``best.pt`` holds: the weights of ``epoch``, and how and on what they were trained.

    ``fingerprint`` is the data's, ``data_folder`` where they were prepared.
    """

    config: TrainConfig
    execution: Execution
    fingerprint: str
    data_folder: Path
    epoch: int
    weights: dict[str, Tensor]


def read_saved(path: Path, trust_code: bool = False) -> SavedModel:
    """Return the model in ``path``, a ``best.pt`` or a run's folder.

    Raises ``CheckpointError`` naming the file when it is missing, damaged or something else, and
    ``ConfigError`` where it names code to be run, without ``trust_code``.
    """
    path = path / BEST if path.is_dir() else path
    try:
        saved = _parse(read_checkpoint(path))
    except FileNotFoundError:
        raise CheckpointError(f"no such checkpoint: {path}") from None
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from None
    except (KeyError, TypeError, AttributeError, ConfigError):
        raise CheckpointError(
            f"{path}: holds no finished weights with their setting; give a run's {BEST}"
        ) from None
    if not trust_code:
        refuse_code(saved.config.to_dict(), str(path))
    return saved


def _parse(state: dict[str, Any]) -> SavedModel:
    identity = Identity.from_mapping(state["identity"])
    return SavedModel(
        config=trainer_config(identity.config),
        execution=identity.execution,
        fingerprint=identity.data,
        data_folder=Path(state["data_folder"]),
        epoch=state["epoch"],
        weights=state["model"],
    )


def restore(saved: SavedModel, data: ImageData, threads: int | None = None) -> Trainer:
    """Return a trainer whose best weights are the saved ones: ``test()`` gives what it gave then,
    with the ``threads`` it had then.

    Raises ``DataError`` when ``data`` is not what the model was trained on: its test images would
    be others, and the normalisation too.
    """
    if data.fingerprint != saved.fingerprint:
        raise DataError(
            f"{data.name}: not the data that this model was trained on: fingerprint must be "
            f"{saved.fingerprint[:12]}…, got {data.fingerprint[:12]}…"
        )
    trainer = Trainer(saved.config, data, _here(saved.execution, threads))
    trainer.best_weights = saved.weights
    return trainer


def _here(execution: Execution, threads: int | None) -> Execution:
    """Return how it was trained, but in one process, and on the CPU where there is no GPU."""
    execution = replace(execution, processes=1, threads=threads or execution.threads)
    if execution.device == "cuda" and not torch.cuda.is_available():
        return replace(execution, device="cpu", precision="float32", graph=False)
    return execution
