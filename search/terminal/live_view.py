"""What a terminal shows of a search at one moment: a picture of ``Progress``, nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from search.common.formatting import duration, settings
from search.study.events import Ended
from search.terminal.event_lines import line
from search.terminal.progress import Progress, Row

STATE_STYLES = {"COMPLETE": "green", "PRUNED": "yellow", "FAIL": "red"}
OTHER_LINES = 7  # of heads, the table's own, and the prompt that follows
FEWEST_RECENT = 3


def live_view(progress: Progress, facts: str, height: int) -> RenderableType:
    """Return trials at work with bars, recent endings, the best so far and the time left.

    Never taller than ``height``: with many trials at work, the last ones are counted only.
    """
    room = max(1, height - OTHER_LINES)
    recent = list(progress.recent)
    live = list(progress.live.values())
    kept = min(len(recent), max(FEWEST_RECENT, room - len(live)))
    recent = recent[len(recent) - kept :]
    shown = live[: max(1, room - len(recent))]
    parts: list[RenderableType] = [_head(progress, facts), _whole(progress), _trials(shown)]
    if len(shown) < len(live):
        parts.append(Text(f"… and {len(live) - len(shown)} more at work", style="dim"))
    if recent:
        parts.append(_recent(recent))
    return Group(*parts)


def _head(progress: Progress, facts: str) -> Text:
    best = progress.best
    words = "no trial has completed yet"
    if best is not None and best.value is not None:
        words = f"best {best.metric.quantity(best.value)} (trial {best.number})"
    text = " · ".join(filter(None, (words, facts)))
    return Text(text, style="bold", no_wrap=True, overflow="ellipsis")


def _whole(progress: Progress) -> RenderableType:
    """Return a bar of the whole study, and how long it will take."""
    done, total = progress.ended, progress.n_trials
    words = f"{done}/{total} trials"
    if progress.epoch_budget is not None:
        words = f"{progress.epochs()}/{progress.epoch_budget} epochs, {done} trials ended"
        done, total = progress.epochs(), progress.epoch_budget
    if progress.paused:
        words += f", {progress.paused} paused"
    row = Table.grid(padding=(0, 1))
    row.add_column(no_wrap=True, overflow="ellipsis")
    row.add_column(width=20)
    row.add_row(words, ProgressBar(total=total, completed=done, width=20))
    return Group(row, Text(time_left(progress), style="dim", no_wrap=True, overflow="ellipsis"))


def time_left(progress: Progress) -> str:
    """Return how long it will take, and what that goes by."""
    left = progress.seconds_left()
    if left is None:
        why = "paused trials pending" if progress.paused else "known when two trials have ended"
        return f"ETA unknown ({why})"
    if progress.epoch_budget is not None:
        return f"ETA {duration(left)}"
    return f"ETA {duration(left)} at {progress.epochs_per_trial():.1f} epochs/trial"


def _trials(shown: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column("epoch", justify="right", no_wrap=True)
    table.add_column("", width=12)
    table.add_column("validation", justify="right", no_wrap=True)
    table.add_column("setting", ratio=1, no_wrap=True, overflow="ellipsis")
    for live in shown:
        bar = ProgressBar(total=live.epochs, completed=live.epoch, width=12)
        epoch = f"{live.epoch}/{live.epochs}"
        table.add_row(str(live.number), epoch, bar, live.value, Text(settings(live.params)))
    return table


def _recent(recent: Sequence[Ended]) -> Table:
    table = Table.grid(expand=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for event in recent:
        table.add_row(Text(line(event), style=STATE_STYLES.get(event.state, "")))
    return table
