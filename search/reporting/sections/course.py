"""How the search went: history, importances, slices, timeline, and what the pruner did."""

from __future__ import annotations

from search.reporting.chart import BARS, OTHER, Axis, Chart, Panel, Series, chart
from search.reporting.importance import MOST, completed_importances, early_importances
from search.reporting.section import Block, Section, section
from search.reporting.sections.history import history_chart
from search.reporting.sections.parallel import parallel_coordinates
from search.reporting.sections.pruning import reasons, rung_chart, rung_table
from search.reporting.sections.slices import slices_chart
from search.reporting.sections.timeline import timeline_chart
from search.reporting.study_data import StudyData


def course(data: StudyData) -> Section | None:
    """Section 4 of the page."""
    blocks: list[Block | None] = [
        history_chart(data),
        rung_chart(data),
        rung_table(data),
        importance_chart(data),
        slices_chart(data),
        parallel_coordinates(data),
        timeline_chart(data),
        reasons(data),
    ]
    return section("search", "How the search went", blocks)


def importance_chart(data: StudyData) -> Chart | None:
    """Which parameters mattered, for the final value and for the early one."""
    final, completed = completed_importances(data)
    early, all_trials, epoch = early_importances(data)
    panels = []
    if final:
        panels.append(_bars(f"Of the final value: {completed} completed trials", final))
    if early and all_trials > completed:
        panels.append(_bars(f"Of the value at epoch {epoch}: {all_trials} trials", early))
    caption = "Shares of the variance between trials (fANOVA"
    caption += f", over {MOST} of them)." if all_trials > MOST else ")."
    if early and all_trials > completed:
        caption += " At the earlier epoch the pruned trials count too."
    return chart("importances", "Parameter importances", panels, caption)


def _bars(title: str, shares: dict[str, float]) -> Panel:
    names = tuple(reversed(shares))
    values = [shares[name] for name in names]
    bars = Series("", values, list(range(len(names))), OTHER, BARS, horizontal=True)
    height = 110 + 34 * len(names)
    x = Axis("share of variance (%)", from_zero=True)
    return Panel(title, x, Axis("", labels=names), (bars,), height=height)
