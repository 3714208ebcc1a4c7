"""A runner that retries while its database cannot be reached: locked, or a server restarting."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError

from search.common.errors import SearchError, StorageError, one_line
from search.storage.optuna_internals import is_stored, reported_values
from search.storage.storage import cause_of
from search.study.events import Note
from search.study.messages import Ending, EpochDone, Task
from search.study.trial_runner import TrialRunner

LONGEST_RETRY = 600.0  # s
SECONDS_BETWEEN_TRIES = 1.0
NEVER_RETRIED = ("disk is full", "readonly database", "no such table", "disk I/O error")


class RetryingRunner(TrialRunner):
    """A ``TrialRunner`` that retries, with a warning, while the database cannot be reached.
    That is safe, since saying the same twice changes nothing.

    Raises ``StorageError`` after ``retry_seconds``, or at once when the study's folder is gone
    or the search is asked to stop. What was trained is on disk then, and is reported at the next
    start.
    """

    retry_seconds: float = LONGEST_RETRY

    def ask(self, workers: int = 1) -> Task | None:
        return self._retry(super().ask, workers)

    def retry_failed(self) -> None:
        self._retry(super().retry_failed)

    def began(self, number: int, node: str, device_kind: str = "") -> None:
        self._retry(super().began, number, node, device_kind)

    def report(self, number: int, news: EpochDone) -> bool:
        return self._retry(super().report, number, news)

    def finish(self, number: int, ending: Ending) -> None:
        self._retry(super().finish, number, ending)

    def is_met(self) -> bool:
        return self._retry(super().is_met)

    def _retry(self, ask: Callable[..., Any], *news: Any) -> Any:
        since = None
        while True:
            try:
                answer = ask(*news)
            except (StorageInternalError, DBAPIError) as error:
                since = self._wait(error, since)
            except KeyError as error:
                if not self._is_deleted():
                    raise
                raise StorageError(
                    f"study {self.study.study_name!r} was deleted while it was searched; "
                    "rerun to start it again"
                ) from error
            except OSError as error:
                raise SearchError(
                    f"cannot work in {self.plan.folder.address!r}: {one_line(error)}; "
                    "what was recorded is kept; rerun to resume"
                ) from error
            else:
                if since is not None:
                    waited = time.monotonic() - since
                    self.observe(Note(f"the study database is back after {waited:.0f} s"))
                return answer

    def _is_deleted(self) -> bool:
        """Return whether the study is deleted, also where a new study has its name and, as SQLite
        gives them anew, its id: then the trials at work are not in it."""
        try:
            for live in self.live.values():
                reported_values(live.trial)
        except KeyError:
            return True
        return not is_stored(self.study)

    def _wait(self, error: Exception, since: float | None) -> float:
        """Wait for a moment, and return when the waiting began."""
        cause = cause_of(error)
        first, since = since is None, since or time.monotonic()
        late = time.monotonic() - since >= self.retry_seconds
        hopeless = any(text in cause for text in NEVER_RETRIED)
        if late or hopeless or self.should_stop() or not self.plan.folder.path.is_dir():
            raise StorageError(
                f"the study database cannot be reached: {cause}; "
                "what was trained is kept; rerun to resume"
            ) from error
        if first:
            text = f"the study database cannot be reached, waiting up to {self.retry_seconds:.0f} s"
            self.observe(Note(f"{text}: {cause}", warning=True))
        time.sleep(SECONDS_BETWEEN_TRIES)
        return since
