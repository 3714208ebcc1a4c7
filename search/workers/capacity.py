"""How many trials may be at work at once, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Room(Protocol):
    """What the driver asks before it hands out a trial."""

    def look(self) -> None:
        """To be called often: sees what has changed, and waits for nobody."""

    def at_once(self) -> int:
        """Trials."""

    def places(self) -> tuple[str, ...]:
        """Ray's ids of the nodes that a trial may go to; none where there is no choice."""

    def kind(self, node: str) -> str:
        """Of the device that trains there; "" where nobody asked."""


@dataclass(frozen=True)
class OwnMachine:
    """A private Ray's: its room never changes."""

    concurrency: int

    def look(self) -> None:
        """Nothing to see."""

    def at_once(self) -> int:
        return self.concurrency

    def places(self) -> tuple[str, ...]:
        return ()

    def kind(self, node: str) -> str:
        return ""
