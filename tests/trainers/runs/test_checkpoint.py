"""Checkpoints: whole or refused, and nothing in them is executed."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from trainers.atomic_files import write_atomically
from trainers.runs.checkpoint import (
    LATEST,
    PREVIOUS,
    VERSION,
    CheckpointError,
    read_checkpoint,
    read_newest,
    rotate_and_write,
    write_checkpoint,
)


def state(number: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(number)
    return {"weights": torch.randn(50, generator=generator), "epoch": number, "names": ["a", "b"]}


def same(some: dict[str, Any] | None, other: dict[str, Any]) -> bool:
    return (
        some is not None
        and torch.equal(some["weights"], other["weights"])
        and (some["epoch"], some["names"]) == (other["epoch"], other["names"])
    )


def with_head(payload: bytes, **changes: Any) -> bytes:
    """A file whose first line fits ``payload``, so that only what follows can be at fault."""
    head = {
        "sharpsearch_checkpoint": VERSION,
        "sha256": hashlib.sha256(payload).hexdigest(),
        "bytes": len(payload),
    }
    return json.dumps({**head, **changes}).encode() + b"\n" + payload


def saved(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def assert_refused(path: Path, reason: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_comes_back_with_values_strides_and_types(tmp_path: Path) -> None:
    path = tmp_path / "some.pt"
    image = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    write_checkpoint(path, {**state(1), "image": image, "half": torch.ones(2).bfloat16()})
    again = read_checkpoint(path)
    assert same(again, state(1))
    assert torch.equal(again["image"], image)
    assert again["image"].stride() == image.stride()
    assert again["half"].dtype == torch.bfloat16
    assert os.listdir(tmp_path) == ["some.pt"]


def test_an_exception_in_mid_write_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "some.pt"
    write_checkpoint(path, state(1))

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(path, state(2))
    assert same(read_checkpoint(path), state(1))
    assert os.listdir(tmp_path) == ["some.pt"]


def test_an_interrupt_before_the_rename_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(source: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "new.json", b"{}")
    assert os.listdir(tmp_path) == []


def test_truncated_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.pt"
    write_checkpoint(path, state(1))
    content = path.read_bytes()
    head = content.index(b"\n") + 1
    for length in (head, head + 1, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        assert_refused(path, f"truncated, {length - head} of {len(content) - head} bytes")
    for length in (0, 1, head - 2):
        path.write_bytes(content[:length])
        assert_refused(path, "not a checkpoint of this program")


def test_a_single_flipped_bit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.pt"
    write_checkpoint(path, state(1))
    content = path.read_bytes()
    head = content.index(b"\n") + 1
    for place in (head, (head + len(content)) // 2, len(content) - 1):
        flipped = bytearray(content)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        assert_refused(path, "damaged, its checksum does not match")


@pytest.mark.parametrize(
    "content",
    [b"\x80\x04garbage", b"PK\x03\x04", b"[1, 2]\nrest", b'{"accuracy": 1}\nrest', b"\n", b"7"],
)
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "some.pt").write_bytes(content)
    assert_refused(tmp_path / "some.pt", "not a checkpoint of this program")


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    newer = with_head(saved(state(1)), sharpsearch_checkpoint=VERSION + 1)
    (tmp_path / "some.pt").write_bytes(newer)
    assert_refused(tmp_path / "some.pt", f"version must be {VERSION}, got {VERSION + 1}")


class Malicious:
    """Unpickling it would make the folder ``target``."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


def test_code_in_a_checkpoint_is_refused_and_not_executed(tmp_path: Path) -> None:
    target, path = tmp_path / "executed", tmp_path / "some.pt"
    payload = saved({"model": Malicious(target)})
    path.write_bytes(with_head(payload))
    assert_refused(path, "more than tensors and plain values")
    assert not target.exists()
    torch.load(io.BytesIO(payload), weights_only=False)  # the same bytes do execute otherwise
    assert target.exists()


@pytest.mark.parametrize(
    "payload",
    [b"", b"PK\x03\x04", b"a text", *(pickle.dumps({"a": 1}, protocol) for protocol in (2, 4))],
)
def test_content_that_torch_cannot_read_is_refused(tmp_path: Path, payload: bytes) -> None:
    (tmp_path / "some.pt").write_bytes(with_head(payload))
    assert_refused(tmp_path / "some.pt", "more than tensors and plain values")


def test_the_newest_is_read_and_the_one_before_kept(tmp_path: Path) -> None:
    assert read_newest(tmp_path) == (None, [])
    for number in (1, 2, 3):
        rotate_and_write(tmp_path, state(number))
    found, problems = read_newest(tmp_path)
    assert same(found, state(3))
    assert problems == []
    assert same(read_checkpoint(tmp_path / PREVIOUS), state(2))
    assert sorted(os.listdir(tmp_path)) == sorted([LATEST, PREVIOUS])


def test_the_one_before_stands_in_for_a_torn_newest(tmp_path: Path) -> None:
    rotate_and_write(tmp_path, state(1))
    rotate_and_write(tmp_path, state(2))
    latest = tmp_path / LATEST
    latest.write_bytes(latest.read_bytes()[:-100])
    found, problems = read_newest(tmp_path)
    assert same(found, state(1))
    assert len(problems) == 1
    assert problems[0].startswith(f"{latest}: truncated")


def test_a_death_between_rotating_and_writing_loses_one_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotate_and_write(tmp_path, state(1))

    def killed(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("trainers.runs.checkpoint.write_checkpoint", killed)
    with pytest.raises(KeyboardInterrupt):
        rotate_and_write(tmp_path, state(2))
    found, problems = read_newest(tmp_path)
    assert same(found, state(1))
    assert problems == []


def test_a_file_that_cannot_be_read_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    rotate_and_write(tmp_path, state(1))
    rotate_and_write(tmp_path, state(2))
    (tmp_path / LATEST).unlink()
    (tmp_path / LATEST).mkdir()
    found, problems = read_newest(tmp_path)
    assert same(found, state(1))
    assert len(problems) == 1


def test_a_full_disk_is_an_error_of_the_system(tmp_path: Path, monkeypatch: Any) -> None:
    class Full(io.BytesIO):
        def write(self, content: Any) -> int:
            if self.tell() > 1000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(content)

    @contextmanager
    def full(path: Path) -> Iterator[Full]:
        yield Full()

    monkeypatch.setattr("trainers.runs.checkpoint.atomic_file", full)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(tmp_path / "a.pt", {"weights": torch.zeros(10_000)})
