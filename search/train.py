"""python -m search.train --space lenet_epochs: one setting trained without a search."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from search.common.errors import INTERRUPTED, UserError, run_main
from search.common.layout import DEFAULT_RESULTS, run_folder
from search.settings.run_settings import FeatureMapSettings, ProcessSettings, SingleRunSettings
from search.settings.setting import setting

DIVERGED_CODE = 1

if TYPE_CHECKING:
    from rich.console import Console

    from search.settings.request import SingleRun
    from trainers.runs.training_run import TrainingRun


@dataclass(frozen=True, kw_only=True)
class TrainSettings(FeatureMapSettings, ProcessSettings, SingleRunSettings):
    """One training run."""

    command = "train"
    description = "Train the baseline of a space, or one setting of it, and evaluate it."

    out: Path | None = setting("default: results/runs/<space>[-quick]", None)
    resume: bool = setting("resume the run in --out", False)


def main(argv: list[str] | None = None) -> int:
    """Run the command. Returns exit code 0: trained and evaluated; 1: it diverged; 130:
    interrupted; 2: wrong input."""
    settings = TrainSettings.parse(argv)
    from rich.console import Console

    console = Console()
    single, run = begin(settings, console)
    from search.terminal.plain_line import say
    from search.terminal.training import conclude_run, train_with_bars
    from trainers.epoch_result import DivergedError
    from trainers.runs.history import read_history

    try:
        train_with_bars(console, run, single.config.epochs)
    except DivergedError as error:
        say(console, f"{error}; try a lower learning rate: --set lr=…")
        return DIVERGED_CODE
    except KeyboardInterrupt:
        done = len(read_history(run.folder))
        command = replace(settings, resume=True).as_command()
        say(console, f"interrupted after epoch {done}; progress saved; resume with:\n  {command}")
        return INTERRUPTED
    conclude_run(console, single, run, settings.feature_maps)
    return 0


def begin(settings: TrainSettings, console: Console) -> tuple[SingleRun, TrainingRun]:
    """Return what ``settings`` ask for, and its run, ready to train. Raises ``UserError``."""
    from search.settings.check_data import prepare_data
    from search.settings.request import make_single_run
    from search.terminal.plain_line import say

    single = make_single_run(settings, settings.processes)
    name = single.space.definition.name
    folder = settings.out or run_folder(DEFAULT_RESULTS, name, single.space.preset_name)
    refuse_used(folder, settings.resume)
    say(console, f"{name}: {single.preset_reason}")
    data_folder = prepare_data(single.dataset, single.data_dir, console, single.image_size)
    run = open_run(single, data_folder, folder, settings.feature_maps)
    for problem in run.problems:
        say(console, f"warning: {problem}")
    return single, run


def refuse_used(folder: Path, resume: bool) -> None:
    """Refuse a folder with something in it, unless it is to resume."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out {folder} is a file; name a folder")
    if not resume and folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; resume with --resume, or choose another --out")


def open_run(
    single: SingleRun, data_folder: Path, folder: Path, maps: Sequence[str]
) -> TrainingRun:
    """Return the run, resumed if it was begun. Raises ``UserError`` if ``folder`` holds
    another's."""
    from trainers.evaluation.feature_maps import find_convolutions
    from trainers.runs.history import HISTORY
    from trainers.runs.training_run import TrainingRun

    run = TrainingRun(single.config, data_folder, single.execution, folder)
    find_convolutions(run.trainer.model, maps)
    if run.problems and not run.trainer.history and (folder / HISTORY).exists():
        raise UserError(f"cannot resume: {run.problems[-1]}; choose another --out")
    return run


if __name__ == "__main__":
    sys.exit(run_main(main))
