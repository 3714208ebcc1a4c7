"""How much of the machine a search uses, and the default way to compute on it."""

from __future__ import annotations

from dataclasses import dataclass

from search.autotune import devices
from search.autotune.devices import Gpus
from search.common.errors import UserError
from trainers.execution import Execution

SMALLEST_SHARE = 0.01  # of a GPU
SAME, ANY = "same", "any"
DEVICE_KINDS = (SAME, ANY)


@dataclass(frozen=True)
class ComputeOptions:
    """What a user asks of the machine, each None where it is left open."""

    concurrency: int | None = None
    threads: int | None = None
    processes: int | None = None
    gpus_per_trial: float | None = None
    precision: str | None = None
    deterministic: bool | None = None
    graph: bool | None = None
    ray_address: str | None = None  # of a cluster that runs already; else a private Ray
    device_kinds: str = SAME
    max_retries: int = 2


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
    ray_address: str | None = None
    most: int | None = None  # trials at once on a cluster; None: as many as it has room for
    device_kinds: str = SAME  # of a cluster's devices: the study's alone, or any

    @property
    def trials_on_a_gpu(self) -> int:
        """Trials at once on each card that is used."""
        shared = 0 < self.gpus_per_trial < 1
        return max(1, trials_that_fit(self.gpus_per_trial, 1)) if shared else 1


def choose_resources(options: ComputeOptions, began: Execution | None = None) -> Resources:
    """Return trials at once, and threads and GPUs of each, from what is asked and what this machine
    has; ``began`` is how the study began to compute, None for a new one. Raises ``UserError``.

    Default on GPUs: one for each process. On the CPU: as many trials as cores, one thread each,
    since small networks gain more from a second trial than from a second thread.
    """
    processes = began.processes if began else options.processes or 1
    threads = began.threads if began else options.threads
    asked = options.concurrency
    at_once = None if options.ray_address else asked
    cores = max(1, devices.cpu_count() // processes)
    share = _gpus_per_trial(options, began, processes)
    if share > 0:
        fit = _trials_on_gpus(share, gpus := devices.gpu_count())
        if at_once is not None and at_once > fit:
            raise UserError(
                f"--concurrency must be at most {fit}, the trials that fit on {gpus} GPU(s) "
                f"with {share:g} each, got {at_once}"
            )
        at_once = at_once or fit
    else:
        at_once = at_once or max(1, cores // (threads or 1))
    return Resources(
        concurrency=asked or at_once,
        threads=threads or max(1, cores // at_once),
        gpus_per_trial=share,
        processes=processes,
        max_retries=options.max_retries,
        ray_address=options.ray_address,
        most=asked,
        device_kinds=options.device_kinds,
    )


def _gpus_per_trial(options: ComputeOptions, began: Execution | None, processes: int) -> float:
    if began and began.device == "cpu":
        return 0.0
    asked = options.gpus_per_trial
    if asked is None:
        return float(processes) if devices.gpu_count() else 0.0
    if processes > 1 and asked not in (0, processes):
        raise UserError(
            f"--gpus-per-trial must be {processes}, one for each of the --processes, or 0, "
            f"got {asked:g}"
        )
    return asked


def _trials_on_gpus(per_trial: float, gpus: int) -> int:
    """Return how many trials fit at once; a part of a GPU cannot be put together from two."""
    if per_trial > gpus:
        raise UserError(f"--gpus-per-trial must be at most {gpus}, the GPUs found, got {per_trial}")
    if per_trial < SMALLEST_SHARE:
        raise UserError(f"--gpus-per-trial must be 0 or at least {SMALLEST_SHARE}, got {per_trial}")
    if per_trial > 1 and per_trial % 1:
        raise UserError(f"--gpus-per-trial must be a whole number above 1, got {per_trial}")
    return trials_that_fit(per_trial, gpus)


def trials_that_fit(per_trial: float, gpus: int) -> int:
    """Return how many trials fit on so many GPUs, 0 where one trial takes more; ``per_trial`` is
    whole above 1."""
    return gpus * int(1 / per_trial + 1e-9) if per_trial <= 1 else int(gpus // per_trial)


def workers_in_words(resources: Resources) -> str:
    """Return the workers in words, such as "2 workers x 1 thread, 1 GPU each"."""
    counts = [(resources.concurrency, "worker", "workers")]
    if resources.processes > 1:
        counts.append((resources.processes, "process", "processes"))
    counts.append((resources.threads, "thread", "threads"))
    words = " x ".join(f"{n} {one if n == 1 else many}" for n, one, many in counts)
    if 0 < resources.gpus_per_trial < 1:
        words += f", {resources.trials_on_a_gpu} on each GPU"
    elif resources.gpus_per_trial:
        words += f", {resources.gpus_per_trial:g} GPU{'s' * (resources.gpus_per_trial > 1)} each"
    return words


def default_execution(
    options: ComputeOptions, resources: Resources, gpus: Gpus | None
) -> Execution:
    """Return how to compute without a calibration; a GPU is fastest in bfloat16 where it computes
    that, and with graphs, which are left out where every bit counts."""
    fastest = "bfloat16" if gpus and gpus.bfloat16 else "float32"
    deterministic = options.deterministic is True
    return Execution(
        device="cuda" if gpus else "cpu",
        precision=options.precision or fastest,
        channels_last=True,
        threads=resources.threads,
        processes=resources.processes,
        deterministic=deterministic,
        graph=gpus is not None and (not deterministic if options.graph is None else options.graph),
    )
