"""What a search came to, as Python sees it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.record.record import StudyRecord
from search.reporting.comparison import comparison
from search.reporting.formats import FORMATS, parse_formats
from search.reporting.fragment import html_table
from search.reporting.sections.result import lead as best_in_words
from search.reporting.sections.verdict import lead as verdict_in_words
from search.reporting.study_data import StudyData, read_study
from search.reporting.verdict import sentence
from search.reporting.write import write_study
from search.storage.storage import load_study, only_study


@dataclass(frozen=True, eq=False, repr=False)
class SearchResult:
    """A study at the moment when it was read; a notebook shows it as a table.

    ``study`` is Optuna's own, for ``optuna.visualization`` and the like; ``ended`` how the search
    ended, ``"finished"``, ``"timed out"`` or ``"interrupted"``, None where none was run for it.
    """

    study: Study
    data: StudyData
    storage: str
    ended: str | None = None

    @property
    def record(self) -> StudyRecord | None:
        """What the study says of itself; None where another program made it."""
        return self.data.record

    @property
    def trials(self) -> pd.DataFrame:
        """A row per trial; columns as in ``search.reporting.columns.TRIAL_COLUMNS``."""
        return self.data.trials

    @property
    def epochs(self) -> pd.DataFrame:
        """A row per trial and epoch; columns as in ``search.reporting.columns.EPOCH_COLUMNS``."""
        return self.data.epochs

    @property
    def verdict(self) -> str | None:
        """``Trial 7 wins over the recipe by …``; None where nothing was, or is yet, confirmed."""
        return sentence(self.data.verdict) if self.data.verdict else None

    @property
    def best(self) -> FrozenTrial | None:
        """The trial that the verdict chose, else the completed one with the best value; with its
        ``params`` and ``value``."""
        return self.data.choice

    def report(self, formats: str = ",".join(FORMATS), out: Path | str | None = None) -> list[Path]:
        """Writes the study's report as ``search.report`` does, into ``out`` or its own folder;
        ``formats`` is a list with commas. Returns the files. Raises ``UserError``."""
        folder = None if out is None else Path(out)
        return write_study(self.data, self.storage, folder, parse_formats(formats))

    def __repr__(self) -> str:
        return f"<study {self.data.name!r}: {self._in_words()}>"

    def _repr_html_(self) -> str:
        parts = [f"<p><b>{escape(self._in_words())}</b></p>"]
        if self.best is not None and self.record is not None:
            name, recipe = self.data.name, self.data.frozen[0]
            found = comparison(name, self.record, self.best, recipe, self.data.verdict)
            parts.append(html_table(found))
        return "\n".join(parts)

    def _in_words(self) -> str:
        """The verdict and what is beside it, else how the best compares; how it ended."""
        words = verdict_in_words(self.data) or best_in_words(self.data)
        return words if self.ended in (None, "finished") else f"{words} ({self.ended})"


def read_result(name: str | None, storage: str, results_dir: Path) -> SearchResult:
    """The study ``name`` of a storage, or its only one. Raises ``UserError``."""
    study = only_study(storage) if name is None else load_study(name, storage)
    return SearchResult(study, read_study(study, results_dir), storage)
