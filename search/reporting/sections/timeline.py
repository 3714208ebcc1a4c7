"""When each trial ran."""

from __future__ import annotations

from datetime import datetime

from search.reporting.chart import LINES, Axis, Chart, Panel, Series, chart
from search.reporting.sections.history import STATES
from search.reporting.study_data import StudyData


def timeline_chart(data: StudyData) -> Chart | None:
    """A bar from a trial's start to its end, or to the last news of the study."""
    started = [t for t in data.frozen if t.datetime_start is not None]
    if not started:
        return None
    first = min(t.datetime_start for t in started if t.datetime_start)
    known = [t.datetime_complete for t in started if t.datetime_complete] + [first]
    last = max(known + [t.datetime_start for t in started if t.datetime_start])
    span = max(1.0, (last - first).total_seconds())
    unit, scale = ("h", 3600) if span > 2 * 3600 else ("min", 60) if span > 180 else ("s", 1)

    def since(moment: datetime | None) -> float:
        return ((moment or last) - first).total_seconds() / scale

    series = []
    height = max(240, min(640, 60 + 9 * len(started)))
    width = max(1.0, min(7.0, 0.7 * (height - 60) / len(started)))
    for name, role, state in STATES:
        x: list[float | None] = []
        y: list[float | None] = []
        for trial in (t for t in started if t.state == state):
            x += [since(trial.datetime_start), since(trial.datetime_complete), None]
            y += [trial.number, trial.number, None]
        if x:
            series.append(Series(name, x, y, role, LINES, width=width))
    axis = Axis(f"time since the first trial began ({unit})", from_zero=True)
    panel = Panel("", axis, Axis("trial", whole=True), tuple(series), height=height)
    return chart("timeline", "Timeline", [panel], wide=True)
