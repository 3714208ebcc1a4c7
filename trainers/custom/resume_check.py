"""Whether a training function goes on exactly where it was cut off.

Two epochs are trained straight; then a process that starts anew goes on from what the first epoch
left on the disk, as after a kill, and all that was handed over is compared, bit for bit.

    python -m trainers.custom.resume_check '{"config": {…}, "execution": {…}, "folder": …}'

trains the epochs of ``folder`` that are left of two, and prints a JSON object as its last line.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainers.metrics import same

EPOCHS = 2


@dataclass(frozen=True)
class State:
    """After the second epoch: every value by its name, and local variables with a state that was
    not handed over."""

    values: Mapping[str, Any]
    left_out: Sequence[str]

    @classmethod
    def printed(cls, text: str) -> State:
        return cls(**json.loads(text.splitlines()[-1]))


def after_two_epochs(task: Mapping[str, Any]) -> State:
    """Trains those that are left; the folder as it is after the first is kept beside it."""
    from trainers.custom.loop_config import LoopConfig
    from trainers.custom.loop_run import LoopRun
    from trainers.custom.state import flattened
    from trainers.execution import Execution

    folder = Path(task["folder"])
    config = LoopConfig.from_mapping(task["config"])
    run = LoopRun(config, Execution.from_mapping(task["execution"]), folder)
    if run.problems:
        return State({"checkpoint": run.problems[-1]}, [])
    straight = not run.history
    results = run.results()
    metrics: Mapping[str, float] = {}
    for result in results:
        metrics = result.metrics
        if result.epoch == 1 and straight:
            shutil.copytree(folder, cut_off(folder))
        if result.epoch == EPOCHS:
            break
    left_out = run.left_out()
    values = dict(pair for name, v in run.kept.items() for pair in flattened(name, v))
    results.close()  # type: ignore[attr-defined]
    return State({**values, **metrics}, left_out)


def cut_off(folder: Path) -> Path:
    """What a kill after the first epoch leaves of ``folder``."""
    return folder.with_name(f"{folder.name}-cut-off")


def difference(straight: State, resumed: State) -> str:
    """The first value that differs, in one line; empty where none does. Numbers come before
    tensors: a rate that differs says more than the weights that it led to."""
    if "checkpoint" in resumed.values and "checkpoint" not in straight.values:
        return str(resumed.values["checkpoint"])
    tensors_last = sorted(straight.values, key=lambda name: isinstance(straight.values[name], str))
    for name in tensors_last:
        was, now = straight.values[name], resumed.values.get(name)
        if not same(was, now):
            hint = f"; not handed to run.epochs: {', '.join(straight.left_out)}"
            return f"{name} is {was} straight, {now} after a restart" + (
                hint if straight.left_out else ""
            )
    return ""


def main() -> None:
    task = json.loads(sys.argv[1])
    with contextlib.redirect_stdout(sys.stderr):  # what the function prints is not asked for
        state = after_two_epochs(task)
    print(json.dumps({"values": dict(state.values), "left_out": list(state.left_out)}))


if __name__ == "__main__":
    main()
