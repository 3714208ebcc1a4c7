"""What a study carries for Optuna Dashboard: its note, a note of each trial, the report's figures.

The search writes them when a trial has become the best and when it ends, so any dashboard shows
them, also one that is started without this program.
"""

from __future__ import annotations

import plotly.graph_objects as go
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial
from optuna_dashboard import get_note, save_note, save_plotly_graph_object

from search.common.secrets import command_without_secrets
from search.reporting.blocks import Chart
from search.reporting.comparison import references_table, results_table
from search.reporting.format import setting
from search.reporting.markdown import code, code_block, escaped, table_text
from search.reporting.sections.cost import cost_chart
from search.reporting.sections.curves import curves_chart
from search.reporting.sections.diagnostics import rung_chart
from search.reporting.sections.evaluation import best_confusion
from search.reporting.sections.overview import banner, history_chart
from search.reporting.sections.trials import ending, reached
from search.reporting.study_data import StudyData
from search.storage.database import one_commit
from search.storage.optuna_internals import (
    OBJECTIVE_NAMES,
    set_study_attribute,
    storage_of,
    trial_id,
)

OURS = "*Kept up to date by sharpsearch. To keep a text of your own, delete this line.*"
MOST_NOTES = 100  # of trials: for each trial the dashboard goes through all of a study's attributes
LOOK = {
    "template": go.layout.Template(),  # plotly's own is 7 kB of colours in each figure
    "paper_bgcolor": "white",
    "plot_bgcolor": "white",
    "font": {"color": "#1c2530", "size": 12},
    "showlegend": True,
    "hovermode": "closest",
    "height": None,
}
GRID = {"gridcolor": "#e9ecf0", "linecolor": "#e0e4e9", "zerolinecolor": "#e0e4e9"}


def save_notes(study: Study, data: StudyData) -> None:
    """Write the study's note unless it is somebody's own, figures, and notes of the best trials
    that have none. A study of another program is left alone."""
    if data.record is None:
        return
    with one_commit(storage_of(study)):
        # Not ``study.set_metric_names``: it would rename ``value`` in ``study.trials_dataframe()``.
        set_study_attribute(study, OBJECTIVE_NAMES, [data.objective.heading])
        before, text = get_note(study), study_note(data)
        if text != before and (not before or before.rstrip().endswith(OURS)):
            save_note(study, text)
        for key, figure in figures_of(data).items():
            save_plotly_graph_object(study, figure, graph_object_id=key)
        for frozen in noted_trials(data):
            trial = Trial(study, trial_id(frozen))
            if not get_note(trial):
                save_note(trial, trial_note(data, frozen))


def noted_trials(data: StudyData) -> list[FrozenTrial]:
    """Return the finished trials that have a note: baseline and best first, then the newest."""
    ended = [trial for trial in data.frozen if trial.state.is_finished()]
    return sorted(ended, key=lambda t: (not data.mark(t.number), -t.number))[:MOST_NOTES]


def study_note(data: StudyData) -> str:
    """Return the verdict, the figures and the command, in Markdown."""
    record = data.record
    assert record is not None
    title = f"## {escaped(record.space.title or data.name)}"
    if record.reevaluates:
        whose = f"Re-evaluates study {code(record.reevaluates)}, whose note has the verdict."
        return f"{title}\n\n{whose}\n\n{OURS}\n"
    found = banner(data)
    parts = [title, f"**{escaped(found.text)}**", *map(escaped, found.notes)]
    tables = (results_table(data), references_table(data))
    parts += [table_text(table) for table in tables if table is not None]
    if record.provenance.command:
        command = command_without_secrets(record.provenance.command)
        parts.append(f"Resume with:\n\n{code_block(command)}")
    parts.append(f"Files: {code(data.folder.address)}")
    return "\n\n".join([*parts, OURS]) + "\n"


def trial_note(data: StudyData, trial: FrozenTrial) -> str:
    """Return why a trial ended, what it reached, what it changed, where its files are."""
    lines = [f"**{escaped(ending(trial))}**", *reached(data, trial)]
    if data.baseline is trial:
        lines.append("baseline")
    elif data.baseline is not None:
        changes = data.changed(trial.number).items()
        words = ", ".join(f"{name} = {setting(value)}" for name, value in changes)
        lines.append(f"changed from baseline: {escaped(words)}")
    folder = data.folder.trial(trial.number)
    if folder.is_dir():
        lines.append(f"files: {code(str(folder))}")
    return "\n".join(f"- {line}" for line in lines) + "\n"


def figures_of(data: StudyData) -> dict[str, go.Figure]:
    """Return id → figure of what the dashboard lacks, on white."""
    charts = (
        *(history_chart(data), curves_chart(data), rung_chart(data), cost_chart(data)),
        best_confusion(data),
    )
    return {
        f"{chart.key}-{i}": _on_white(chart, figure)
        for chart in charts
        if chart is not None
        for i, figure in enumerate(chart.figures)
    }


def _on_white(chart: Chart, figure: go.Figure) -> go.Figure:
    title = {"text": chart.title, "font": {"size": 16}, "x": 0.02, "xanchor": "left"}
    figure.update_layout(**LOOK, title=title)
    return figure.update_xaxes(**GRID).update_yaxes(**GRID)
