"""The studies are kept up to date in a process of its own: pages do not wait for it."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

NICENESS = 15  # the dashboard itself comes first


class SyncProcess:
    """It ends when it is stopped, and when the process that started it is gone."""

    def __init__(self, storage: str, results_dir: Path):
        context = get_context("spawn")
        theirs, self._ours = context.Pipe(duplex=False)
        # Through a pipe, not in its arguments: a storage's URL may hold a password.
        self._process = context.Process(
            target=_keep_up_to_date, args=(theirs, storage, results_dir), daemon=True
        )
        self._process.start()
        theirs.close()

    def stop(self) -> None:
        """Waits for the write at hand."""
        self._ours.close()
        self._process.join()


def _keep_up_to_date(parent: Connection, storage: str, results_dir: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the parent says when to end
    with suppress(AttributeError):  # where there is no niceness
        os.nice(NICENESS)
    from optuna.artifacts import FileSystemArtifactStore

    from search.common.layout import artifacts_dir
    from search.dashboard_sync.sync import DashboardSync
    from search.storage.storage import open_storage

    store = FileSystemArtifactStore(artifacts_dir(results_dir))
    DashboardSync(open_storage(storage, create=False), results_dir, store, parent.poll).run()
