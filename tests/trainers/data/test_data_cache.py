"""Preparing once, and mapping from every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainers.data import DataError, ImageData, open_prepared, prepare, prepared, verify_prepared

REPOSITORY = Path(__file__).resolve().parents[3]
FILES = (
    "meta.json",
    "train_images.npy",
    "train_labels.npy",
    "test_images.npy",
    "test_labels.npy",
)


def test_gives_what_the_file_holds(
    tiny_npz: Path, tiny_arrays: dict[str, Any], tmp_path: Path
) -> None:
    data = open_prepared(prepare(tiny_npz, tmp_path))
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        np.testing.assert_array_equal(getattr(data, name).numpy(), tiny_arrays[name])
    assert data.name == "tiny"
    assert data.classes == ("ant", "bee", "cow")
    assert (data.num_classes, data.in_channels, data.image_size) == (3, 3, 4)
    assert data.train_images.dtype == torch.uint8
    assert data.train_labels.dtype == torch.int64


def test_statistics_are_of_the_training_pixels_scaled_to_one(
    tiny_npz: Path, tiny_arrays: dict[str, Any], tmp_path: Path
) -> None:
    data = open_prepared(prepare(tiny_npz, tmp_path))
    pixels = tiny_arrays["train_images"] / 255
    assert data.mean == pytest.approx(pixels.mean(axis=(0, 1, 2)), rel=1e-12)
    assert data.std == pytest.approx(pixels.std(axis=(0, 1, 2)), rel=1e-12)


def test_the_second_time_nothing_is_decoded(tiny_npz: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    first = prepare(tiny_npz, tmp_path, lambda done, total: calls.append((done, total)))
    assert calls[-1] == (9, 9)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    calls.clear()
    assert prepare(tiny_npz, tmp_path, lambda done, total: calls.append((done, total))) == first
    assert calls == []


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", ["missing", "empty", "short", "long", "noise"])
def test_a_damaged_cache_is_recognised_and_made_again(
    tiny_npz: Path, tmp_path: Path, file: str, damage: str
) -> None:
    folder = prepare(tiny_npz, tmp_path)
    whole = (folder / file).read_bytes()
    broken = {
        "missing": None,
        "empty": b"",
        "short": whole[:-5],
        "long": whole + b"x",
        "noise": b"\xff" * len(whole),
    }[damage]
    (folder / file).unlink()
    if broken is not None:
        (folder / file).write_bytes(broken)
    with pytest.raises(DataError, match="damaged") as caught:
        open_prepared(folder)
    assert file in str(caught.value)
    assert prepare(tiny_npz, tmp_path) == folder
    assert (folder / file).read_bytes() == whole


@pytest.mark.parametrize(
    "text",
    ["[]", "3", "null", "{}", '{"format": 99}', '{"classes": ["a"', '"meta"'],
)
def test_a_foreign_meta_file_is_recognised(tiny_npz: Path, tmp_path: Path, text: str) -> None:
    folder = prepare(tiny_npz, tmp_path)
    (folder / "meta.json").write_text(text)
    with pytest.raises(DataError, match=r"meta\.json is damaged"):
        open_prepared(folder)
    prepare(tiny_npz, tmp_path)
    verify_prepared(folder)


def test_only_verifying_reads_everything(tiny_npz: Path, tmp_path: Path) -> None:
    folder = prepare(tiny_npz, tmp_path)
    verify_prepared(folder)
    with open(folder / "train_images.npy", "r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    open_prepared(folder)
    with pytest.raises(DataError, match="fingerprint must be"):
        verify_prepared(folder)


def test_an_unchanged_data_set_is_not_read_again(
    tiny_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    hashed = prepared.fingerprint
    monkeypatch.setattr(prepared, "fingerprint", lambda *args: (reads.append(""), hashed(*args))[1])
    folder = prepare(tiny_npz, tmp_path)
    verify_prepared(folder)
    assert len(reads) == 1  # written just now: it might change again within the same time stamp
    monkeypatch.setattr("trainers.data.prepared.SETTLED", -60.0)
    for _ in range(3):
        verify_prepared(folder)
    assert len(reads) == 2
    content = (folder / "train_labels.npy").read_bytes()
    before = os.stat(folder / "train_labels.npy")
    (folder / "train_labels.npy").write_bytes(content[:-8] + b"\x01" + content[-7:])
    os.utime(folder / "train_labels.npy", ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(DataError, match="fingerprint must be"):
        verify_prepared(folder)
    assert len(reads) == 3


def test_a_changed_source_gets_another_folder(
    tiny_npz: Path, tiny_arrays: dict[str, Any], tmp_path: Path
) -> None:
    first = prepare(tiny_npz, tmp_path)
    before = open_prepared(first)
    tiny_arrays["train_labels"] = np.array([0, 1, 2, 0, 1, 1])
    np.savez(tiny_npz, **tiny_arrays)
    second = prepare(tiny_npz, tmp_path)
    assert second != first
    assert open_prepared(second).train_labels.tolist() == [0, 1, 2, 0, 1, 1]
    assert open_prepared(second).fingerprint != before.fingerprint
    verify_prepared(first)


def test_a_touched_or_moved_source_does_not(tiny_npz: Path, tmp_path: Path) -> None:
    first = prepare(tiny_npz, tmp_path)
    os.utime(tiny_npz, (1, 1))
    assert prepare(tiny_npz, tmp_path) == first
    (tmp_path / "elsewhere").mkdir()
    moved = tiny_npz.rename(tmp_path / "elsewhere" / tiny_npz.name)
    assert prepare(moved, tmp_path) == first


def test_the_fingerprint_knows_content_only(
    tiny_npz: Path, tiny_arrays: dict[str, Any], tmp_path: Path
) -> None:
    def fingerprint_of(name: str, **changed: Any) -> str:
        np.savez(tmp_path / name, **(tiny_arrays | changed))
        return open_prepared(prepare(tmp_path / name, tmp_path)).fingerprint

    original = open_prepared(prepare(tiny_npz, tmp_path)).fingerprint
    assert fingerprint_of("other.npz") == original
    assert len(original) == 64
    changed = {
        "classes": np.array(["ant", "bee", "dog"]),
        "test_labels": np.array([2, 1, 1]),
        "test_images": tiny_arrays["test_images"][::-1],
    }
    found = {fingerprint_of("changed.npz", **{key: value}) for key, value in changed.items()}
    assert len(found | {original}) == 4


def _mapped_from(data: ImageData) -> set[str]:
    """The files behind the memory that the tensors' bytes lie in."""
    found = set()
    for line in Path("/proc/self/maps").read_text().splitlines():
        low, high = (int(part, 16) for part in line.split()[0].split("-"))
        for tensor in (data.train_images, data.train_labels, data.test_images, data.test_labels):
            if low <= tensor.data_ptr() < high:
                found.add(line.split(maxsplit=5)[-1])
    return found


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc/self/maps")
def test_the_tensors_are_the_files_themselves(tiny_npz: Path, tmp_path: Path) -> None:
    folder = prepare(tiny_npz, tmp_path)
    data = open_prepared(folder)
    expected = {str(folder / file) for file in FILES if file.endswith(".npy")}
    assert _mapped_from(data) == expected


