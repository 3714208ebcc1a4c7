"""The page's sections, in order. Each is a function from a study's data to a section or None."""

from __future__ import annotations

from collections.abc import Callable

from search.reporting.blocks import Section
from search.reporting.sections.breakdowns import breakdowns
from search.reporting.sections.cost import cost
from search.reporting.sections.curves import curves
from search.reporting.sections.diagnostics import diagnostics, failures
from search.reporting.sections.evaluation import evaluation
from search.reporting.sections.overview import overview
from search.reporting.sections.parameters import parameters
from search.reporting.sections.provenance import provenance
from search.reporting.sections.reevaluation import reevaluation
from search.reporting.sections.trials import trials
from search.reporting.study_data import StudyData

SECTIONS: tuple[Callable[[StudyData], Section | None], ...] = (
    overview,
    trials,
    parameters,
    curves,
    cost,
    evaluation,
    reevaluation,
    failures,
    diagnostics,
    breakdowns,
    provenance,
)


def sections_of(data: StudyData) -> list[Section]:
    """Return all sections that have something to show; where all trials failed, the failures come
    first."""
    found = [made for make in SECTIONS if (made := make(data)) is not None]
    if data.best is None:
        found.sort(key=lambda section: section.key not in ("overview", "failures"))
    return found
