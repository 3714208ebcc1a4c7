"""What a search came to, as Python sees it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.record.record import StudyRecord
from search.reporting import FORMATS
from search.reporting.comparison import comparison
from search.reporting.export import parse_formats, write_study
from search.reporting.sections.overview import answer
from search.reporting.study_data import StudyData, read_study
from search.reporting.verdict import sentence
from search.storage.storage import load_study, only_study


@dataclass(frozen=True, eq=False, repr=False)
class SearchResult:
    """A study at the moment when it was read; a notebook shows it as a table.

    ``study`` is Optuna's own, for ``optuna.visualization`` and the like; ``ended`` how the search
    ended, ``"finished"``, ``"timed out"`` or ``"interrupted"``, None where none was run for it.
    """

    study: Study
    data: StudyData
    ended: str | None = None

    @property
    def record(self) -> StudyRecord | None:
        """What the study says of itself; None where another program made it."""
        return self.data.record

    @property
    def trials(self) -> pd.DataFrame:
        """A row per trial; columns as in ``search.reporting.columns.TRIAL_COLUMNS``, without those
        that nobody measured, and with every metric of a training function's own."""
        return self.data.tables["trials"]

    @property
    def epochs(self) -> pd.DataFrame:
        """A row per trial and epoch; columns as in ``search.reporting.columns.EPOCH_COLUMNS``,
        with the same exceptions."""
        return self.data.tables["epochs"]

    @property
    def verdict(self) -> str | None:
        """``Trial 7 beats the baseline: …``; None where nothing was, or is yet, re-evaluated."""
        return sentence(self.data.verdict) if self.data.verdict else None

    @property
    def best(self) -> FrozenTrial | None:
        """The trial that the verdict chose, else the completed one with the best value; with its
        ``params`` and ``value``."""
        return self.data.choice

    def report(self, formats: str = ",".join(FORMATS), out: Path | str | None = None) -> list[Path]:
        """Write the study's report as ``search.report`` does, into ``out`` or its own folder;
        ``formats`` is a list with commas. Returns the files. Raises ``UserError``."""
        return write_study(self.data, None if out is None else Path(out), parse_formats(formats))

    def __repr__(self) -> str:
        return f"<study {self.data.name!r}: {self._in_words()}>"

    def _repr_html_(self) -> str:
        table = comparison(self.data) if self.record is not None else None
        shown = "" if table is None else f"\n{table.to_html()}"
        return f"<p><b>{escape(self._in_words())}</b></p>{shown}"

    def _in_words(self) -> str:
        """Return the verdict and what is beside it, else the search's best; how it ended."""
        words = answer(self.data)
        return words if self.ended in (None, "finished") else f"{words} ({self.ended})"


def read_result(name: str | None, storage: str, results_dir: Path) -> SearchResult:
    """Return the study ``name`` of a storage, or its only one. Raises ``UserError``."""
    study = only_study(storage) if name is None else load_study(name, storage)
    return SearchResult(study, read_study(study, results_dir, storage))
