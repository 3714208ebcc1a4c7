"""A GPU's memory: a process's share of it, what fits there, and giving it back."""

from __future__ import annotations

import gc
import os

import torch

from trainers.cuda.torch_internals import clear_cublas_workspaces

ALLOCATOR = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")  # a user's own settings win
CONTEXT = 600 * 2**20  # bytes, about: what CUDA takes of a GPU for each process, beside torch
SHARE_FOR_IMAGES = 0.5  # of what a GPU has free


def limit_memory(share: float) -> None:
    """Limits this process to its ``share`` of the memory of its GPU, CUDA's own part of it
    included: beyond that it is out of memory itself, and not whoever is beside it.

    Of a small share half is left for torch, in segments that grow: pieces of others that are too
    small for anything would count too. Those are chosen before torch first uses the GPU, or not at
    all.
    """
    if not any(name in os.environ for name in ALLOCATOR):
        os.environ[ALLOCATOR[0]] = "expandable_segments:True"
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(max(share / 2, share - CONTEXT / total))


def images_fit(size: int, device: torch.device) -> bool:
    """Return whether images of ``size`` bytes may stay on ``device`` beside what a training needs
    there. The CPU's are mapped, and need not fit."""
    if device.type != "cuda":
        return True
    free, total = torch.cuda.mem_get_info(device)
    share = torch.cuda.get_per_process_memory_fraction(device.index)  # None: the current card
    return size <= SHARE_FOR_IMAGES * min(free, share * total)


def obtainable() -> int:
    """Return the bytes of the current card that this process has or may still take."""
    free, total = torch.cuda.mem_get_info()
    share = torch.cuda.get_per_process_memory_fraction()
    return int(min(share * total, free + torch.cuda.memory_reserved()))


def give_memory_back() -> None:
    """Frees, for other processes, what no tensor uses. A graph must be gone by then, and so must
    any handler whose traceback holds tensors."""
    if torch.cuda.is_initialized():
        gc.collect()
        clear_cublas_workspaces()
        torch.cuda.empty_cache()
