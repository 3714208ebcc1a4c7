"""What all workers need and may lose: Ray's own processes, and a card that they share by MPS."""

from __future__ import annotations

from collections.abc import Callable


class Losses:
    """Called, a sentence about what is lost, "" if nothing is. ``ray`` names those of Ray's
    processes that died.

    Through MPS, what breaks a card for one trial breaks it for all that are on it, and no new one
    is let in while any of them lives. So all are begun anew, once, without MPS: from then on the
    trial that is to blame breaks it for itself alone.
    """

    def __init__(self, ray: Callable[[], str]):
        self._ray = ray
        self.through_mps = False
        self.card = False

    def __call__(self) -> str:
        if self.through_mps and self.card:
            return "a card answers none of the trials that share it"
        lost = self._ray()
        return f"Ray's {lost} died" if lost else ""

    def of_card(self) -> None:
        """A worker said that its card answers it no more."""
        self.card |= self.through_mps
