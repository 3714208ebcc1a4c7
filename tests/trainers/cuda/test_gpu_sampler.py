"""What a trial costs on a GPU: the figures of NVML, over all of its processes and cards."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
import torch

from tests.trainers.cuda.fake_card import FakeCard
from trainers.cuda.nvml import ask_nvml
from trainers.resource_monitor import ResourceMonitor

Watch = Callable[..., dict[str, float]]
CPU_FIGURES = {"cpu_seconds", "wall_seconds", "cpu_utilization", "peak_memory_mb"}
GPU_FIGURES = {
    "gpu_utilization": 90.0,
    "gpu_peak_memory_mb": 2048.0,
    "gpu_power_w": 70.0,
    "gpu_energy_kj": 4.0,
}
NO_NVML = ("nvmlInitWithFlags",)


@pytest.fixture
def watch(card: FakeCard, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Runs a monitor until it has sampled once; gives the usage that is NVML's."""

    def run(
        lacking: tuple[str, ...] = (),
        earlier: dict[str, float] | None = None,
        visible: str | None = None,
        others: tuple[int, ...] = (),
    ) -> dict[str, float]:
        card.lacking = lacking
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        monitor = ResourceMonitor("cuda", earlier, others)
        monitor.start()
        monitor.stop()
        usage = monitor.usage()
        assert usage.keys() >= CPU_FIGURES
        return {
            name: value
            for name, value in usage.items()
            if name.startswith("gpu_") and name != "gpu_own_peak_memory_mb"
        }

    return run


def test_figures_of_a_gpu_are_nvmls(watch: Watch, card: FakeCard) -> None:
    assert watch() == GPU_FIGURES
    assert card.said[-1] == "NVML shut down"


@pytest.mark.parametrize(
    ("missing", "figure"),
    [
        ("nvmlDeviceGetUtilizationRates", "gpu_utilization"),
        ("nvmlDeviceGetMemoryInfo", "gpu_peak_memory_mb"),
        ("nvmlDeviceGetPowerUsage", "gpu_power_w"),
        ("nvmlDeviceGetTotalEnergyConsumption", "gpu_energy_kj"),
    ],
)
def test_a_figure_that_the_card_does_not_give_leaves_the_others(
    watch: Watch, missing: str, figure: str
) -> None:
    expected = {name: value for name, value in GPU_FIGURES.items() if name != figure}
    assert watch((missing,)) == expected


def test_without_nvml_the_figures_are_missing_and_nothing_else(watch: Watch) -> None:
    assert watch(NO_NVML) == {}
    assert watch(NO_NVML, {"wall_seconds": 9.0, **GPU_FIGURES}) == GPU_FIGURES
    assert ask_nvml(lambda pynvml: pynvml.nvmlDeviceGetCount(), -1) == -1


@pytest.mark.parametrize(
    ("visible", "known"), [(None, 0), ("", 0), ("2", 2), ("3,1", 3), ("GPU-ab12", "GPU-ab12")]
)
def test_watches_the_first_visible_card(watch: Watch, card: FakeCard, visible, known) -> None:
    """Where torch reaches none, and so does not tell which one it is."""
    card.count = 0
    watch(visible=visible)
    assert card.said == [f"NVML card {known}", "NVML shut down"]


@pytest.mark.parametrize(
    ("unknown", "known"),
    [((), "GPU-0-0"), (("GPU",), "MIG-0-0"), (("GPU", "MIG"), 1)],
)
def test_watches_the_card_that_torch_computes_on(
    watch: Watch, card: FakeCard, unknown, known
) -> None:
    """By UUID, a part of a card (MIG) by its own; what is visible counts only without one."""
    card.unknown_uuids = unknown
    watch(visible="1,0")
    assert f"NVML card {known}" in card.said


def test_all_cards_of_a_data_parallel_trial_are_watched(watch: Watch, card: FakeCard) -> None:
    """Two cards: memory, power and energy are their sums, utilisation their mean."""
    card.count = 2
    usage = watch(others=(os.getpid(),))
    assert {"NVML card GPU-0-0", "NVML card GPU-0-1"} <= set(card.said)
    assert usage["gpu_utilization"] == 90
    assert usage["gpu_peak_memory_mb"] == 2 * 2048
    assert usage["gpu_power_w"] == 2 * 70


def test_gpu_figures_of_a_killed_process_are_counted_in(watch: Watch) -> None:
    """Means by the time they stand for, peaks by the higher, energies together."""
    earlier = {
        "wall_seconds": 1e9,
        "gpu_utilization": 50.0,
        "gpu_peak_memory_mb": 9000.0,
        "gpu_power_w": 30.0,
        "gpu_energy_kj": 20.0,
    }
    both = {"gpu_peak_memory_mb": 9000.0, "gpu_energy_kj": 24.0}
    found = watch(earlier=earlier)
    assert found == pytest.approx({"gpu_utilization": 50.0, "gpu_power_w": 30.0, **both})


def test_a_trials_own_memory_is_what_torch_reserved_since_it_began(
    card: FakeCard,
) -> None:
    """Beside the card's; a warm worker's trial before it does not count."""
    torch.cuda.init()
    card.peak_reserved = 900 * 2**20
    monitor = ResourceMonitor("cuda")
    monitor.start()
    monitor.stop()
    assert monitor.usage()["gpu_own_peak_memory_mb"] == 300
