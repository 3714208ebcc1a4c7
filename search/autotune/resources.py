"""How much of the machine a search uses, and the default way to compute on it."""

from __future__ import annotations

from dataclasses import dataclass

from search.autotune import machine
from search.common.errors import UserError, at_least
from trainers.execution import Execution

SMALLEST_SHARE = 0.01  # of a GPU
SAME, ANY = "same", "any"
DEVICE_KINDS = (SAME, ANY)


@dataclass(frozen=True)
class Resources:
    """What the search may use: trials at once (on a cluster as many as on the driver's machine, for
    what is planned before that is joined), and of each the processes that share its batches, the
    threads of every process, and GPUs. A worker that gives no sign of life for ``silence``
    seconds, or much longer than any did before, hangs: it gives one at every batch."""

    concurrency: int
    threads: int
    gpus_per_trial: float = 0.0
    processes: int = 1
    max_retries: int = 2
    silence: float = 600.0
    ray_address: str | None = None  # of a cluster that runs already; else a private Ray
    most: int | None = None  # trials at once on a cluster; None: as many as it has room for
    device_kinds: str = SAME  # of a cluster's devices: the study's alone, or any

    @property
    def shares_gpus(self) -> bool:
        """Whether several trials are on a card at once."""
        return 0 < self.gpus_per_trial < 1

    @property
    def on_a_gpu(self) -> int:
        """Trials on each card that is used."""
        return max(1, int(1 / self.gpus_per_trial + 1e-9)) if self.shares_gpus else 1


def choose_resources(
    concurrency: int | None,
    threads: int | None,
    gpus_per_trial: float | None,
    gpus: int,
    processes: int = 1,
) -> Resources:
    """Trials at once, threads and GPUs of each, from what was asked and what there is.

    Default on GPUs: one for each process. On the CPU: as many trials as cores, one thread each,
    since small networks gain more from a second trial than from a second thread.
    """
    at_least("processes", processes, 1)
    at_least("concurrency", concurrency, 1)
    at_least("threads", threads, 1)
    at_least("gpus-per-trial", gpus_per_trial, 0)
    cores = max(1, machine.cpu_count() // processes)
    per_trial = (float(processes) if gpus else 0.0) if gpus_per_trial is None else gpus_per_trial
    if processes > 1 and per_trial not in (0, processes):
        raise UserError(
            f"--gpus-per-trial must be {processes}, one for each of the --processes, or 0, "
            f"got {per_trial:g}"
        )
    if per_trial > 0:
        fit = trials_on_gpus(per_trial, gpus)
        if concurrency is not None and concurrency > fit:
            raise UserError(
                f"--concurrency must be at most {fit}, the trials that fit on {gpus} GPU(s) "
                f"with {per_trial:g} each, got {concurrency}"
            )
        at_once = concurrency or fit
    else:
        at_once = concurrency or max(1, cores // (threads or 1))
    return Resources(at_once, threads or max(1, cores // at_once), per_trial, processes)


def trials_on_gpus(per_trial: float, gpus: int) -> int:
    """How many trials fit at once; a part of a GPU cannot be put together from two."""
    if per_trial > gpus:
        raise UserError(f"--gpus-per-trial must be at most {gpus}, the GPUs found, got {per_trial}")
    if per_trial < SMALLEST_SHARE:
        raise UserError(f"--gpus-per-trial must be 0 or at least {SMALLEST_SHARE}, got {per_trial}")
    if per_trial > 1 and per_trial % 1:
        raise UserError(f"--gpus-per-trial must be a whole number above 1, got {per_trial}")
    return trials_that_fit(per_trial, gpus)


def trials_that_fit(per_trial: float, gpus: int) -> int:
    """On so many GPUs, 0 where one trial takes more; ``per_trial`` is whole above 1."""
    return gpus * int(1 / per_trial + 1e-9) if per_trial <= 1 else int(gpus // per_trial)


def default_execution(
    resources: Resources,
    precision: str | None,
    bfloat16: bool = False,
    deterministic: bool = False,
    graph: bool | None = None,
) -> Execution:
    """How to compute without a probe; a GPU that computes ``bfloat16`` is fastest in it, and with
    graphs, which are left out where every bit counts."""
    device = "cuda" if resources.gpus_per_trial > 0 else "cpu"
    fastest = "bfloat16" if device == "cuda" and bfloat16 else "float32"
    return Execution(
        device,
        precision or fastest,
        channels_last=True,
        threads=resources.threads,
        processes=resources.processes,
        deterministic=deterministic,
        graph=device == "cuda" and (not deterministic if graph is None else graph),
    )
