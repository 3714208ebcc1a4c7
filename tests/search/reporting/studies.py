"""Studies made by hand, as a search leaves them, without training anything."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.common.layout import StudyFolder
from search.record.record import (
    DataFacts,
    Provenance,
    ReferenceFigure,
    SpaceFacts,
    StrategyFacts,
    StudyRecord,
    write_record,
)
from search.record.trials import COMPLETED, DIVERGED, ENDED_BY, ERROR, PRUNER, REASON
from trainers.execution import Execution
from trainers.metrics import METRICS

BEGIN = datetime(2026, 1, 2, 3, 4, 5)
SPACE: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(0.001, 1.0, log=True),
    "width": IntDistribution(1, 4),
    "augment": CategoricalDistribution(["none", "crop"]),
}
BASELINE = {"lr": 0.1, "width": 2, "augment": "none"}
CLASSES = ("cat", "dog", "owl")


def our_record(epochs: int = 4, **changes: Any) -> StudyRecord:
    """What a search says of itself; ``changes`` are fields of the record."""
    record = StudyRecord(
        space=SpaceFacts(
            name="space",
            title="A space",
            source="report E",
            preset="quick",
            fixed={
                "model": "lenet",
                "epochs": epochs,
                "seed": 17,
                "split_seed": 5,
                "val_fraction": 0.2,
            },
            baseline=BASELINE,
        ),
        data=DataFacts(
            fingerprint="abc123",
            name="digits",
            classes=CLASSES,
            shapes={"train_images": (90, 8, 8, 1), "test_images": (30, 8, 8, 1)},
        ),
        execution=Execution(threads=1),
        strategy=StrategyFacts("tpe", "halving", 3, 9),
        references=(
            ReferenceFigure("test_top1", 84.36, "report E"),
            ReferenceFigure("test_top1", 80.5, "report E", {"width": 1}),
        ),
        provenance=Provenance(
            command="python -m search.run --space space",
            versions={"torch": "2.9.0", "optuna": "5.0.0"},
            python="3.11.7",
            machine="box, x86_64, Linux",
        ),
    )
    return replace(record, **changes)


def our_study(name: str = "study", epochs: int = 4, storage: Any = None, **changes: Any) -> Study:
    """An empty study with its record."""
    record = our_record(epochs, **changes)
    direction = METRICS[record.objectives[0]].direction
    study = optuna.create_study(study_name=name, direction=direction, storage=storage)
    write_record(study, record)
    return study


def trial(
    number: int,
    values: Sequence[float],
    state: TrialState = TrialState.COMPLETE,
    reason: str | None = None,
    epochs: int = 4,
    recorded: Mapping[str, Any] | None = None,
    **changes: Any,
) -> FrozenTrial:
    """A trial that reported ``values`` from epoch 1; figures follow from the number. ``recorded``
    are attributes of it."""
    params = {**BASELINE, **changes}
    completed = state == TrialState.COMPLETE
    usual = {
        TrialState.COMPLETE: (COMPLETED, "completed"),
        TrialState.PRUNED: (PRUNER, f"pruned at epoch {len(values)} of {epochs}"),
        TrialState.FAIL: (ERROR, "RuntimeError: boom"),
    }
    attributes: dict[str, Any] = {}
    if state.is_finished():
        by, why = usual[state]
        attributes |= {ENDED_BY: by, REASON: reason or why}
    attributes |= recorded or {}
    if values:
        attributes |= {
            "wall_seconds": 2.0 * len(values) + number,
            "cpu_seconds": 1.0 * len(values) + number,
            "cpu_utilization": 50.0,
            "peak_memory_mb": 800.0 + number,
            "seconds_per_epoch": 2.0,
            "parameters": 1000 * params.get("width", 1),
            "macs": 5000 * params.get("width", 1),
        }
    if completed:
        attributes |= {
            "best_epoch": 1 + max(range(len(values)), key=lambda i: (values[i], -i)),
            "test_top1": max(values) - 1.0,
            "test_top5": 99.0,
            "test_loss": 0.5,
            "test_loss_batch_sum": 0.005,
            "test_seconds": 0.04,
        }
    start = BEGIN + timedelta(minutes=number)
    made = create_trial(
        state=state,
        value=max(values) if completed else None,
        params=params,
        distributions={name: SPACE[name] for name in params},
        user_attrs=attributes,
        intermediate_values={i + 1: value for i, value in enumerate(values)},
    )
    made.number = number
    made.datetime_start = start
    made.datetime_complete = start + timedelta(seconds=30) if state.is_finished() else None
    return made


def write_history(folder: StudyFolder, number: int, values: Sequence[float]) -> None:
    """The ``history.csv`` of a trial; figures follow from epoch and accuracy."""
    rows = [epoch_row(epoch, value) for epoch, value in enumerate(values, start=1)]
    folder.trial(number).mkdir(parents=True, exist_ok=True)
    with open(folder.history(number), "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(epoch_row(1, 0.0)))
        writer.writeheader()
        writer.writerows(rows)


def epoch_row(epoch: int, value: float) -> dict[str, float]:
    return {
        "epoch": epoch,
        "lr": 0.1 / epoch,
        "train_loss": 2.0 / epoch,
        "train_loss_std": 0.1,
        "train_top1": value - 5 if math.isfinite(value) else value,
        "train_top1_std": 1.0,
        "train_top5": 90.0,
        "val_loss": 1.5 / epoch,
        "val_loss_std": 0.2,
        "val_top1": value,
        "val_top1_std": 2.0,
        "val_top5": 95.0 + epoch / 10,
        "seconds": 1.5,
        "val_seconds": 0.5,
    }


def write_evaluation(
    folder: StudyFolder,
    number: int,
    confusion: Sequence[Sequence[int]] = ((8, 2, 0), (1, 9, 0), (0, 5, 5)),
    classes: Sequence[str] = CLASSES,
) -> None:
    """The ``test.json`` of a trial."""
    folder.trial(number).mkdir(parents=True, exist_ok=True)
    cells = [(i, j, n) for i, row in enumerate(confusion) for j, n in enumerate(row) if n]
    content: Mapping[str, Any] = {"classes": list(classes), "cells": cells, "top1": 1.0}
    folder.evaluation(number).write_text(json.dumps(content))


def usual_study(results_dir: Path, name: str = "study", storage: Any = None) -> Study:
    """Baseline, best, pruned, diverged and failed trials, with their folders."""
    study = our_study(name, storage=storage)
    by_itself = {ENDED_BY: DIVERGED}
    curves = {
        0: [40.0, 60.0, 70.0, 69.0],
        1: [20.0, 30.0],
        2: [50.0, 70.0, 80.0, 82.0],
        3: [10.0, math.nan],
        4: [],
        5: [45.0, 65.0, 75.0, 76.0],
    }
    study.add_trials(
        [
            trial(0, curves[0]),
            trial(1, curves[1], TrialState.PRUNED, lr=0.01, width=1),
            trial(2, curves[2], lr=0.2, width=3, augment="crop"),
            trial(
                3,
                curves[3],
                TrialState.PRUNED,
                "diverged in epoch 2",
                recorded=by_itself,
                lr=1.0,
            ),
            trial(4, curves[4], TrialState.FAIL, lr=0.5),
            trial(5, curves[5], width=1),
        ]
    )
    folder = StudyFolder(results_dir, name)
    for number, values in curves.items():
        if values:
            write_history(folder, number, values)
    for number in (0, 2, 5):
        write_evaluation(folder, number)
    return study
