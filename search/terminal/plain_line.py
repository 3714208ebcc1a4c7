"""Lines that can be copied from the terminal."""

from __future__ import annotations

from rich.console import Console


def say(console: Console, text: str) -> None:
    """A line as it is: not wrapped, so it can be copied, and not coloured."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
