"""A trial on a GPU, whole, where there is none: only what CUDA and NVML answer is made up."""

from __future__ import annotations

import ast
import gc
import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pynvml
import pytest
import torch

from search.autotune.devices import gpu_count, gpu_driver
from search.study.messages import Completed, Diverged, EpochDone, Message, Remark, Task
from search.workers.node_facts import facts_here
from search.workers.train_task import train_task
from tests.trainers.cuda.fake_card import FakeCard
from tests.trainers.cuda.fake_tensors import fake_tensors
from trainers.cuda.graphed_steps import CudaGraph
from trainers.execution import Execution
from trainers.models.wide_resnet import WideResNet

REPOSITORY = Path(__file__).resolve().parents[3]
PRODUCT = ("search", "trainers")
EVERYTHING = {
    "augment": "crop_flip_cutout",
    "crop_padding": 1,
    "cutout_size": 4,
    "dropout": 0.3,
    "clip_norm": 1.0,
    "ema_decay": 0.9,
}
# What the product asks of torch.cuda, and the arguments that it passes. A string is a device.
CUDA: dict[str, list[tuple[Any, ...]]] = {
    "CUDAGraph": [()],
    "Event": [()],
    "Stream": [()],
    "current_stream": [()],
    "device": [(0,)],
    "device_count": [()],
    "empty_cache": [()],
    "get_arch_list": [()],
    "get_device_capability": [(0,)],
    "get_device_name": [(0,)],
    "get_device_properties": [(0,)],
    "get_per_process_memory_fraction": [(), (None,), (0,)],
    "graph": [],  # see ``test_each_function_takes_what_it_is_given``
    "init": [()],
    "is_available": [()],
    "is_bf16_supported": [()],
    "is_initialized": [()],
    "max_memory_allocated": [()],
    "max_memory_reserved": [()],
    "mem_get_info": [(), (0,), (torch.device("cuda"),), (torch.device("cuda", 0),)],
    "memory_reserved": [()],
    "reset_peak_memory_stats": [()],
    "set_device": [(0,)],
    "set_per_process_memory_fraction": [(0.25,)],
    "stream": [],
    "synchronize": [(), (0,)],
}
KEYWORDS = {"Event": {"blocking": True}, "is_bf16_supported": {"including_emulation": False}}
FLAGS = {  # of torch.backends
    "cuda.matmul.allow_tf32",
    "cudnn.allow_tf32",
    "cudnn.benchmark",
    "cudnn.deterministic",
}
NVML = {
    "NVMLError",
    "nvmlDeviceGetCount",
    "nvmlDeviceGetCudaComputeCapability",
    "nvmlDeviceGetHandleByIndex",
    "nvmlDeviceGetHandleByUUID",
    "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetName",
    "nvmlDeviceGetPowerUsage",
    "nvmlDeviceGetTotalEnergyConsumption",
    "nvmlDeviceGetUtilizationRates",
    "nvmlInit",
    "nvmlShutdown",
    "nvmlSystemGetDriverVersion",
}

Train = Callable[..., list[Message]]


@pytest.fixture
def train(card: FakeCard, digits_folder: Path, tmp_path: Path, tiny_config) -> Iterator[Train]:
    """The messages of a worker about a trial of two epochs, beside another on its card."""

    def train(execution: Execution, **changes: Any) -> list[Message]:
        config = tiny_config(**{"epochs": 2, "batch_size": 4, **changes}).to_dict()
        folder = tmp_path / "trial"
        task = Task(3, config, execution.to_dict(), str(digits_folder), str(folder))
        with fake_tensors():
            return list(train_task(task, gpus=0.5))

    yield train
    gc.unfreeze()


