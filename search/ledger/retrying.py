"""A ledger that waits for its database: locked by another program, or a server started again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError

from search.common.errors import SearchError, StorageError, one_line
from search.ledger.events import Note
from search.ledger.ledger import Ledger
from search.ledger.messages import Ending, EpochDone, Task
from search.storage.storage import cause_of

PATIENCE_SECONDS = 600.0
SECONDS_BETWEEN_TRIES = 1.0
NO_WAITING_HELPS = ("disk is full", "readonly database", "no such table", "disk I/O error")


class PatientLedger(Ledger):
    """A ``Ledger`` whose questions are asked again, with a warning, while the database cannot be
    reached; that changes nothing, since news may be told twice.

    Raises ``StorageError`` after ``patience`` seconds, or at once when the study's folder is gone
    or the search is asked to stop. What was trained is on disk then, and told at the next start.
    """

    patience: float = PATIENCE_SECONDS

    def next_task(self) -> Task | None:
        return self._patiently(super().next_task)

    def report(self, number: int, news: EpochDone) -> bool:
        return self._patiently(super().report, number, news)

    def end(self, number: int, ending: Ending) -> None:
        self._patiently(super().end, number, ending)

    def is_met(self) -> bool:
        return self._patiently(super().is_met)

    def _patiently(self, ask: Callable[..., Any], *news: Any) -> Any:
        since = None
        while True:
            try:
                answer = ask(*news)
            except (StorageInternalError, DBAPIError) as error:
                since = self._wait(error, since)
            except OSError as error:
                raise SearchError(
                    f"cannot work in {str(self.plan.folder.path)!r}: {one_line(error)}; "
                    "what was recorded is kept, the same command goes on"
                ) from error
            else:
                if since is not None:
                    waited = time.monotonic() - since
                    self.observe(Note(f"the study database is back after {waited:.0f} s"))
                return answer

    def _wait(self, error: Exception, since: float | None) -> float:
        """A pause; returns when the waiting began."""
        cause = cause_of(error)
        first, since = since is None, since or time.monotonic()
        late = time.monotonic() - since >= self.patience
        hopeless = any(text in cause for text in NO_WAITING_HELPS)
        if late or hopeless or self.hurry() or not self.plan.folder.path.is_dir():
            raise StorageError(
                f"the study database cannot be reached: {cause}; "
                "what was trained is kept, the same command goes on"
            ) from error
        if first:
            text = f"the study database cannot be reached, waiting up to {self.patience:.0f} s"
            self.observe(Note(f"{text}: {cause}", warning=True))
        time.sleep(SECONDS_BETWEEN_TRIES)
        return since
