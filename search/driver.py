"""Runs a study's trials in Ray Tune workers until it has its total or is asked to stop."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from search.ledger import Ledger

FINISHED, TIMED_OUT, INTERRUPTED = "finished", "timed out", "interrupted"

# Ray decides these when it is imported; a user's own setting wins.
_RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # the display is ours
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths mean what they mean to the driver
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the study database holds the results
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # a first Ctrl-C ends the search in good order, see below
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # Ray's snapshot is never needed to go on
    "TUNE_WARN_THRESHOLD_S": "60",
}
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_OBJECT_STORE_BYTES = 80 * 1024 * 1024  # messages are small, images are memory-mapped files


@dataclass(frozen=True)
class Resources:
    """What the search may use: trials at once, threads and GPUs of each."""

    concurrency: int
    threads: int
    gpus_per_trial: float = 0.0
    max_retries: int = 2


def run_search(
    ledger: Ledger, resources: Resources, work: Any, timeout: float | None = None
) -> str:
    """Trains until the study is met, ``timeout`` seconds have passed or a signal came.

    ``work`` is a function from ``Task`` to messages, as ``search.work.train_task``. Returns how
    it ended; trials that were live then stay RUNNING in the study and on disk.
    """
    with _stop_signals() as stop, _ray(resources) as scratch:
        stop.listen()  # again: Ray has a handler of its own for SIGTERM
        if not stop.asked:
            _tune(ledger, resources, work, _Deadline(stop, timeout), scratch)
    ended = FINISHED if ledger.is_met() else INTERRUPTED if stop.asked else TIMED_OUT
    ledger.close()
    return ended


class _Stop:
    """Whether a signal asked to stop. The second one ends the process at once."""

    asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            os._exit(128 + number)
        self.asked = True

    def listen(self) -> None:
        """Takes the signals that are not ignored: nohup means to outlive the terminal."""
        for number in STOP_SIGNALS:
            if _in_main_thread() and signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self)


def _in_main_thread() -> bool:
    """Python takes signals there only; a search in another thread ends by its time-out."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def _stop_signals() -> Iterator[_Stop]:
    stop = _Stop()
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    stop.listen()
    try:
        yield stop
    finally:
        for number, handler in before.items():
            if _in_main_thread():
                signal.signal(number, handler)


class _Deadline:
    """Whether the whole search is to stop now."""

    def __init__(self, stop: _Stop, timeout: float | None):
        self._stop = stop
        self._end = None if timeout is None else time.monotonic() + timeout

    def reached(self) -> bool:
        late = self._end is not None and time.monotonic() >= self._end
        return late or self._stop.asked


@contextmanager
def _ray(resources: Resources) -> Iterator[str]:
    """A private Ray on this machine's loopback, and a scratch folder for what Tune writes."""
    for name, value in _RAY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(resources.concurrency)
    import ray

    scratch = tempfile.mkdtemp(prefix="sharpsearch-")
    try:
        with _hangups_ignored():
            ray.init(
                address="local",
                num_cpus=resources.concurrency * resources.threads,
                object_store_memory=_OBJECT_STORE_BYTES,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _node_ip_address="127.0.0.1",
            )
        yield scratch
    except SystemExit:  # Ray's own answer to SIGTERM while it starts
        raise KeyboardInterrupt from None
    finally:
        ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _hangups_ignored() -> Iterator[None]:
    """Within: processes that are started outlive a terminal that is closed, until they are
    stopped in good order."""
    if not _in_main_thread():
        yield
        return
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _tune(
    ledger: Ledger, resources: Resources, work: Any, deadline: _Deadline, scratch: str
) -> None:
    from ray import tune
    from ray.tune import TuneError

    from search.ray_adapters import (
        LedgerScheduler,
        LedgerSearcher,
        LedgerStopper,
        StopNow,
        make_worker,
    )

    per_trial = {"cpu": resources.threads, "gpu": resources.gpus_per_trial}
    try:
        tune.run(
            tune.with_resources(make_worker(work), per_trial),
            search_alg=LedgerSearcher(ledger, resources.concurrency),
            scheduler=LedgerScheduler(ledger),
            stop=LedgerStopper(ledger, deadline.reached),
            num_samples=-1,
            reuse_actors=True,
            max_failures=resources.max_retries,
            raise_on_failed_trial=False,
            storage_path=scratch,
            trial_dirname_creator=lambda trial: trial.trial_id,
            verbose=0,
        )
    except StopNow:
        pass
    except TuneError as error:  # the ledger's own error, which Ray keeps as a text
        raise error.__context__ or error from None
