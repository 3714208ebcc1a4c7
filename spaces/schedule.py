"""What becomes of the learning rate over the epochs."""

from __future__ import annotations

from spaces.params import Categorical


def schedules(*choices: str) -> Categorical:
    """Of constant, cosine, piecewise, plateau."""
    return Categorical("schedule", choices)