@pytest.mark.parametrize(
    ("execution", "changes"),
    [
        (Execution("cuda", graph=True), {"optimizer": "sgd"}),
        (Execution("cuda", "bfloat16", graph=True), {"optimizer": "sam", **EVERYTHING}),
        (Execution("cuda", "tf32", graph=True), {"optimizer": "sam_adamw", "adaptive": True}),
        (Execution("cuda", "bfloat16", channels_last=False), {"optimizer": "sam", **EVERYTHING}),
        (Execution("cuda", "tf32"), {"optimizer": "adamw", "mixup": 0.2, "cutmix": 1.0}),
        (Execution("cuda", deterministic=True), {"policy": "randaugment"}),
    ],
    ids=lambda value: value.precision if isinstance(value, Execution) else "",
)
def test_from_the_task_to_the_ending(
    execution: Execution, changes: dict[str, Any], train: Train, asked, card: FakeCard, tmp_path
) -> None:
    first, second, ending = train(execution, **changes)
    assert isinstance(first, EpochDone)
    assert isinstance(second, EpochDone)
    assert isinstance(ending, Completed), ending
    assert ending.figures["graph"] == ("captured" if execution.graph else "not asked for")
    expected = {"gpu_utilization": 90.0, "gpu_peak_memory_mb": 2048.0, "gpu_power_w": 70.0}
    assert ending.figures.items() >= {**expected, "gpu_own_peak_memory_mb": 300.0}.items()
    assert {"checkpoint.pt", "history.csv", "test.json"} <= {p.name for p in tmp_path.glob("*/*")}
    assert card.share == pytest.approx(0.5, abs=0.01)
    assert ("replay" in card.said) is execution.graph
    assert card.said[-2:] == ["workspaces cleared", "cache emptied"]
    for name, arguments in asked:
        assert arguments in CUDA[name] or name in ("set_per_process_memory_fraction",), name


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, card: FakeCard) -> list[tuple[str, tuple[Any, ...]]]:
    """What our code has asked of torch.cuda's functions, and with which arguments."""
    calls: list[tuple[str, tuple[Any, ...]]] = []
    for name in CUDA:
        function = getattr(torch.cuda, name)
        if inspect.isfunction(function) and name not in ("stream",):
            monkeypatch.setattr(torch.cuda, name, _noting(calls, name, function))
    return calls


def _noting(calls: list[Any], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*arguments: Any, **keywords: Any) -> Any:
        caller = Path(sys._getframe(1).f_code.co_filename)
        if any(caller.is_relative_to(REPOSITORY / package) for package in PRODUCT):
            calls.append((name, arguments))
        return function(*arguments, **keywords)

    return noted


def test_a_graph_that_there_is_no_memory_for_is_told_and_recorded(
    train: Train, card: FakeCard
) -> None:
    card.free, card.reserved = 2**20, 159 * 2**20
    first, remark, _, ending = train(Execution("cuda", graph=True))
    assert isinstance(first, EpochDone)
    kernel_by_kernel = "trial 3: steps run kernel by kernel, for want of memory for a graph"
    assert remark == Remark(f"{kernel_by_kernel}, 40 MiB too little")
    assert isinstance(ending, Completed)
    assert (ending.figures["graph"], ending.figures["graph_lack_mb"]) == ("no memory", 40)


