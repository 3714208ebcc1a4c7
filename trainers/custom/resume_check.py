"""Checks that a training function resumes exactly where it was interrupted.

Two epochs are trained without interruption; then a process that starts anew resumes from what the
first epoch left on the disk, as after a kill, and all that was handed over is compared, bit for
bit.

    python -m trainers.custom.resume_check '{"config": {…}, "execution": {…}, "folder": …}'

trains the epochs of ``folder`` that are left of two, and prints a JSON object as its last line.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainers.metrics import same

if TYPE_CHECKING:
    from trainers.custom.loop_config import LoopConfig

EPOCHS = 2


@dataclass(frozen=True)
class State:
    """The state after the second epoch: every value by its name; what is kept from epoch to epoch
    and was not handed over; the figures that are no numbers; the function's own files, with
    digests."""

    values: Mapping[str, Any]
    forgotten: Sequence[str] = ()
    remarks: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def printed(cls, text: str) -> State:
        return cls(**json.loads(text.splitlines()[-1]))


def after_two_epochs(task: Mapping[str, Any]) -> State:
    """Trains those that are left; the folder as it is after the first is kept beside it."""
    from trainers.custom.left_out import Seen, forgotten, seen
    from trainers.custom.loop_config import LoopConfig
    from trainers.custom.loop_run import LoopRun
    from trainers.custom.state import flattened
    from trainers.execution import Execution

    folder = Path(task["folder"])
    config = LoopConfig.from_mapping(task["config"])
    run = LoopRun(config, Execution.from_mapping(task["execution"]), folder)
    if run.problems:
        return State({"checkpoint": run.problems[-1]})
    straight = not run.history
    looks: list[Mapping[str, Seen]] = []
    metrics: Mapping[str, float] = {}
    results = run.results()
    for result in results:
        metrics = result.metrics
        if run.at_work is not None:
            looks.append(seen(run.at_work, run.progress.objects or {}))
        if result.epoch == 1 and straight:
            shutil.copytree(folder, cut_off(folder))
        if result.epoch == EPOCHS:
            break
    values = flattened(run.progress.kept)
    left_out = forgotten(*looks) if len(looks) == EPOCHS else []
    results.close()  # type: ignore[attr-defined]
    return State({**values, **metrics}, left_out, list(run.remarks.values()), own_files(config))


def own_files(config: LoopConfig) -> dict[str, str]:
    """Return the modules in memory that lie beside the function's file or below, by their
    digests."""
    home = Path(config.train.partition(":")[0]).absolute().parent
    paths = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    own = sorted(path for path in map(Path, filter(None, paths)) if path.is_relative_to(home))
    return {str(path): digest(path) for path in own if "site-packages" not in path.parts}


def digest(path: Path) -> str:
    """Return the digest of what the file holds; empty where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def cut_off(folder: Path) -> Path:
    """Return what a kill after the first epoch leaves of ``folder``."""
    return folder.with_name(f"{folder.name}-cut-off")


def verdict(straight: State, resumed: State) -> str:
    """Return what is not exact, in one line, or may become so; empty where nothing is known."""
    missing = f"not handed to run.epochs: {', '.join(straight.forgotten)}"
    found = _difference(straight.values, resumed.values)
    if found:
        return f"resume is not exact: {found}" + (f"; {missing}" if straight.forgotten else "")
    if straight.forgotten:
        return f"resume was exact over {EPOCHS} epochs and may not be over more; {missing}"
    return ""


def _difference(straight: Mapping[str, Any], resumed: Mapping[str, Any]) -> str:
    """Return the first value that differs. Numbers come before tensors: a rate that differs says
    more than the weights that it led to."""
    if "checkpoint" in resumed and "checkpoint" not in straight:
        return str(resumed["checkpoint"])
    for name in sorted(straight, key=lambda name: isinstance(straight[name], str)):
        was, now = straight[name], resumed.get(name)
        if not same(was, now):
            return f"{name} is {was} uninterrupted, {now} after a restart"
    return ""


def main() -> None:
    task = json.loads(sys.argv[1])
    warnings.simplefilter("ignore", UserWarning)  # remarks are said once, by who asked
    with contextlib.redirect_stdout(sys.stderr):  # what the function prints is not asked for
        state = after_two_epochs(task)
    print(json.dumps(asdict(state)))


if __name__ == "__main__":
    main()
