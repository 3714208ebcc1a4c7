"""What one setting came to, trained without a search, as Python sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd
from torch import nn

from search.reporting.blocks import Row, Table
from search.reporting.format import figure, heading
from trainers.config import TrainConfig
from trainers.evaluation.evaluation import Evaluation
from trainers.runs.training_run import TrainingRun

SHOWN = ("test_top1", "test_top5", "test_loss", "parameters", "seconds_per_epoch")


@dataclass(frozen=True, eq=False, repr=False)
class TrainResult:
    """A training at its end; a notebook shows it as a table.

    ``model`` has the weights of ``best_epoch``, those on which ``evaluation`` of the test set was
    made. ``epochs`` has a row for each; ``figures`` are test and cost by the names that studies
    use, accuracies in %. ``folder`` has it all.
    """

    config: TrainConfig
    folder: Path
    epochs: pd.DataFrame
    best_epoch: int
    evaluation: Evaluation
    figures: Mapping[str, float]
    model: nn.Module

    @classmethod
    def of(cls, run: TrainingRun) -> TrainResult:
        """Return the result of a trained run, after measuring the test set."""
        trainer, evaluation = run.trainer, run.test()
        return cls(
            config=trainer.config,
            folder=run.folder,
            epochs=pd.DataFrame([result.to_dict() for result in trainer.history]),
            best_epoch=trainer.best_epoch,
            evaluation=evaluation,
            figures=run.usage() | evaluation.figures(),
            model=trainer.model,
        )

    def __repr__(self) -> str:
        return f"<{self._in_words()}: {self.folder}>"

    def _repr_html_(self) -> str:
        objective = self.config.objective
        best = self.epochs[objective].iloc[self.best_epoch - 1]
        rows = [Row((heading(objective), figure(objective, best)))]
        rows += [Row((heading(name), figure(name, self.figures[name]))) for name in SHOWN]
        table = Table("Test set and cost", ("", "here"), tuple(rows), f"Files: {self.folder}")
        return f"<p><b>{escape(self._in_words())}</b></p>\n{table.to_html()}"

    def _in_words(self) -> str:
        return f"{self.config.model}, evaluated at epoch {self.best_epoch} of {len(self.epochs)}"
