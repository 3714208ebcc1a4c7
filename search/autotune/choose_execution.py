"""How a study is computed and how much at once: as it began, as asked, or as a probe found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from search.autotune.gpu_probe import GpuProbe, counts_of, probe_gpu, ways_of
from search.autotune.gpus import Gpus, check_gpus, lack_of_gpu_memory
from search.autotune.probe import Timing, is_worth_probing, probe
from search.autotune.resources import Resources, default_execution
from search.common.errors import UserError
from search.record.record import StudyRecord
from search.settings.compatibility import refuse_other_computing
from search.settings.request import Request, total_trials
from trainers.configs import trainer_config
from trainers.data.prepared import Meta
from trainers.execution import Execution

Announce = Callable[[str], None]
Decided = tuple[Execution, Resources, str]  # the last is why


def decide_execution(
    request: Request, data: Meta, data_folder: Path, found: StudyRecord | None, announce: Announce
) -> Decided:
    """How to compute, how much at once, and why. Threads and precision change the bits of a
    curve, so a study goes on as it began."""
    if found is not None:
        refuse_other_computing(request, found.execution)
        resources = request.resources(found.execution)
        check_gpus(resources, None)
        return _with_graph(found.execution, request.settings.graph), resources, "as the study began"
    resources = request.resources()
    gpus = check_gpus(resources, request.settings.asked_precision)
    computes = gpus is not None and gpus.bfloat16
    execution = default_execution(
        resources,
        request.settings.asked_precision,
        computes,
        request.settings.deterministic is True,
        request.settings.graph,
    )
    if request.own_loop:
        its_own = replace(execution, precision="float32", graph=False)
        return its_own, resources, "as the training function does"
    reason = "as asked or by default"
    if execution.processes == 1 and is_worth_probing(data):
        if gpus is None and request.settings.asked_precision is None:
            return _probed(request, execution, resources, data, data_folder, announce)
        if gpus is not None:
            try:
                return _probed_on_gpu(
                    request, execution, resources, gpus, data, data_folder, announce
                )
            except UserError as error:  # neither asked for nor needed
                reason = str(error)
    lack = lack_of_gpu_memory(gpus, resources, data)
    return execution, resources, "; ".join(filter(None, (reason, lack)))


def _with_graph(began: Execution, asked: bool | None) -> Execution:
    """A graph changes no curve, so a study may go on with one or without."""
    return began if asked is None or began.device == "cpu" else replace(began, graph=asked)


def _probed(
    request: Request,
    execution: Execution,
    resources: Resources,
    data: Meta,
    data_folder: Path,
    announce: Announce,
) -> Decided:
    config = trainer_config(request.config)
    best = probe(config, request.settings.threads, data, data_folder, request.data_dir, announce)
    at_once = request.settings.concurrency or best.at_once
    execution = replace(best.execution, deterministic=execution.deterministic)
    said = f"{at_once} at once with {execution.threads} thread(s)"
    resources = replace(resources, concurrency=at_once, threads=execution.threads)
    return execution, resources, _reason(best, execution, said)


def _probed_on_gpu(
    request: Request,
    execution: Execution,
    resources: Resources,
    gpus: Gpus,
    data: Meta,
    data_folder: Path,
    announce: Announce,
) -> Decided:
    """How many trials are on a card is found too, unless flags say so, or other machines' cards
    are used."""
    flags = (
        request.settings.gpus_per_trial,
        request.settings.concurrency,
        request.settings.cluster,
    )
    most = total_trials(
        request.settings.n_trials,
        request.settings.sampler or request.space.preset.sampler,
        request.space,
    )
    counts = counts_of(resources, flags == (None, None, None), most, gpus, data)
    ways = ways_of(execution, gpus, request.settings.asked_precision, request.settings.graph)
    asked = GpuProbe(trainer_config(request.config), ways, tuple(counts))
    best = probe_gpu(asked, gpus, data, data_folder, request.data_dir, announce)
    if best.at_once > 1:
        resources = replace(
            request, settings=replace(request.settings, gpus_per_trial=1 / best.at_once)
        ).resources()
    execution = replace(best.execution, threads=resources.threads)
    how = "as a graph" if execution.graph else "kernel by kernel"
    said = f"{how}, {best.at_once} trial(s) on a card"
    lack = lack_of_gpu_memory(gpus, resources, data)
    return execution, resources, "; ".join(filter(None, (_reason(best, execution, said), lack)))


def _reason(best: Timing, execution: Execution, how: str) -> str:
    layout = "channels last" if execution.channels_last else "contiguous"
    return (
        f"{execution.precision}, {layout}, {how}: {best.speed:.0f} images/s, the fastest of "
        f"{best.tried} ways tried"
    )


def cost_of_determinism(execution: Execution) -> str:
    """What --deterministic does and costs, in a line."""
    if execution.device == "cpu":
        return "deterministic: as always on the CPU, at no cost"
    return (
        "deterministic: the same bits on the same kind of card, by kernels that are slower and not "
        "chosen by timing them; how much slower was not measured"
    )
