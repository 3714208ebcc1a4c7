"""Whether a node may train a study's trials, and how many at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from search.autotune.resources import ANY, trials_that_fit
from search.workers.node_facts import NodeFacts
from trainers.execution import Execution


@dataclass(frozen=True)
class Needs:
    """Of each trial: how it is computed, ``cpus`` and ``gpus``. ``kind`` of device, None for any;
    ``driver`` is what curves and versions are compared with."""

    execution: Execution
    cpus: int
    gpus: float
    driver: NodeFacts
    kind: str | None = None


def why_unfit(node: NodeFacts, needs: Needs) -> str:
    """Why ``node`` gets no trial, and the remedy; "" where it may."""
    torch, drivers = node.versions["torch"], needs.driver.versions["torch"]
    if not node.sees_results:
        return (
            "it does not see the results folder; share that with every node, under the same path, "
            "and name it with --results-dir, or let every node have the credentials of its URL"
        )
    if torch != drivers:
        return f"it has torch {torch}, the driver {drivers}, and curves would differ; install it"
    return _lack(node, needs) or _other_kind(node, needs)


def _lack(node: NodeFacts, needs: Needs) -> str:
    """What its devices cannot do."""
    device, precision = needs.execution.device, needs.execution.precision
    if device == "cuda" and not node.gpu:
        return "it has no GPU, and the study is computed on one"
    if device == "cuda" and node.versions["CUDA"] == "None":
        return "its torch is built for the CPU only, and the study is computed on a GPU"
    if device == "cuda" and precision != "float32" and not node.new_gpu:
        return f"its {node.gpu} does not compute {precision}, in which the study is computed"
    in_hardware = device == "cpu" and precision == "bfloat16" and needs.driver.cpu_bfloat16
    if in_hardware and not node.cpu_bfloat16:
        return "its CPU does not compute bfloat16, in which the study is computed"
    return ""


def _other_kind(node: NodeFacts, needs: Needs) -> str:
    kind = node.kind(needs.execution.device)
    if needs.kind in (None, kind):
        return ""
    return (
        f"its device is {kind}, the study's {needs.kind}, and curves would differ; "
        f"--device-kinds {ANY} uses both"
    )


def remarks(node: NodeFacts, driver: NodeFacts) -> list[str]:
    """A line for each version that is not the driver's, of those that change no curve."""
    return [
        f"node {node.name} has {name} {there}, the driver {driver.versions[name]}"
        for name, there in node.versions.items()
        if name != "torch" and there != driver.versions[name]
    ]


def room(total: Mapping[str, float], needs: Needs) -> int:
    """How many trials a node of these resources, as Ray names them, has room for."""
    at_once = int(total.get("CPU", 0) // needs.cpus)
    if needs.gpus:
        at_once = min(at_once, trials_that_fit(needs.gpus, int(total.get("GPU", 0))))
    return at_once
