"""The data on a node: mapped where the driver has them, else brought once."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.workers.node_data import NodeData, find_data
from trainers.data import DataError, prepare, read_meta
from trainers.data.prepare import locked

REPOSITORY = Path(__file__).resolve().parents[3]
FILES = ("meta.json", *(f"{s}_{w}.npy" for s in ("train", "test") for w in ("images", "labels")))


class DriversDisk:
    """The driver's folder, as its machine reads it out, and what was read."""

    def __init__(self, folder: Path):
        self.folder, self.reads = folder, Counter[str]()

    def __call__(self, name: str, offset: int) -> bytes:
        self.reads[name] += offset == 0
        return (self.folder / name).read_bytes()[offset : offset + 5000]


@pytest.fixture
def disk(tiny_npz: Path, tmp_path: Path) -> DriversDisk:
    return DriversDisk(prepare(tiny_npz, tmp_path / "driver"))


def nothing() -> None:
    pass


def contents(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in FILES]


def test_what_the_node_sees_is_mapped_where_it_is(disk: DriversDisk, tmp_path: Path) -> None:
    wanted = read_meta(disk.folder).fingerprint
    assert find_data(disk.folder, wanted, tmp_path / "node", disk, nothing) == disk.folder
    assert not disk.reads
    assert not (tmp_path / "node").exists()


def test_what_the_driver_alone_has_is_brought_once(disk: DriversDisk, tmp_path: Path) -> None:
    wanted = read_meta(disk.folder).fingerprint
    for _ in range(2):
        found = find_data(Path("/not here"), wanted, tmp_path / "node", disk, nothing)
        assert found.parent == tmp_path / "node"
        assert wanted in found.name
        assert contents(found) == contents(disk.folder)
    assert disk.reads == dict.fromkeys(FILES, 1)


def test_another_data_set_under_the_same_path_is_not_taken(
    disk: DriversDisk, tiny_arrays: dict[str, Any], tmp_path: Path
) -> None:
    wanted = read_meta(disk.folder).fingerprint
    np.savez(tmp_path / "other.npz", **{**tiny_arrays, "test_labels": np.array([0, 0, 0])})
    other = prepare(tmp_path / "other.npz", tmp_path / "there")
    found = find_data(other, wanted, tmp_path / "node", disk, nothing)
    assert contents(found) == contents(disk.folder)


@pytest.mark.parametrize("where", ["as it was given", "in the node's cache"])
def test_damaged_data_are_brought_again(where: str, disk: DriversDisk, tmp_path: Path) -> None:
    wanted = read_meta(disk.folder).fingerprint
    whole = contents(disk.folder)
    found = find_data(Path("/not here"), wanted, tmp_path / "node", disk, nothing)
    given = Path("/not here")
    if where == "as it was given":
        given = found.rename(tmp_path / "given")
        found = given
    file = found / "train_images.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")
    again = find_data(given, wanted, tmp_path / "node", disk, nothing)
    assert contents(again) == whole


def test_data_that_changed_meanwhile_are_refused(disk: DriversDisk, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"/not here was changed on the driver's machine"):
        find_data(Path("/not here"), "another", tmp_path / "node", disk, nothing)
    assert not list((tmp_path / "node").glob("content-*/"))


def test_a_fetch_that_is_killed_leaves_nothing_that_is_taken_for_the_data(
    disk: DriversDisk, tmp_path: Path
) -> None:
    code = (
        "import os, sys; from pathlib import Path; from search.workers.node_data import find_data\n"
        "def read(name, offset):\n"
        "    content = (Path(sys.argv[1]) / name).read_bytes()[offset : offset + 9]\n"
        "    name != 'test_images.npy' or offset == 0 or os.kill(os.getpid(), 9)\n"
        "    return content\n"
        "find_data(Path('/not here'), sys.argv[2], Path(sys.argv[3]), read, lambda: None)"
    )
    wanted, node = read_meta(disk.folder).fingerprint, tmp_path / "node"
    command = [sys.executable, "-c", code, str(disk.folder), wanted, str(node)]
    killed = subprocess.run(command, cwd=REPOSITORY, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert not list(node.glob("content-*/"))
    found = find_data(Path("/not here"), wanted, node, disk, nothing)
    assert contents(found) == contents(disk.folder)


def test_who_comes_second_waits_says_so_and_reads_nothing(
    disk: DriversDisk, tmp_path: Path
) -> None:
    """The first one is at it, here by way of its lock, until the second has waited twice."""
    wanted, node = read_meta(disk.folder).fingerprint, tmp_path / "node"
    node.mkdir()
    first, beats = locked(node / f"content-{wanted}.lock"), []
    first.__enter__()

    def beat() -> None:
        beats.append(1)
        if len(beats) == 2:
            disk.folder.rename(node / f"content-{wanted}")
            first.__exit__(None, None, None)

    assert find_data(Path("/not here"), wanted, node, disk, beat) == node / f"content-{wanted}"
    assert len(beats) == 2
    assert not disk.reads


def test_a_training_function_of_the_users_own_has_its_own_data() -> None:
    assert NodeData("no node").folder("anywhere", "", nothing) == Path("anywhere")
