"""Numbers and events as words: shared by terminal, log and notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search.events import Ended, Epoch, Event, Note, Started, TakenUp


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


def line(event: Event) -> str:
    """One event as one line."""
    if isinstance(event, TakenUp):
        return f"trial {event.number} taken up again after epoch {event.epoch}"
    if isinstance(event, Started):
        return f"trial {event.number} started: {settings(event.params)}"
    if isinstance(event, Epoch):
        loss = event.result.get("val_loss")
        tail = "" if loss is None else f", loss {loss:.4f}"
        return (
            f"trial {event.number} epoch {event.epoch}/{event.epochs}: "
            f"validation {event.value:.2f} %{tail}"
        )
    if isinstance(event, Ended):
        value = "" if event.value is None else f", validation {event.value:.2f} %"
        return f"trial {event.number} {event.state}: {event.reason}{value}"
    assert isinstance(event, Note)
    return f"warning: {event.text}" if event.warning else event.text
