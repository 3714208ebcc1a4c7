"""How a GPU rounds, whether it repeats itself, and which of cuDNN's kernels it takes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from trainers.cuda.torch_internals import set_deterministic
from trainers.execution import Execution


def compute_as(execution: Execution) -> None:
    """Sets torch to ``execution``'s precision and determinism in this process; on the CPU, where
    neither depends on settings, nothing.

    TF32 only where it is asked for: cuDNN would use it for float32. Deterministic kernels need
    cuBLAS to have its workspace fixed before its first use. Memory is not filled for them: nothing
    here reads what it has not written.
    """
    if execution.device == "cpu":
        return
    tf32, exact = execution.precision == "tf32", execution.deterministic
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    if exact:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    set_deterministic(exact)
    torch.backends.cudnn.deterministic = exact
    torch.backends.cudnn.benchmark = False  # see ``kernels_by_timing``


@contextmanager
def kernels_by_timing(execution: Execution) -> Iterator[None]:
    """Return a context manager within which cuDNN times all kernels for a shape that it has not
    seen, which takes some tenths of a second, and takes the fastest. This pays for shapes that come
    back hundreds of times, as those of whole training batches do. Nothing changes on the CPU and
    where kernels are deterministic."""
    times = execution.device == "cuda" and not execution.deterministic
    if times:
        torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        if times:
            torch.backends.cudnn.benchmark = False
