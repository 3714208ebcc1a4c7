"""The two private functions of torch that are used, for want of public ones."""

from __future__ import annotations

import torch


def set_deterministic(exact: bool) -> None:
    """Do what ``torch.use_deterministic_algorithms`` does without its import of torch's compiler,
    which takes a process about as long as torch itself."""
    torch._C._set_deterministic_algorithms(exact, warn_only=False)


def clear_cublas_workspaces() -> None:
    """Frees what cuBLAS computes in. It keeps up to 32 MiB for every stream that it was used on,
    and each graph is captured on one of its own."""
    torch._C._cuda_clearCublasWorkspaces()
