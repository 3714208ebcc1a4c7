"""What there is to say of one trial: for the page's panel and for the dashboard's notes."""

from __future__ import annotations

import shlex
from typing import Any

from optuna.trial import FrozenTrial

from search.common.layout import where
from search.record.trials import is_paused
from search.reporting.format import missing, setting, time_span
from search.reporting.plotly_figures import numbers
from search.reporting.sections.result import changed
from search.reporting.sections.trials import listed
from search.reporting.study_data import StudyData
from trainers.metrics import find_metric


def ending(trial: FrozenTrial) -> str:
    """Why it ended; what it does where it has not."""
    if is_paused(trial):
        return f"paused at epoch {trial.last_step}, goes on if it belongs to the best"
    return str(trial.user_attrs.get("reason", trial.state.name.lower()))


def reached(data: StudyData, trial: FrozenTrial) -> list[str]:
    """The figures that it came to, and what it cost."""
    row = data.row(trial)
    words = []
    if not missing(row["best_epoch"]):
        value = data.objective.described(row["best_value"])
        words.append(f"{value} at epoch {row['best_epoch']}")
    if not missing(row["test_top1"]):
        words.append(find_metric("test_top1").described(row["test_top1"]))
    if not missing(row["seconds"]):
        words.append(f"{time_span(row['seconds'])} of a worker's time")
    return words


def trial_details(data: StudyData, storage: str) -> dict[str, Any]:
    """As JSON: what the page shows of the trials of its table, by number; ``command`` lacks the
    number at its end."""
    curves = {
        n: curve for n, curve in data.epochs.groupby("number") if curve["value"].notna().any()
    }
    shown = (data.frozen[n] for n in map(int, listed(data)["number"]))
    name = shlex.quote(data.name)
    places = where(storage, data.folder.results_dir)
    return {
        "objective": data.objective.heading,
        "recipe": None if data.recipe is None else data.recipe.number,
        "command": f"python -m search.replay --study-name {name}{places} --trial ",
        "trials": {t.number: _details(data, t, curves.get(t.number)) for t in shown},
    }


def _details(data: StudyData, trial: FrozenTrial, curve: Any) -> dict[str, Any]:
    old = {} if data.recipe is None else data.recipe.params
    differs = changed(data, trial.number)
    known = data.record is not None and curve is not None
    return {
        "lines": [ending(trial), *reached(data, trial)],
        "differs": [[name, setting(old.get(name)), setting(v)] for name, v in differs.items()],
        "epochs": [] if curve is None else curve["epoch"].tolist(),
        "values": [] if curve is None else numbers(curve["value"].tolist()),
        "replays": known,
    }
