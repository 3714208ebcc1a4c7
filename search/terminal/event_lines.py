"""An event as one line, for the terminal and the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search.common.formatting import number, settings
from search.study.events import Ended, Epoch, Event, Note, Paused, Promoted, Resumed, Started
from trainers.metrics import METRICS

STATES = {"COMPLETE": "completed", "PRUNED": "pruned", "FAIL": "failed"}
VALIDATION, TRAINING = ("val_top1", "val_loss"), ("train_top1", "train_loss")


def line(event: Event, detailed: bool = False) -> str:
    """Return one event as one line; ``detailed`` epochs tell of training, rate and time too."""
    if isinstance(event, Resumed):
        return f"trial {event.number} resumed after epoch {event.epoch}"
    if isinstance(event, Promoted):
        before = "" if event.continues is None else f" (continues trial {event.continues})"
        return f"trial {event.number} promoted: {event.epoch} → {event.target} epochs{before}"
    if isinstance(event, Paused):
        return f"trial {event.number} paused at epoch {event.epoch}/{event.epochs}"
    if isinstance(event, Started):
        return f"trial {event.number} started: {settings(event.params)}"
    if isinstance(event, Epoch):
        return _epoch(event, detailed)
    if isinstance(event, Ended):
        value = "" if event.value is None else f", {event.metric.described(event.value)}"
        state = STATES.get(event.state, event.state.lower())
        said = event.reason if event.reason.startswith(state) else f"{state}: {event.reason}"
        return f"trial {event.number} {said}{value}"
    assert isinstance(event, Note), "a standing is not for lines"
    return f"warning: {event.text}" if event.warning else event.text


def _epoch(event: Epoch, detailed: bool) -> str:
    said = event.result
    figures = [event.metric.described(event.value), *_figures(said, VALIDATION, event.metric.name)]
    parts = [", ".join(figures)]
    if detailed and {*TRAINING, "lr", "seconds"} <= set(said):
        parts += [", ".join(_figures(said, TRAINING))]
        parts += [f"lr {number(said['lr'])}, {said['seconds']:.1f} s"]
    return f"trial {event.number} epoch {event.epoch}/{event.epochs}: {'; '.join(parts)}"


def _figures(said: Mapping[str, Any], names: Sequence[str], told: str = "") -> list[str]:
    return [METRICS[name].described(said[name]) for name in names if name in said and name != told]
