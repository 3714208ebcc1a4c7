"""GPUs that are not there: what torch asks of CUDA, and pynvml of NVML's library.

All Python above that lowest level runs as in production, torch's own included, with the arguments
that production passes. What C code would refuse is refused here: a device that is no index. The
names of the functions that were asked are kept in ``calls``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

Set = Callable[..., None]  # as ``MonkeyPatch.setattr``
MIB = 2**20


@dataclass
class FakeCard:
    """``count`` cards alike. Sizes in bytes; ``share`` is what torch was limited to."""

    count: int = 1
    capability: tuple[int, int] = (9, 0)
    total: int = 80 * 2**30
    free: int = 70 * 2**30
    reserved: int = 300 * MIB
    peak_reserved: int = 300 * MIB
    allocated: int = 100 * MIB
    peak_allocated: int = 100 * MIB
    share: float = 1.0
    lacking: tuple[str, ...] = ()  # functions of NVML's that this card has not
    unknown_uuids: tuple[str, ...] = ()  # how those begin that NVML does not know
    current: int = 0
    on_use: Callable[[], None] | None = None  # called whenever CUDA's runtime is
    calls: Counter[str] = field(default_factory=Counter)
    said: list[str] = field(default_factory=list)  # what streams, events and graphs were told

    def of_cuda(self) -> dict[str, Callable[..., Any]]:
        """Functions of ``torch._C`` by name."""
        return {
            "_cuda_init": self._begin,
            "_cuda_isInBadFork": lambda: False,
            "_cuda_getDeviceCount": lambda: self.count,
            "_cuda_getDevice": lambda: self.current,
            "_cuda_setDevice": self._set_device,
            "_cuda_synchronize": lambda: None,
            "_cuda_emptyCache": self._empty_cache,
            "_cuda_clearCublasWorkspaces": lambda: self.said.append("workspaces cleared"),
            "_host_emptyCache": lambda: None,
            "_cuda_getArchFlags": lambda: "sm_80 sm_90 compute_90",
            "_cuda_memoryStats": self._memory_stats,
            "_cuda_resetPeakMemoryStats": self._reset_peak,
            "_cuda_getMemoryFraction": lambda index: self.share if self.is_card(index) else None,
            "_cuda_setMemoryFraction": self._set_share,
            "_cuda_getCurrentStream": lambda index: (self._stream, index, 1),
            "_cuda_setStream": self._set_stream,
        }

    _stream = 0

    def is_card(self, index: object) -> bool:
        """As C code has it: anything but a number of a card raises."""
        if type(index) is not int or not 0 <= index < self.count:
            raise TypeError(f"invalid argument to a function of CUDA: {index!r}")
        return True

    def _begin(self) -> None:
        import torch

        if self.on_use:
            self.on_use()
        torch.cuda.default_generators = tuple(torch.Generator() for _ in range(self.count))

    def _set_device(self, index: int) -> None:
        if self.is_card(index):
            self.current = index

    def exchange_device(self, index: int) -> int:
        before, self.current = self.current, index if index >= 0 else self.current
        return before

    def _set_share(self, share: float, index: int) -> None:
        if self.is_card(index):
            self.share = share

    def _set_stream(self, stream_id: int, device_index: int, device_type: int) -> None:
        self._stream = stream_id
        self.said.append(f"on stream {stream_id}")

    def _memory_stats(self, index: int) -> dict[str, Any]:
        self.is_card(index)
        allocated = {"current": self.allocated, "peak": self.peak_allocated}
        reserved = {"current": self.reserved, "peak": self.peak_reserved}
        return {"allocated_bytes": {"all": allocated}, "reserved_bytes": {"all": reserved}}

    def _reset_peak(self, index: int) -> None:
        self.is_card(index)
        self.peak_reserved, self.peak_allocated = self.reserved, self.allocated
        self.said.append("peak reset")

    def _empty_cache(self) -> None:
        self.said.append("cache emptied")

    def memory_info(self, index: int) -> tuple[int, int]:
        self.is_card(index)
        if self.on_use:
            self.on_use()
        return self.free, self.total

    def properties(self, index: int) -> SimpleNamespace:
        self.is_card(index)
        major, minor = self.capability
        known = {"name": "Fake H200", "total_memory": self.total, "uuid": f"0-{index}"}
        return SimpleNamespace(major=major, minor=minor, **known)

    def counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            self.calls[name] += 1
            return function(*arguments, **keywords)

        return call


def insert(card: FakeCard, set_: Set) -> None:
    """Puts ``card`` into this process; ``set_`` undoes it at its end, where that is wanted."""
    import pynvml

    insert_torch(card, set_)
    insert_nvml(card, set_, pynvml)


def insert_nvml(card: FakeCard, set_: Set, pynvml: Any) -> None:
    set_(pynvml, "nvmlLib", FakeNvml(card))
    set_(pynvml, "_nvmlGetFunctionPointer_cache", {})


def insert_torch(card: FakeCard, set_: Set) -> None:
    import torch

    for name, function in card.of_cuda().items():
        set_(torch._C, name, card.counted(name, function), raising=False)
    info = card.counted("cudaMemGetInfo", card.memory_info)
    parts = {
        "_initialized": False,
        "_cached_device_count": None,
        "_cudart": SimpleNamespace(cudaMemGetInfo=info),
        "_get_device_properties": card.properties,
        "_exchange_device": card.exchange_device,
        "_maybe_exchange_device": card.exchange_device,
        "_is_compiled": lambda: True,
        "_is_in_bad_fork": lambda: False,
        "default_generators": (),
        **classes(card),
    }
    for name, part in parts.items():
        set_(torch.cuda, name, part, raising=False)
    for module, name in ((torch.cuda.graphs, "CUDAGraph"), (torch.cuda.streams, "Event")):
        set_(module, name, parts[name])
    set_(torch.version, "cuda", "13.0")


def classes(card: FakeCard) -> dict[str, type]:
    """Those of ``torch.cuda`` whose every method is C code, with the arguments that it takes."""
    import torch

    class Event:
        def __init__(self, enable_timing: bool = False, blocking: bool = False):
            self.recorded = 0

        def record(self, stream: Stream | None = None) -> None:
            self.recorded += 1
            card.said.append("event recorded")

        def synchronize(self) -> None:
            assert self.recorded
            card.said.append("waited")

    class Stream:
        made = 0
        device = torch.device("cuda", 0)

        def __init__(
            self,
            device: None = None,
            priority: int = 0,
            stream_id: int | None = None,
            device_index: int = 0,
            device_type: int = 1,
        ):
            if stream_id is None:
                Stream.made += 1
            self.stream_id = Stream.made if stream_id is None else stream_id
            self.device_index, self.device_type = device_index, device_type

        def wait_stream(self, stream: Stream) -> None:
            card.said.append(f"stream {self.stream_id} waits for {stream.stream_id}")

    class CUDAGraph:
        def __init__(self, keep_graph: bool = False):
            self._captured = False

        def capture_begin(
            self,
            pool: None = None,
            capture_error_mode: str = "global",
            check_input_liveness: bool = False,
        ) -> None:
            assert capture_error_mode in ("global", "thread_local", "relaxed")
            card.said.append(f"capture on {card._stream}")

        def capture_end(self) -> None:
            self._captured = True
            card.said.append("captured")

        def replay(self) -> None:
            assert self._captured
            card.said.append("replay")

    return {"Event": Event, "Stream": Stream, "CUDAGraph": CUDAGraph}


class FakeNvml:
    """NVML's library, as ``ctypes`` loads it: functions that fill what they are given a pointer to,
    and return 0, or 3 where the card does not give it."""

    def __init__(self, card: FakeCard):
        self._card = card

    def __getattr__(self, name: str) -> Callable[..., int]:
        function = getattr(type(self), f"_{name}", None)
        if function is None:
            raise AttributeError(name)

        def call(*arguments: Any) -> int:
            self._card.calls[name] += 1
            return 3 if name in self._card.lacking else int(function(self, *arguments) or 0)

        return call

    def _nvmlInitWithFlags(self, flags: int) -> None:  # noqa: N802
        pass

    def _nvmlShutdown(self) -> None:  # noqa: N802
        self._card.said.append("NVML shut down")

    def _nvmlErrorString(self, code: int) -> bytes:  # noqa: N802
        return b"Not Supported"

    def _nvmlDeviceGetCount_v2(self, count: Any) -> None:  # noqa: N802
        count._obj.value = self._card.count

    def _nvmlSystemGetDriverVersion(self, text: Any, size: Any) -> None:  # noqa: N802
        text.value = b"580.1"

    def _nvmlDeviceGetHandleByIndex_v2(self, index: Any, handle: Any) -> None:  # noqa: N802
        self._card.said.append(f"NVML card {index.value}")

    def _nvmlDeviceGetHandleByUUID(self, uuid: Any, handle: Any) -> int:  # noqa: N802
        name = uuid.value.decode()
        if name.startswith(self._card.unknown_uuids):
            return 6  # not found
        self._card.said.append(f"NVML card {name}")
        return 0

    def _nvmlDeviceGetName(self, handle: Any, text: Any, size: Any) -> None:  # noqa: N802
        text.value = b"Fake H200"

    def _nvmlDeviceGetCudaComputeCapability(self, handle: Any, major: Any, minor: Any) -> None:  # noqa: N802
        major._obj.value, minor._obj.value = self._card.capability

    def _nvmlDeviceGetUtilizationRates(self, handle: Any, rates: Any) -> None:  # noqa: N802
        rates._obj.gpu = 90

    def _nvmlDeviceGetMemoryInfo(self, handle: Any, memory: Any) -> None:  # noqa: N802
        memory._obj.used = 2048 * MIB

    def _nvmlDeviceGetPowerUsage(self, handle: Any, power: Any) -> None:  # noqa: N802
        power._obj.value = 70_000

    def _nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, energy: Any) -> None:  # noqa: N802
        asked = self._card.calls["nvmlDeviceGetTotalEnergyConsumption"]
        energy._obj.value = 5_000_000 if asked == 1 else 9_000_000
