"""python -m search.describe --space lenet_batch: the network, its output shapes and its size."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from search.common.errors import run_main
from search.settings.run_settings import DataSettings, SpaceSettings
from search.settings.setting import setting

if TYPE_CHECKING:
    from rich.console import Console

    from trainers.data import ImageShape
    from trainers.models.summary import ModelSummary


@dataclass(frozen=True, kw_only=True)
class DescribeSettings(DataSettings, SpaceSettings):
    """Settings of ``search.describe``. The preset is the report's own scale unless another is
    given."""

    command = "describe"
    description = "Layers, output shapes for a batch, parameters and multiply-accumulates."

    preset: str = setting("auto, quick or full", "full")
    channels: int | None = setting("default: the data set's", None, metavar="N", least=1)
    classes: int | None = setting("default: the data set's", None, metavar="N", least=1)


def main(argv: list[str] | None = None) -> int:
    """Run the command. Returns exit code 0, or 2 for wrong input."""
    settings = DescribeSettings.parse(argv)
    from rich.console import Console

    from search.settings.load_space import load_space, refuse_own_loop
    from search.terminal.plain_line import say
    from trainers.config import TrainConfig
    from trainers.models.external import check_outside, is_outside
    from trainers.models.summary import summary_for

    space, _ = load_space(settings)
    refuse_own_loop(space)
    config = TrainConfig.from_mapping(dict(space.baseline))
    console = Console()
    shape = image_shape(settings, settings.dataset or space.preset.dataset, console)
    if is_outside(config.model):
        check_outside(config.model, config.model_options, shape.classes, shape.channels, shape.side)
    summary = summary_for(config.to_dict(), shape, config.batch_size)
    say(
        console,
        f"{space.definition.name}, preset {space.preset_name}: model {config.model} for images of "
        f"{shape.channels} x {shape.side} x {shape.side} and {shape.classes} classes",
    )
    print_summary(console, summary)
    return 0


def image_shape(settings: DescribeSettings, dataset: str, console: Console) -> ImageShape:
    """Return the data set's shape of an image, if it is known without the data or given; flags go
    first."""
    from search.settings.check_data import prepare_data
    from trainers.data import SHAPES, ImageShape
    from trainers.data.prepared import read_meta

    given = {
        "side": settings.image_size,
        "channels": settings.channels,
        "classes": settings.classes,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if len(changes) == len(given):
        return ImageShape(**changes)
    if dataset in SHAPES:
        return replace(SHAPES[dataset], **changes)
    meta = read_meta(
        prepare_data(dataset, Path(settings.data_dir).expanduser(), console, settings.image_size)
    )
    _, side, _, channels = meta.shapes["train_images"]
    return replace(ImageShape(side, channels, len(meta.classes)), **changes)


def print_summary(console: Console, summary: ModelSummary) -> None:
    """Print the parts with their shapes, every layer, and the sums."""
    from search.terminal.plain_line import PlainTable, say

    parts = [("input", summary.input_shape), *summary.children]
    table = PlainTable("parts", ("name", "output shape"), right=(), no_wrap=True)
    for name, shape in parts:
        table.add_texts(name, str(shape))
    console.print(table)
    columns = ("name", "type", "output shape", "parameters", "MACs per image")
    table = PlainTable("layers", columns, right=(3, 4), no_wrap=True)
    for row in summary.rows:
        sizes = f"{row.parameters:,}", f"{row.macs:,}"
        table.add_texts(row.name, row.type, str(row.output_shape), *sizes)
    console.print(table)
    for label, value in (
        ("parameters", summary.parameters),
        ("MACs per image: convolutions and linear layers", summary.macs),
        (
            "the same with BatchNorm and pooling, as report A counts",
            summary.macs_with_norm_and_pool,
        ),
    ):
        say(console, f"{label}: {value:,}")


if __name__ == "__main__":
    sys.exit(run_main(main))
