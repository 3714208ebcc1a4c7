"""Full and read-only disks, folders and checkpoints that are lost or torn, data that changed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driving import wait_for


def said(folder: Path) -> str:
    """The one line that a driver on ``folder`` stopped with."""
    text = folder.with_name(f"{folder.name}.stopped.txt").read_text()
    assert "\n" not in text
    return text


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A disk of its own, mounted or mounted again with the given options."""
    disk = tmp_path / "results"
    disk.mkdir()

    def mount(options: str) -> Path:
        what = ["-t", "tmpfs", "-o", options, "tmpfs"]
        if os.path.ismount(disk):
            what = ["-o", f"remount,{options}"]
        done = subprocess.run(["mount", *what, str(disk)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"only root can mount a small disk: {done.stderr.strip()}")
        return disk

    yield mount
    if os.path.ismount(disk):
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def finish(start: Any, folder: Path, work: str, *flags: str) -> int:
    process = start(folder, work, "", *flags)
    process.join()
    return process.exitcode


@pytest.mark.slow
@pytest.mark.parametrize("size", [600, 900, 1200, 2000])
def test_a_full_disk(
    start: Any, snapshot: Any, undisturbed: Any, small_disk: Any, size: int
) -> None:
    folder = small_disk(f"size={size}k")
    assert finish(start, folder, "trained") == 1
    assert "No space left" in said(folder) or "disk" in said(folder)
    small_disk("size=50m")
    assert finish(start, folder, "trained") == 0
    assert snapshot(folder) == undisturbed("trained")


@pytest.mark.slow
def test_a_read_only_disk(
    start: Any, run: Any, snapshot: Any, undisturbed: Any, small_disk: Any
) -> None:
    folder = small_disk("size=50m")
    assert run(folder, "invented", "epoch reported:5")
    small_disk("ro")
    assert finish(start, folder, "invented") == 1
    assert "read" in said(folder).lower()
    small_disk("rw")
    assert finish(start, folder, "invented") == 0
    assert snapshot(folder) == undisturbed("invented")


def test_a_results_folder_deleted_in_mid_run(start: Any, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    process = start(folder, "slow")
    wait_for(lambda: (folder / "tiny-quick" / "trials" / "00001").exists())
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    process.join()
    assert process.exitcode == 1
    assert said(folder)


def test_a_moved_results_folder_with_spaces_and_umlauts(
    run: Any, snapshot: Any, undisturbed: Any, tmp_path: Path
) -> None:
    before, after = tmp_path / "Ergebnisse für Größe %41 ü", tmp_path / "结果 2"
    assert run(before, "invented", "epoch reported:9")
    before.rename(after)
    run(after, "invented")
    assert snapshot(after) == undisturbed("invented")


def torn(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def foreign(file: Path) -> None:
    shutil.copy(file.parent.parent / "00000" / "best.pt", file)


@pytest.mark.slow
@pytest.mark.parametrize("files", [("checkpoint.pt",), ("checkpoint.pt", "checkpoint.previous.pt")])
@pytest.mark.parametrize("damage", [torn, flipped, empty, foreign])
def test_a_damaged_checkpoint(
    run: Any,
    snapshot: Any,
    undisturbed: Any,
    tmp_path: Path,
    files: tuple[str, ...],
    damage: Callable[[Path], None],
) -> None:
    """The one before it is used, else the trial starts again; the curve is the same."""
    folder = tmp_path / "results"
    assert run(folder, "trained", "epoch reported:5")  # the second of trial 1
    for name in files:
        damage(folder / "tiny-quick" / "trials" / "00001" / name)
    assert not run(folder, "trained")
    assert snapshot(folder) == undisturbed("trained")


@pytest.mark.slow
def test_lost_best_weights_are_trained_again(
    run: Any, snapshot: Any, undisturbed: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    assert run(folder, "trained", "epoch reported:6")
    (checkpoint,) = folder.rglob("checkpoint.pt")  # of the one trial that was at work
    checkpoint.with_name("best.pt").unlink()
    assert not run(folder, "trained")
    assert snapshot(folder) == undisturbed("trained")


def test_data_that_changed_are_refused(start: Any, tmp_path: Path) -> None:
    folder, file = tmp_path / "results", tmp_path / "own.npz"
    flags = ("--dataset", str(file), "--set", "batch_size=128")
    write_images(file, seed=0)
    assert finish(start, folder, "invented", *flags) == 0
    write_images(file, seed=1)
    assert finish(start, folder, "invented", *flags) == 1
    assert "was made for another dataset" in said(folder)


def write_images(file: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    np.savez(
        file,
        train_images=random.integers(0, 256, (600, 8, 8, 1), dtype=np.uint8),
        train_labels=np.arange(600) % 10,
        test_images=random.integers(0, 256, (50, 8, 8, 1), dtype=np.uint8),
        test_labels=np.arange(50) % 10,
    )


def test_damaged_prepared_data_are_refused(start: Any, tmp_path: Path) -> None:
    folder, file = tmp_path / "results", tmp_path / "own.npz"
    write_images(file, seed=0)
    flags = ("--dataset", str(file), "--set", "batch_size=128")
    flags = (*flags, "--data-dir", str(tmp_path / "data"))
    assert finish(start, folder, "invented", *flags) == 0
    (prepared,) = (tmp_path / "data" / "cache").glob("*/train_images.npy")
    flipped(prepared)
    assert finish(start, folder, "invented", *flags) == 1
    assert "was changed: its fingerprint" in said(folder)
