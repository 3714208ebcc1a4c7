"""Whether steps launched as one graph learn what they do launched kernel by kernel."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import Any

from benchmarks.gpu_check.check import Figures, Setting, config, expect
from benchmarks.gpu_check.child import finish, start
from benchmarks.gpu_check.processes import all_same, random_config
from trainers.config import TrainConfig
from trainers.execution import Execution
from trainers.models import MODELS

ADAMW = {"optimizer": "adamw", "ema_decay": 0.9, "clip_norm": 1.0, "schedule": "one_cycle"}


def graphs(setting: Setting) -> Figures:
    """Every named model with SAM and all randomness, and AdamW with averaged weights: the same
    curves bit for bit with deterministic kernels, also killed and resumed. On the CPU, which has no
    graphs, the program of a step is run instead of captured."""
    epochs = 2 if setting.smallest else 3
    names = ["lenet"] if setting.smallest else list(MODELS)
    chosen = {name: random_config(name, epochs) for name in names}
    chosen["lenet, AdamW"] = config("lenet", epochs=epochs, batch_size=300, **ADAMW)
    eager = Execution(setting.device, deterministic=True)
    graph = replace(eager, graph=True)
    one_by_one = [_job(setting, eager, "train", of) for of in chosen.values()]
    at_once = [_job(setting, graph, "replay", of) for of in chosen.values()]
    cut = _job(setting, graph, "resume", chosen[names[0]])
    cut["folder"] = str(setting.folder / "cut with a graph")
    (first,) = finish(start([*one_by_one, *at_once, cut | {"die": True}]))
    expect(first.exit_code == -signal.SIGKILL, f"a run was to be killed: {first.last_words}")
    (second,) = finish(start([cut]))
    expect(second.exit_code == 0, second.last_words)
    expected, found = first.lines[: len(chosen)], first.lines[len(chosen) :]
    for name, of_one in zip(chosen, found, strict=True):
        expect(of_one["captured"] or not setting.cuda, f"{name} was not captured: {of_one['why']}")
    all_same(list(chosen), expected, [of_one["curve"] for of_one in found], "by a graph")
    all_same(names[:1], expected[:1], [second.lines[0]["curve"]], "killed and resumed by a graph")
    return {"settings": len(chosen), "epochs": epochs}


def _job(setting: Setting, way: Execution, do: str, chosen: TrainConfig) -> dict[str, Any]:
    known = {"execution": way.to_dict(), "data": str(setting.data)}
    return {"do": do, "config": chosen.to_dict(), **known}
