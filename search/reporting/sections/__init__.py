"""The page's sections, in order. Each is a function from a study's data to a section or None."""

from __future__ import annotations

from collections.abc import Callable

from search.reporting.blocks import Section
from search.reporting.sections.classes import evaluation
from search.reporting.sections.cost import cost
from search.reporting.sections.curves import curves
from search.reporting.sections.history import course
from search.reporting.sections.provenance import origin
from search.reporting.sections.result import result
from search.reporting.sections.tables import reports_tables
from search.reporting.sections.trials import trials
from search.reporting.sections.verdict import verdict
from search.reporting.study_data import StudyData

SECTIONS: tuple[Callable[[StudyData], Section | None], ...] = (
    verdict,
    result,
    trials,
    reports_tables,
    curves,
    course,
    evaluation,
    cost,
    origin,
)


def sections_of(data: StudyData) -> list[Section]:
    """All sections that have something to show."""
    return [found for make in SECTIONS if (found := make(data)) is not None]
