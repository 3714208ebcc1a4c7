"""python -m search.evaluate CHECKPOINT: the test set's figures of a trained network again."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from search.common.errors import UserError, run_main
from search.settings.run_settings import DataSettings, FeatureMapSettings, TrustSettings
from search.settings.setting import setting

if TYPE_CHECKING:
    from rich.console import Console

    from trainers.data import ImageData


REMEDY = (
    "a search keeps its best trials' weights (search.run --keep-weights all: everyone's); "
    "search.replay --out FOLDER trains a trial again"
)


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(TrustSettings, FeatureMapSettings, DataSettings):
    """Settings of ``search.evaluate``. The checkpoint knows its setting and its data; flags say
    where the data are now."""

    command = "evaluate"
    description = "Test the weights of a best.pt, as written by search.train and search.run."

    checkpoint: str = setting(
        "a best.pt, or the folder it lies in; a path, or a URL", positional=True
    )
    threads: int | None = setting("default: as it was trained", None, metavar="N", least=1)


def main(argv: list[str] | None = None) -> int:
    """Run the command. Returns exit code 0, or 2 for wrong input."""
    settings = EvaluateSettings.parse(argv)
    from rich.console import Console

    from search.common.layout import BEST_WEIGHTS, FEATURE_MAPS
    from search.common.locations import fetched
    from search.terminal.evaluation_tables import draw_maps, print_evaluation
    from search.terminal.plain_line import say
    from trainers.evaluation.feature_maps import find_convolutions
    from trainers.models.summary import summarize
    from trainers.runs.checkpoint import CheckpointError
    from trainers.runs.history import HISTORY
    from trainers.runs.saved_model import read_saved, restore

    console = Console()
    checkpoint = fetched(settings.checkpoint)
    folder = folder_of(checkpoint)
    try:
        saved = read_saved(checkpoint, settings.trust_code)
    except CheckpointError as error:
        gone = not (folder / BEST_WEIGHTS).exists() and (folder / HISTORY).exists()
        raise UserError(f"{error}{'; ' + REMEDY if gone else ''}") from None
    data = open_data(settings, saved.data_folder, console)
    trainer = restore(saved, data, settings.threads)
    find_convolutions(trainer.model, settings.feature_maps)
    say(console, f"{saved.config.model} after epoch {saved.epoch} on {data.name}")
    summary = summarize(trainer.model, data.in_channels, data.image_size)
    print_evaluation(console, trainer.test(), data.classes, summary, {}, ())
    draw_maps(console, trainer, data, settings.feature_maps, folder / FEATURE_MAPS)
    return 0


def folder_of(checkpoint: Path) -> Path:
    """Return the run's folder."""
    return checkpoint if checkpoint.is_dir() else checkpoint.parent


def open_data(settings: EvaluateSettings, data_folder: Path, console: Console) -> ImageData:
    """Return the data set of --dataset, else the prepared one that the model was trained on."""
    from search.settings.check_data import prepare_data
    from trainers.data import DataError, open_prepared

    if settings.dataset:
        folder = prepare_data(
            settings.dataset, Path(settings.data_dir).expanduser(), console, settings.image_size
        )
        return open_prepared(folder)
    try:
        return open_prepared(data_folder)
    except DataError as error:
        raise UserError(f"{error}; say with --dataset where the data are now") from None


if __name__ == "__main__":
    sys.exit(run_main(main))
