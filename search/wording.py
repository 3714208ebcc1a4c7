"""Numbers and events as words: shared by terminal, log and notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search.study.events import Ended, Epoch, Event, Note, Started, TakenUp


def number(value: Any) -> str:
    """A value in the fewest digits that tell it apart."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def settings(params: Mapping[str, Any]) -> str:
    """``lr=0.05 depth=16``."""
    return " ".join(f"{name}={number(value)}" for name, value in params.items())


def duration(seconds: float) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def line(event: Event, detailed: bool = False) -> str:
    """One event as one line; ``detailed`` epochs tell of training, rate and time too."""
    if isinstance(event, TakenUp):
        return f"trial {event.number} taken up again after epoch {event.epoch}"
    if isinstance(event, Started):
        return f"trial {event.number} started: {settings(event.params)}"
    if isinstance(event, Epoch):
        return _epoch(event, detailed)
    if isinstance(event, Ended):
        value = "" if event.value is None else f", validation {event.value:.2f} %"
        return f"trial {event.number} {event.state}: {event.reason}{value}"
    assert isinstance(event, Note)
    return f"warning: {event.text}" if event.warning else event.text


def _epoch(event: Epoch, detailed: bool) -> str:
    said = event.result
    parts = [f"trial {event.number} epoch {event.epoch}/{event.epochs}: validation "]
    parts.append(f"{event.value:.2f} %")
    if "val_loss" in said:
        parts.append(f", loss {said['val_loss']:.4f}")
    if detailed and {"train_top1", "train_loss", "lr", "seconds"} <= set(said):
        parts.append(f"; training {said['train_top1']:.2f} %, loss {said['train_loss']:.4f}")
        parts.append(f"; lr {number(said['lr'])}, {said['seconds']:.1f} s")
    return "".join(parts)
