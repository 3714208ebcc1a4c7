"""How a study is computed and how much at once: as it began, as given, or as calibrated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from search.autotune.calibrate import (
    Timing,
    calibrate,
    candidates,
    in_words,
    rounds_on_cpu,
    rounds_on_gpu,
)
from search.autotune.devices import Gpus, check_gpus, lack_of_gpu_memory
from search.autotune.resources import (
    ComputeOptions,
    Resources,
    choose_resources,
    default_execution,
    workers_in_words,
)
from search.autotune.timing import Workload
from search.common.errors import UserError
from trainers.data.prepared import Meta
from trainers.execution import Execution

# Below this many pixels an epoch is over before a calibration would be.
PIXELS_WORTH_CALIBRATING = 10_000_000


@dataclass(frozen=True)
class ExecutionChoice:
    """An execution and resources; ``note`` says both in a line, and why."""

    execution: Execution
    resources: Resources
    note: str


def resume_execution(options: ComputeOptions, began: Execution) -> ExecutionChoice:
    """Return the choice with which the study ``began``: threads and precision change the bits of a
    curve. A graph changes none, so a study may resume with one or without. Raises ``UserError``."""
    resources = choose_resources(options, began)
    if resources.gpus_per_trial:
        check_gpus(None, every=options.ray_address is None)
    graph = began.graph if began.device == "cpu" or options.graph is None else options.graph
    return _choice(replace(began, graph=graph), resources, "as the study began")


def default_choice(options: ComputeOptions) -> ExecutionChoice:
    """Return what is given, and defaults for the rest; nothing is timed. Raises ``UserError``."""
    resources = choose_resources(options)
    execution = default_execution(options, resources, _gpus_in_use(options, resources))
    return _choice(execution, resources, "defaults")


def loop_choice(options: ComputeOptions) -> ExecutionChoice:
    """Return the choice for a training function of the user's own, whose precision is its own."""
    choice = default_choice(options)
    execution = replace(choice.execution, precision="float32", graph=False)
    return replace(
        choice, execution=execution, note=f"{workers_in_words(choice.resources)} (defaults)"
    )


def choose_execution(
    options: ComputeOptions, workload: Workload, most: int, announce: Callable[[str], None]
) -> ExecutionChoice:
    """Return the choice for a new study of ``most`` trials: what is given, and the rest as a
    calibration finds it where that is worth its time. Raises ``UserError``, also where nothing can
    be trained."""
    resources = choose_resources(options)
    gpus = _gpus_in_use(options, resources)
    execution = default_execution(options, resources, gpus)
    reason = _why_not_calibrated(options, workload.data, execution)
    if not reason:
        if gpus:
            rounds = rounds_on_gpu(options, resources, gpus, most, workload.data)
        else:
            rounds = rounds_on_cpu(options, resources)
        ways = candidates(options, execution, gpus)
        found = calibrate(workload, ways, rounds, gpus, announce)
        resources = _resources_for(found.best, options, resources)
        execution = replace(found.best.execution, threads=resources.threads)
        reason = f"{found.best.speed:.0f} images/s, the fastest of {found.tried} timings"
    choice = _choice(execution, resources, reason)
    lack = lack_of_gpu_memory(gpus, resources.trials_on_a_gpu, workload.data) if gpus else ""
    return replace(choice, note=f"{choice.note}; {lack}") if lack else choice


def _resources_for(best: Timing, options: ComputeOptions, resources: Resources) -> Resources:
    if best.execution.device == "cuda":
        share = 1 / best.at_once if best.at_once > 1 else options.gpus_per_trial
        return choose_resources(replace(options, gpus_per_trial=share))
    at_once = options.concurrency or best.at_once
    return replace(resources, concurrency=at_once, threads=best.execution.threads)


def cost_of_determinism(execution: Execution) -> str:
    """Return what --deterministic does and costs, in a line."""
    if execution.device == "cpu":
        return "deterministic: as always on the CPU, at no cost"
    return (
        "deterministic: the same bits on the same kind of card, by kernels that are slower and not "
        "chosen by timing them; how much slower was not measured"
    )


def _gpus_in_use(options: ComputeOptions, resources: Resources) -> Gpus | None:
    """Return the GPUs that are used, None where there are none."""
    if resources.gpus_per_trial:
        return check_gpus(options.precision, every=options.ray_address is None)
    if options.precision == "tf32":
        raise UserError("--precision tf32 needs a GPU, none is used; choose float32")
    return None


def _why_not_calibrated(options: ComputeOptions, data: Meta, execution: Execution) -> str:
    """Return why there is no calibration, "" where there is one."""
    images, height, width, _ = data.shapes["train_images"]
    if images * height * width < PIXELS_WORTH_CALIBRATING:
        return "defaults; too small to be worth calibrating"
    if execution.processes > 1:
        return "defaults; data-parallel trials are not calibrated"
    open_on_gpu = None in (options.graph, options.gpus_per_trial or options.concurrency)
    if options.precision and not (execution.device == "cuda" and open_on_gpu):
        return "as given; the rest by default"
    return ""


def _choice(execution: Execution, resources: Resources, reason: str) -> ExecutionChoice:
    note = f"precision {in_words(execution)}, {workers_in_words(resources)} ({reason})"
    return ExecutionChoice(execution, resources, note)
