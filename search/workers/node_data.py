"""The prepared data on a node of a cluster: mapped from where the driver has them, if the node sees
that folder and finds the same contents in it; else brought, once, into the node's own cache.

What is brought comes in pieces through Ray's object store, read by a task on the driver's node.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from search.common.locations import default_data_dir
from trainers.data import DataError
from trainers.data.prepare import locked, making
from trainers.data.prepared import FILES, holds

PIECE = 16 * 2**20  # bytes; several workers' must find room in an object store
Read = Callable[[str, int], bytes]  # a piece of a file, from an offset on; empty at its end


class NodeData:
    """What a worker process knows of the data on its node. ``source`` is Ray's id of the node that
    the driver is on."""

    def __init__(self, source: str):
        self._source = source
        self._found: dict[tuple[str, str], Path] = {}

    def folder(self, given: str, fingerprint: str, beat: Callable[[], None]) -> Path:
        """Return where to map the data from that the driver has in ``given``; ``beat`` is called
        while they are waited for. Raises ``DataError`` and ``OSError``."""
        if not fingerprint:  # of a training function of the user's own
            return Path(given)
        key = (given, fingerprint)
        if key not in self._found:
            cache = Path(default_data_dir()).expanduser() / "cache"
            read = _read_on(self._source, given)
            self._found[key] = find_data(Path(given), fingerprint, cache, read, beat)
        return self._found[key]


def drivers_data() -> NodeData:
    """Return data that lie on the node that this process, the driver, is on."""
    import ray

    return NodeData(ray.get_runtime_context().get_node_id())


def find_data(
    given: Path, fingerprint: str, cache: Path, read: Read, beat: Callable[[], None]
) -> Path:
    """Return ``given`` if the data are there, else a folder of ``cache`` named by their contents,
    filled if need be by what ``read`` returns. Of several processes at once one fills it; one that
    is killed leaves nothing that is taken for the data."""
    if holds(given, fingerprint):
        return given
    own = cache / f"content-{fingerprint}"
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / f"{own.name}.lock", beat):
        if not holds(own, fingerprint):
            shutil.rmtree(own, ignore_errors=True)
            with making(own) as partial:
                _fill(partial, read, beat)
                if not holds(partial, fingerprint):
                    raise DataError(f"{given} was changed on the driver's machine; start again")
    return own


def _fill(folder: Path, read: Read, beat: Callable[[], None]) -> None:
    for name in FILES:
        with open(folder / name, "wb") as file:
            while piece := read(name, file.tell()):
                file.write(piece)
                beat()
            file.flush()
            os.fsync(file.fileno())


def run_on(node: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return Ray's reference to what ``function`` returns on the node of Ray's id ``node``; a
    ``RayError`` where there is no such node any more."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(num_cpus=0)(function).options(scheduling_strategy=there).remote(*arguments)


def _read_on(node: str, folder: str) -> Read:
    """Reads files of ``folder`` on the node of Ray's id ``node``."""
    import ray

    def read(name: str, offset: int) -> bytes:
        try:
            return ray.get(run_on(node, _piece, os.path.join(folder, name), offset))  # type: ignore[no-any-return]
        except ray.exceptions.RayError as error:
            raise OSError(f"the data cannot be had from the driver's machine: {error}") from None

    return read


def _piece(path: str, offset: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(PIECE)
