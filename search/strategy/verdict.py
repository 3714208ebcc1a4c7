"""The verdict on a search: whether its best setting beats the recipe, with fresh seeds."""

from __future__ import annotations

from search.common.statistics import Interval

WINS, NO_DIFFERENCE, NOTHING_BEATS = "wins", "no difference", "nothing beats"


def outcome(gain: Interval) -> str:
    """What ``gain``, that of the chosen setting over the recipe, says: above 0 is better."""
    if gain.low > 0:
        return WINS
    return NO_DIFFERENCE if gain.estimate > 0 else NOTHING_BEATS
