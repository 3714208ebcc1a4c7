"""python -m search.evaluate CHECKPOINT: the test set's figures of a trained network again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from search.common.errors import UserError, run_main
from search.settings.flags import OneLineParser, add_data_flags, add_feature_flag, add_trust_flag

if TYPE_CHECKING:
    from rich.console import Console

    from trainers.data import ImageData


REMEDY = (
    "a search keeps its best trials' weights (search.run --keep-weights all: everyone's); "
    "search.replay --out FOLDER trains a trial again"
)


def make_parser() -> argparse.ArgumentParser:
    """The checkpoint knows its setting and its data; flags say where the data are now."""
    parser = OneLineParser(
        prog="python -m search.evaluate",
        description="Test the weights of a best.pt, as written by search.train and search.run.",
    )
    parser.add_argument("checkpoint", help="a best.pt, or the folder it lies in; a path, or a URL")
    add_data_flags(parser)
    add_feature_flag(parser)
    add_trust_flag(parser)
    parser.add_argument("--threads", type=int, metavar="N", help="default: as it was trained")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Exit code 0, or 2 for wrong input."""
    args = make_parser().parse_args(argv)
    from rich.console import Console

    from search.common.layout import BEST_WEIGHTS, FEATURE_MAPS
    from search.common.results_url import fetched
    from search.settings.flag_values import at_least
    from search.terminal.evaluation_tables import draw_maps, print_evaluation
    from search.terminal.plain_line import say
    from trainers.evaluation.feature_maps import find_convolutions
    from trainers.models.summary import summarize
    from trainers.runs.checkpoint import CheckpointError
    from trainers.runs.history import HISTORY
    from trainers.runs.saved_model import read_saved, restore

    at_least("threads", args.threads, 1)
    console = Console()
    checkpoint = fetched(args.checkpoint)
    folder = folder_of(checkpoint)
    try:
        saved = read_saved(checkpoint, args.trust_code)
    except CheckpointError as error:
        gone = not (folder / BEST_WEIGHTS).exists() and (folder / HISTORY).exists()
        raise UserError(f"{error}{'; ' + REMEDY if gone else ''}") from None
    data = open_data(args, saved.data_folder, console)
    trainer = restore(saved, data, args.threads)
    find_convolutions(trainer.model, args.feature_maps)
    say(console, f"{saved.config.model} after epoch {saved.epoch} on {data.name}")
    summary = summarize(trainer.model, data.in_channels, data.image_size)
    print_evaluation(console, trainer.test(), data.classes, summary, {}, ())
    draw_maps(console, trainer, data, args.feature_maps, folder / FEATURE_MAPS)
    return 0


def folder_of(checkpoint: Path) -> Path:
    """The run's folder."""
    return checkpoint if checkpoint.is_dir() else checkpoint.parent


def open_data(args: argparse.Namespace, data_folder: Path, console: Console) -> ImageData:
    """The data set of --dataset, else the prepared one that the model was trained on."""
    from search.settings.check_data import prepare_data
    from trainers.data import DataError, open_prepared

    if args.dataset:
        folder = prepare_data(
            args.dataset, Path(args.data_dir).expanduser(), console, args.image_size
        )
        return open_prepared(folder)
    try:
        return open_prepared(data_folder)
    except DataError as error:
        raise UserError(f"{error}; say with --dataset where the data are now") from None


if __name__ == "__main__":
    sys.exit(run_main(main))
