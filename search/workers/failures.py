"""What an exception in a trial was about: memory or not, and whether the GPU still answers."""

from __future__ import annotations

import gc
import re
from errno import ENOMEM

from search.common.errors import one_line

# CUDA's, cuDNN's, cuBLAS's and the host's words for it; torch raises RuntimeErrors for most.
_NO_MEMORY = re.compile(
    r"out of memory|STATUS_ALLOC_FAILED|DefaultCPUAllocator|cannot allocate memory|bad_alloc",
    re.IGNORECASE,
)
_DEVICE = re.compile(r"CUDA|CUDNN|CUBLAS|NCCL", re.IGNORECASE)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether too little memory, of the host or of a GPU, was the cause."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == ENOMEM
    return isinstance(error, RuntimeError) and bool(_NO_MEMORY.search(str(error)))


def is_of_device(error: BaseException) -> bool:
    """Whether it is the GPU's memory that ran out, not the host's."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or bool(_DEVICE.search(str(error)))


def first_line(error: BaseException) -> str:
    """What it says, never empty."""
    lines = str(error).strip().splitlines()
    return one_line(lines[0]) if lines else type(error).__name__


def set_aside() -> None:
    """What this process holds before a trial is not looked through when the trial's memory is given
    back: all that was imported would take most of a second, in which the next trial waits."""
    gc.freeze()


def give_memory_back() -> None:
    """The GPU's, for the next trial and for those of other workers. To be called once nothing
    refers to the trial any more: outside of any handler, whose traceback would hold its tensors."""
    import torch

    if torch.cuda.is_initialized() and device_answers():
        gc.collect()
        torch.cuda.empty_cache()


def device_answers() -> bool:
    """Whether the GPU of this process still computes. After an illegal access or a failed assert
    it never does again; True where no GPU is used."""
    import torch

    if not torch.cuda.is_initialized():
        return True
    try:
        torch.ones(1, device="cuda").add_(1)
        torch.cuda.synchronize()
    except RuntimeError as error:
        return is_out_of_memory(error)  # full, but it answers
    return True
