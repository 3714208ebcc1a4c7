"""An event as one line, for the terminal and the log."""

from __future__ import annotations

from search.common.formatting import number, settings
from search.ledger.events import Ended, Epoch, Event, Note, Started, TakenUp


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