def test_nothing_written_to_a_tensor_reaches_the_file(tiny_npz: Path, tmp_path: Path) -> None:
    folder = prepare(tiny_npz, tmp_path)
    data = open_prepared(folder)
    data.train_images.zero_()
    del data
    verify_prepared(folder)
    assert open_prepared(folder).train_images.any()


def test_a_failure_or_interruption_leaves_nothing_behind(tiny_npz: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(tiny_npz, tmp_path, interrupt)
    assert not list((tmp_path / "cache").glob("**/*.npy"))
    assert not list((tmp_path / "cache").glob(".partial-*"))
    verify_prepared(prepare(tiny_npz, tmp_path))


def test_what_a_killed_process_left_is_swept_after_a_day(tiny_npz: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "cache" / ".partial-old", tmp_path / "cache" / ".partial-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "train_images.npy").write_bytes(b"half")
    os.utime(old, (1, 1))
    prepare(tiny_npz, tmp_path)
    assert not old.exists()
    assert new.exists()


def test_two_processes_at_once_both_succeed(tiny_npz: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from trainers.data import prepare; print('ready', flush=True); "
        "sys.stdin.readline(); print(prepare(sys.argv[1], sys.argv[2]))"
    )
    command = [sys.executable, "-W", "error", "-c", script, str(tiny_npz), str(tmp_path / "data")]
    both = [
        subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    answers = []
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in both:
        answers.append(process.communicate(timeout=60)[0].strip())
        assert process.returncode == 0
    assert answers[0] == answers[1]
    verify_prepared(Path(answers[0]))
    assert not list((tmp_path / "data" / "cache").glob(".partial-*"))


def test_being_overtaken_is_harmless_where_files_cannot_be_locked(
    tiny_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refuse(file: object, operation: int) -> None:
        raise OSError("locks are not supported here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    inner: list[Path] = []

    def overtake(done: int, total: int) -> None:
        if not inner:
            inner.append(prepare(tiny_npz, tmp_path))

    assert prepare(tiny_npz, tmp_path, overtake) == inner[0]
    verify_prepared(inner[0])
    assert not list((tmp_path / "cache").glob(".partial-*"))


def test_a_data_folder_that_cannot_be_written_is_named(tiny_npz: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DataError, match=r"cannot write .*another data folder") as caught:
        prepare(tiny_npz, tmp_path / "file")
    assert str(tmp_path / "file" / "cache") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_importing_and_preparing_spare_torch(tiny_npz: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from trainers.data import DATASETS, prepare; "
        "prepare(sys.argv[1], sys.argv[2]); print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(tiny_npz), str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
