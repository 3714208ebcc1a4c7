"""Whether a study is bound to fail: all of its trials so far, and for the same reason."""

from __future__ import annotations

import re
from collections.abc import Iterable

from optuna.trial import FrozenTrial, TrialState

FIRST = 5


def common_failure(trials: Iterable[FrozenTrial]) -> str | None:
    """The reason for which the first ``FIRST`` trials or more have failed, all that ended yet.

    Numbers in a reason may differ from trial to trial.
    """
    ended = [trial for trial in trials if trial.state.is_finished()]
    if len(ended) < FIRST or any(trial.state != TrialState.FAIL for trial in ended):
        return None
    reasons = [str(trial.user_attrs.get("reason")) for trial in ended]
    alike = {re.sub(r"[\d.]+", "N", reason) for reason in reasons}
    return reasons[0] if len(alike) == 1 else None