def test_the_peak_of_memory_is_not_lost_where_a_graph_begins_it_anew(
    train: Train, card: FakeCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """cuDNN's search for kernels takes much, in the first step alone."""
    forward = WideResNet.forward

    def search(self: WideResNet, images: torch.Tensor) -> torch.Tensor:
        if "on stream 1" in card.said and "peak reset" not in card.said[2:]:
            card.peak_reserved, card.peak_allocated = 900 * 2**20, 50 * 2**30
        return forward(self, images)

    monkeypatch.setattr(WideResNet, "forward", search)
    *_, ending = train(Execution("cuda", graph=True))
    assert isinstance(ending, Completed)
    assert ending.figures["gpu_own_peak_memory_mb"] == 900
    assert ending.figures["graph"] == "captured"  # the search's memory is not a step's


def test_no_layer_runs_on_the_card_for_a_summary(train: Train, monkeypatch) -> None:
    """cuDNN would look for a kernel for each layer and a single image."""
    devices: set[str] = set()

    def noted(self: torch.nn.Conv2d, images: torch.Tensor) -> torch.Tensor:
        if len(images) == 1:
            devices.add(images.device.type)
        return conv(self, images)

    conv = torch.nn.Conv2d.forward
    monkeypatch.setattr(torch.nn.Conv2d, "forward", noted)
    *_, ending = train(Execution("cuda"))
    assert isinstance(ending, Completed)
    assert devices == {"cpu"}


def test_a_diverged_trial_ends_so(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "__float__", lambda self: float("nan"))
    assert train(Execution("cuda", graph=True)) == [
        Diverged("diverged in epoch 1: training loss is nan", 1)
    ]


def test_each_function_takes_what_it_is_given(card: FakeCard) -> None:
    for name, calls in CUDA.items():
        for arguments in calls:
            getattr(torch.cuda, name)(*arguments, **KEYWORDS.get(name, {}))
    graph = CudaGraph()  # torch.cuda.stream and torch.cuda.graph
    graph.warm_up(lambda: None)
    graph.capture(lambda: None)
    graph.replay()
    with torch.random.fork_rng([torch.device("cuda")]):
        torch.manual_seed(1)


def test_nvml_takes_what_it_is_given(card: FakeCard, monkeypatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert (gpu_count(), gpu_driver()) == (1, "580.1")
    facts = facts_here("")
    assert facts.new_gpu
    assert "Fake H200" in str(facts)


def names_in_the_product() -> Iterator[str]:
    """Such as torch.cuda.init, each part of a longer one too."""
    for path in chain(*(REPOSITORY.glob(f"{name}/**/*.py") for name in PRODUCT)):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and "(" not in (name := ast.unparse(node)):
                yield name


def test_the_tables_are_complete() -> None:
    """All that is asked of torch.cuda, of its settings and of NVML, by name."""
    names = set(names_in_the_product())
    begins = {"torch.cuda.": set(CUDA), "torch.backends.": FLAGS | {"cpu.get_cpu_capability"}}
    for begin, known in begins.items():
        found = {name.removeprefix(begin) for name in names if name.startswith(begin)}
        assert {name for name in found if not any(n.startswith(f"{name}.") for n in found)} == known
    found = {part for name in names if (part := name.split(".")[-1]).lower().startswith("nvml")}
    assert found == NVML
    assert all(hasattr(pynvml, name) for name in NVML)


ON_THE_CPU = """
import json, sys, torch
from search.study.messages import Completed, Task
from search.workers.train_task import train_task
from tests.trainers.cuda.fake_card import FakeCard, insert
from tests.trainers.cuda.fake_tensors import Names
from trainers.cuda.graphed_steps import CudaGraph

insert(FakeCard(), lambda owner, name, value, raising=True: setattr(owner, name, value))
CudaGraph().capture(lambda: None)
with Names(torch.device("cpu")):
    *_, ending = train_task(Task(**json.loads(sys.argv[1])), gpus=0.5)
assert isinstance(ending, Completed), ending
print([name for name in sys.modules if name in ("torch._dynamo", "torch._inductor")])
"""


@pytest.mark.parametrize("deterministic", [False, True])
def test_no_process_on_a_gpu_imports_torchs_compiler(
    digits_folder: Path,
    tiny_config,
    tmp_path: Path,
    deterministic: bool,
) -> None:
    """It takes as long as torch itself. Here the steps of the trial compute on the CPU."""
    config = tiny_config(batch_size=8, optimizer="sam", **EVERYTHING).to_dict()
    execution = Execution("cuda", deterministic=deterministic).to_dict()
    folders = {"data_folder": str(digits_folder), "folder": str(tmp_path)}
    task = json.dumps({"number": 3, "config": config, "execution": execution, **folders})
    command = [sys.executable, "-c", ON_THE_CPU, task]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
