"""python -m search.train --space lenet_epochs: one setting trained without a search."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from search.common.errors import INTERRUPTED, UserError, run_main
from search.common.layout import DEFAULT_RESULTS, run_folder
from search.settings.flags import (
    SPACE_FILE_WARNING,
    OneLineParser,
    add_compute_flags,
    add_data_flags,
    add_feature_flag,
    add_processes_flag,
    add_space_flags,
)

DIVERGED_CODE = 1

if TYPE_CHECKING:
    from rich.console import Console

    from search.settings.single_run import SingleRun
    from trainers.runs.training_run import TrainingRun


def make_parser() -> argparse.ArgumentParser:
    """The flags of one training run."""
    parser = OneLineParser(
        prog="python -m search.train",
        description="Train the baseline of a space, or one setting of it, and evaluate it.",
        epilog=SPACE_FILE_WARNING,
    )
    add_space_flags(parser)
    add_data_flags(parser)
    add_compute_flags(parser)
    add_processes_flag(parser)
    add_feature_flag(parser)
    parser.add_argument("--out", type=Path, help="default: results/runs/<space>[-quick]")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: trained and evaluated; 1: it diverged; 130: interrupted; 2: wrong input."""
    arguments = sys.argv[1:] if argv is None else argv
    args = make_parser().parse_args(arguments)
    from rich.console import Console

    console = Console()
    single, run = begin(args, console)
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
        again = arguments if args.resume else [*arguments, "--resume"]
        command = shlex.join(["python", "-m", "search.train", *again])
        say(console, f"interrupted after epoch {done}; nothing is lost, go on with:\n  {command}")
        return INTERRUPTED
    conclude_run(console, single, run, args.feature_maps)
    return 0


def begin(args: argparse.Namespace, console: Console) -> tuple[SingleRun, TrainingRun]:
    """What ``args`` ask for, and its run with the data, ready to train. Raises ``UserError``."""
    from search.settings.check_data import prepare_data
    from search.settings.single_run import decide_run
    from search.terminal.plain_line import say

    single = decide_run(args, args.processes)
    name = single.space.definition.name
    folder = args.out or run_folder(DEFAULT_RESULTS, name, single.space.preset_name)
    refuse_used(folder, args.resume)
    say(console, f"{name}: {single.preset_reason}")
    data_folder = prepare_data(single.dataset, single.data_dir, console, single.image_size)
    run = open_run(single, data_folder, folder, args.feature_maps)
    for problem in run.problems:
        say(console, f"warning: {problem}")
    return single, run


def refuse_used(folder: Path, resume: bool) -> None:
    """A folder with something in it is only for going on."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out {folder} is a file; name a folder")
    if not resume and folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; go on with --resume, or choose another --out")


def open_run(single: SingleRun, data_folder: Path, folder: Path, maps: list[str]) -> TrainingRun:
    """The run, resumed if it was begun. Raises ``UserError`` if ``folder`` holds another's."""
    from trainers.evaluation.feature_maps import find_convolutions
    from trainers.runs.history import HISTORY
    from trainers.runs.training_run import TrainingRun

    run = TrainingRun(single.config, data_folder, single.execution, folder)
    find_convolutions(run.trainer.model, maps)
    if run.problems and not run.trainer.history and (folder / HISTORY).exists():
        raise UserError(f"cannot go on: {run.problems[-1]}; choose another --out")
    return run


if __name__ == "__main__":
    sys.exit(run_main(main))
