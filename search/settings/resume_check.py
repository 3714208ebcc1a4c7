"""Before a study of a training function of the user's own: is its resume exact?"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from search.autotune.child_processes import run_module
from search.common.locations import cache_dir
from search.record.record import EXACT
from trainers.atomic_files import write_atomically
from trainers.custom.loop_config import LoopConfig
from trainers.custom.resume_check import EPOCHS, State, cut_off, digest, verdict
from trainers.execution import Execution

WHAT = "check of the training function"
NOT_CHECKED = "resume was not checked (--no-resume-check)"


def check_resume(config: LoopConfig, execution: Execution, announce: Callable[[str], None]) -> str:
    """Return ``EXACT``, or what is not exact. A result for the same code, and the same options but
    for numbers, is remembered. Raises ``UserError`` where the function fails."""
    if config.epochs < EPOCHS:
        return EXACT  # of one epoch nothing can be cut off
    memo = Path(cache_dir()).expanduser() / "resume_checks" / f"{_key(config, execution)}.json"
    found = _remembered(memo)
    if found is not None:
        announce("resume was checked before for the same code")
        return found
    announce(f"checking that resume is exact ({EPOCHS} epochs)")
    with tempfile.TemporaryDirectory(prefix="sharpsearch-resume-") as scratch:
        folder = Path(scratch) / "straight"
        straight = _state(config, execution, folder)
        resumed = _state(config, execution, cut_off(folder))
    for remark in straight.remarks:
        announce(remark)
    found = verdict(straight, resumed) or EXACT
    with suppress(OSError):
        memo.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(memo, json.dumps({"found": found, "files": straight.files}).encode())
    return found


def _key(config: LoopConfig, execution: Execution) -> str:
    options = {
        name: type(value).__name__ if type(value) in (int, float) else value
        for name, value in config.to_dict().items()
    }
    content = json.dumps([options, execution.to_dict(), sys.version, version("torch")])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _remembered(memo: Path) -> str | None:
    """Return what is remembered, None where nothing is or a file of the function's has changed
    since."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        content = json.loads(memo.read_bytes())
        if all(digest(Path(path)) == then for path, then in content["files"].items()):
            return str(content["found"])
    return None


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
    """Return the result in the words in which it is announced."""
    return f"resume is exact over {EPOCHS} epochs" if found == EXACT else f"warning: {found}"
