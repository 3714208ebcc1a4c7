"""python -m search.lr_range --space NAME: which learning rate to start with."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from search.autotune.lr_range import DEFAULT_STEPS, lr_parameter, narrowed
from search.common.errors import run_main
from search.common.layout import DEFAULT_RESULTS, range_folder
from search.settings.references import references_on
from search.settings.run_settings import SingleRunSettings
from search.settings.setting import setting

if TYPE_CHECKING:
    from rich.console import Console

    from search.settings.request import SingleRun
    from trainers.lr_range import RangeCurve, Sweep


@dataclass(frozen=True, kw_only=True)
class LRRangeSettings(SingleRunSettings):
    """Settings of ``search.lr_range``. The sweep is report C's unless flags say otherwise; C does
    not say where it starts."""

    command = "lr_range"
    description = (
        "Learning-rate range test (Smith 2017): the rate grows exponentially over some hundred "
        "mini-batches; the loss falls fastest at the rate to start with."
    )

    start: float = setting("the first learning rate", 1e-5)
    end: float = setting("the last", 1.0)
    steps: int | None = setting(
        f"mini-batches (default: the preset's, else {DEFAULT_STEPS})", None, metavar="N"
    )
    out: Path | None = setting("default: results/lr_range/<space>[-quick]", None)


def main(argv: list[str] | None = None) -> int:
    """Run the command. Returns exit code 0, or 2 for wrong input."""
    settings = LRRangeSettings.parse(argv)
    from rich.console import Console

    from search.settings.check_data import prepare_data
    from search.settings.request import make_single_run
    from search.terminal.plain_line import say
    from trainers.lr_range import Sweep, save_picture, write_curve

    console = Console()
    single = make_single_run(settings)
    scaled = single.space
    steps = scaled.preset.lr_range_steps or DEFAULT_STEPS
    sweep = Sweep(
        settings.start, settings.end, settings.steps if settings.steps is not None else steps
    )
    folder = settings.out or range_folder(
        DEFAULT_RESULTS, scaled.definition.name, scaled.preset_name
    )
    say(console, f"{scaled.definition.name}: {single.preset_reason}")
    data_folder = prepare_data(single.dataset, single.data_dir, console, single.image_size)
    curve = run_test(console, single, data_folder, sweep)
    write_curve(folder, curve)
    save_picture(folder, curve)
    say(console, finding(single, sweep, curve))
    say(console, f"files: {folder}")
    return 0


def run_test(console: Console, single: SingleRun, data_folder: Path, sweep: Sweep) -> RangeCurve:
    """Return the result of the range test, with a progress bar while it lasts."""
    from rich.progress import Progress

    from trainers.data import open_prepared
    from trainers.lr_range import range_test

    data = open_prepared(data_folder)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("mini-batches", total=sweep.steps)
        return range_test(
            single.config, data, single.execution, sweep, lambda: progress.advance(bar)
        )


def finding(single: SingleRun, sweep: Sweep, curve: RangeCurve) -> str:
    """Return the result of the range test, in words."""
    tried = f"{len(curve.rates)} mini-batches from {sweep.start:g} to {curve.rates[-1]:.3g}"
    if curve.suggestion is None:
        return (
            f"no suggestion: the loss never falls over {tried}; try other --start, --end, --steps"
        )
    text = f"suggested learning rate: {curve.suggestion:.3g} (the loss falls fastest; {tried})"
    for reference in references_on(single.space, single.dataset):
        if reference.metric == "suggested_lr":
            text += f"\nreference: {reference.value:g} ({reference.source})"
    if lr_parameter(single.space) is not None:
        lr = lr_parameter(narrowed(single.space, curve.suggestion, single.config))
        assert lr is not None
        text += f"\na search with --lr-range-test would try {lr.low:g} to {lr.high:g}"
    return text


if __name__ == "__main__":
    sys.exit(run_main(main))
