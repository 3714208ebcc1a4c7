"""Before a study of a training function of the user's own: is its resume exact?"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from search.autotune.child_processes import run_module
from search.record.record import EXACT
from trainers.custom.loop_config import LoopConfig
from trainers.custom.resume_check import EPOCHS, State, cut_off, difference
from trainers.execution import Execution

WHAT = "check of the training function"


def check_resume(config: LoopConfig, execution: Execution, announce: Callable[[str], None]) -> str:
    """``EXACT``, or the first value that differs. Raises ``UserError`` where the function fails."""
    if config.epochs < EPOCHS:
        return EXACT  # of one epoch nothing can be cut off
    announce(f"training {EPOCHS} epochs straight, and the second once more after a restart")
    with tempfile.TemporaryDirectory(prefix="sharpsearch-resume-") as scratch:
        folder = Path(scratch) / "straight"
        straight = _state(config, execution, folder)
        resumed = _state(config, execution, cut_off(folder))
    return difference(straight, resumed) or EXACT


def _state(config: LoopConfig, execution: Execution, folder: Path) -> State:
    task = {
        "config": config.to_dict(),
        "execution": execution.to_dict(),
        "folder": str(folder),
    }
    module = ["trainers.custom.resume_check", json.dumps(task)]
    (printed,) = run_module(module, 1, WHAT, "mend it before it is searched")
    return State.printed(printed)


def in_words(found: str) -> str:
    """As it is announced."""
    return "resume is exact" if found == EXACT else f"warning: resume is not exact: {found}"
