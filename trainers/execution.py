"""What changes speed and rounding but not what is trained: device, precision, threads."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from trainers.validators import Choice, ConfigError, Flag, Integer

DEVICES = ("cpu", "cuda")
PRECISIONS = ("float32", "tf32", "bfloat16")  # tf32: float32 whose products have ten bits
NEW_GPU = (8, 0)  # compute capability from which GPUs compute tf32 and bfloat16


@dataclass(frozen=True)
class Execution:
    """How a trial is computed. Recorded with the study: on the CPU, the curve is the same bit
    for bit for a given number of threads, precision and memory layout, so a resumed trial must
    use what it started with.

    ``processes`` > 1 trains data-parallel, each process on its share of every batch.
    ``deterministic``: bit for bit on a GPU too, by slower kernels; the CPU always is.
    ``graph``: a GPU is given each step that can be captured as one graph, not kernel by kernel.
    The kernels are the same, so unlike the others it changes no number; the CPU has no graphs.
    """

    device: str = "cpu"
    precision: str = "float32"
    channels_last: bool = True
    threads: int = 1
    processes: int = 1
    deterministic: bool = False
    graph: bool = False

    def __post_init__(self) -> None:
        Choice(DEVICES).check("device", self.device)
        Choice(PRECISIONS).check("precision", self.precision)
        if self.precision == "tf32" and self.device == "cpu":
            raise ConfigError("precision tf32 needs a GPU; on the CPU choose float32 or bfloat16")
        for name in ("channels_last", "deterministic", "graph"):
            Flag().check(name, getattr(self, name))
        for name in ("threads", "processes"):
            object.__setattr__(self, name, Integer(1).check(name, getattr(self, name)))

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> Execution:
        try:
            return cls(**values)
        except TypeError as error:
            raise ConfigError(f"not an execution: {values!r} ({error})") from error

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
