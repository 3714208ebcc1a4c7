"""What an exception in a trial was about: memory, the machine or the trial's own code; and whether
the GPU still answers."""

from __future__ import annotations

import gc
import re
import tempfile
from errno import EDQUOT, EMFILE, ENOMEM, ENOSPC
from pathlib import Path

from search.common.errors import one_line

MOST_CHARACTERS = 1000  # of a reason; a traceback has all of it

# CUDA's, cuDNN's, cuBLAS's and the host's words for it; torch raises RuntimeErrors for most.
_NO_MEMORY = re.compile(
    r"out of memory|STATUS_ALLOC_FAILED|DefaultCPUAllocator|cannot allocate memory|bad_alloc",
    re.IGNORECASE,
)
_DEVICE = re.compile(r"CUDA|CUDNN|CUBLAS|NCCL", re.IGNORECASE)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether too little memory, of the host or of a GPU, was the cause."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == ENOMEM
    return isinstance(error, RuntimeError) and bool(_NO_MEMORY.search(str(error)))


def is_of_device(error: BaseException) -> bool:
    """Return whether it is the GPU's memory that ran out, not the host's."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or bool(_DEVICE.search(str(error)))


class SyncError(OSError):
    """A trial's folder could not be fetched from its URL, or sent there."""


def is_of_machine(error: BaseException, folder: Path) -> bool:
    """Return whether the next trial would meet ``error`` too: the disk is full, or ``folder``, the
    trial's own, cannot be written or sent. Any other ``OSError``, such as a file that a user's
    function misses or a server that it cannot reach, is a failure of the trial."""
    if isinstance(error, SyncError):
        return True
    if not isinstance(error, OSError):
        return False
    return error.errno in (ENOSPC, EDQUOT) or not _is_writable(folder)


def _is_writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError as error:
        return error.errno == EMFILE  # of files that the trial left open


def first_line(error: BaseException) -> str:
    """Return what ``error`` says, of bounded length and never empty."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # an exception class of a user's whose text cannot be made
        lines = []
    return printable(one_line(lines[0]))[:MOST_CHARACTERS] if lines else type(error).__name__


def printable(text: str) -> str:
    """Return ``text`` as UTF-8 can encode it: file names may hold other bytes."""
    return text.encode(errors="backslashreplace").decode()


def set_aside() -> None:
    """Exclude what this process holds now from the collection after a trial: to look through all
    that was imported would take most of a second, in which the next trial waits."""
    gc.freeze()


def give_memory_back() -> None:
    """Free the GPU's memory for the next trial and for other workers. To be called once nothing
    refers to the trial any more: outside of any handler, whose traceback would hold its tensors."""
    from trainers.cuda import memory

    if device_answers():
        memory.give_memory_back()


def device_answers() -> bool:
    """Return whether the GPU of this process still computes. After an illegal access or a failed
    assert it never does again; True where no GPU is used."""
    import torch

    if not torch.cuda.is_initialized():
        return True
    try:
        torch.ones(1, device="cuda").add_(1)
        torch.cuda.synchronize()
    except RuntimeError as error:
        return is_out_of_memory(error)  # full, but it answers
    return True
