"""What a training function keeps from epoch to epoch and did not hand over.

Looked at between two epochs: its local variables that the loop reads before it sets them, and its
module's, as far as they hold numbers, texts, tensors or something that has a state.
"""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType, FunctionType, GeneratorType, ModuleType
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from trainers.custom.run import Run
from trainers.custom.state import flattened, keep

_PLAIN = (type(None), bool, int, float, str, list, tuple, dict, set, torch.Tensor)
_NO_STATE = (type, ModuleType, FunctionType, Run, Dataset, DataLoader)  # or one of a library's own


@dataclass(frozen=True)
class Seen:
    """One variable: its ``state`` as numbers and texts, and whether it is to be named ``anyway``,
    or only where its state has changed when the next epoch is over, as an early stopper's has."""

    state: Mapping[str, Any]
    anyway: bool


def seen(at_work: GeneratorType[Any, None, Any], handed: Mapping[str, Any]) -> dict[str, Seen]:
    """Return by name those variables of a generator that stands between two epochs."""
    known = {id(value) for value in handed.values()} | _tensors(handed.values())
    found: dict[str, Seen] = {}
    generator: Any = at_work
    while isinstance(generator, GeneratorType) and generator.gi_frame is not None:
        frame = generator.gi_frame
        read_first, assigned = carried(frame.f_code.co_filename, frame.f_lineno)
        for name, value in frame.f_locals.items():
            if name in read_first or (name not in assigned and _has_state(value)):
                found |= _one(name, value, known, name in assigned)
        found |= _of_module(frame, known)
        generator = generator.gi_yieldfrom  # what it delegates to
    for name, value in handed.items():
        if isinstance(value, torch.nn.Module):
            found |= _attributes(name, value)
    return found


def forgotten(first: Mapping[str, Seen], second: Mapping[str, Seen]) -> list[str]:
    """Return the names of what must be handed over, after one epoch and after the next."""
    return [
        name
        for name, now in second.items()
        if now.anyway or (name in first and first[name].state != now.state)
    ]


def _of_module(frame: FrameType, known: set[int]) -> dict[str, Seen]:
    found: dict[str, Seen] = {}
    for name, value in frame.f_globals.items():
        if not name.startswith("__") and (isinstance(value, _PLAIN) or _has_state(value)):
            found |= _one(name, value, known, False)
    return found


def _one(name: str, value: Any, known: set[int], is_set: bool) -> dict[str, Seen]:
    if _is_known(value, known):
        return {}
    if isinstance(value, _PLAIN):
        return {name: Seen(flattened({name: value}), is_set)}
    if isinstance(value, Iterator) and not isinstance(value, io.IOBase):
        return {f"{name} ({type(value).__name__})": Seen({}, True)}
    if isinstance(value, _NO_STATE):
        return {}
    with suppress(Exception):  # an object's own protocol may raise anything
        state = flattened(keep({name: value}))
        anyway = bool(state) and _has_state(value) and not _is_frozen(value)
        return {f"{name} ({type(value).__name__})": Seen(state, anyway)}
    return {}


def _is_frozen(value: Any) -> bool:
    """Return whether ``value`` is a network that learns nothing, such as a teacher."""
    return isinstance(value, torch.nn.Module) and not any(
        parameter.requires_grad for parameter in value.parameters()
    )


def _is_known(value: Any, known: set[int]) -> bool:
    """Return whether ``value`` was handed over, or consists of weights that were."""
    if isinstance(value, torch.nn.Module):
        return id(value) in known or _tensors([value]) <= known
    if isinstance(value, (list, tuple)) and value:
        return id(value) in known or all(_is_known(part, known) for part in value)
    return id(value) in known or (isinstance(value, torch.Tensor) and -value.data_ptr() in known)


def _has_state(value: Any) -> bool:
    """Return whether ``value`` says itself that it has a state to be set."""
    if isinstance(value, (type, *_PLAIN)):
        return False
    names = ("load_state_dict", "set_state", "setstate", "bit_generator")
    return any(hasattr(value, name) for name in names)


def _attributes(name: str, module: torch.nn.Module) -> dict[str, Seen]:
    """Return the numbers that modules keep beside their state."""
    return {
        ".".join(filter(None, (name, path, key))): Seen({"": value}, False)
        for path, part in module.named_modules()
        for key, value in vars(part).items()
        if isinstance(value, (int, float)) and key != "training"
    }


def _tensors(values: Any) -> set[int]:
    """Return the places in memory of all weights and buffers below ``values``."""
    modules = [value for value in values if isinstance(value, torch.nn.Module)]
    return {-tensor.data_ptr() for module in modules for tensor in module.state_dict().values()}


@cache
def carried(file: str, line: int) -> tuple[set[str], set[str]]:
    """Return the names that the loop over the epochs around ``line`` of ``file`` reads before it
    sets them, and those that it sets. Empty where there is no such loop, or no source."""
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return set(), set()
    loops = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.For)
        and node.lineno <= line <= (node.end_lineno or line)
        and ".epochs(" in ast.unparse(node.iter)
    ]
    uses = _Uses()
    for loop in loops[:1]:
        uses.visit(loop.target)
        for statement in loop.body:
            uses.visit(statement)
    return uses.read_first, uses.assigned


class _Uses(ast.NodeVisitor):
    """Names in the order in which they are read and set; a branch may not be taken, a loop is."""

    def __init__(self) -> None:
        self.read_first: set[str] = set()
        self.assigned: set[str] = set()
        self._certain: set[str] = set()  # set whatever branch was taken

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.read_first |= {node.id} - self._certain
        else:
            self.assigned.add(node.id)
            self._certain.add(node.id)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._in_order(node.value, *node.targets)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._in_order(node.value, node.target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._in_order(node.value, node.target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.read_first |= {node.target.id} - self._certain
        self._in_order(node.value, node.target)

    def visit_For(self, node: ast.For) -> None:
        self._in_order(node.iter, node.target, *node.body, *node.orelse)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        before = set(self._certain)
        self._in_order(*node.body)
        after, self._certain = self._certain, set(before)
        self._in_order(*node.orelse)
        self._certain &= after

    def _comprehension(self, node: Any) -> None:
        before = set(self._certain)
        for part in node.generators:
            self._in_order(part.iter, part.target, *part.ifs)
        parts = ast.iter_child_nodes(node)
        self._in_order(*(part for part in parts if not isinstance(part, ast.comprehension)))
        self._certain = before  # its variables are its own

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            self._comprehension(node)
        else:
            super().visit(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        before = set(self._certain)
        self._certain |= {
            argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)
        }
        self.visit(node.body)
        self._certain = before

    def _in_order(self, *nodes: ast.AST) -> None:
        for node in nodes:
            self.visit(node)
