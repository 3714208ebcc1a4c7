"""A checkpoint evaluated from the command line: the figures of the run that wrote it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from search import evaluate, train
from search.common.errors import run_main
from trainers.runs.checkpoint import read_checkpoint, write_checkpoint
from trainers.user_code import pinned


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def run_folder(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One epoch of the small CNN on the digits."""
    folder = tmp_path_factory.mktemp("run")
    setting = ["--space", "lenet_batch", "--preset", "quick", "--threads", "1", "--epochs", "1"]
    assert train.main([*setting, "--data-dir", str(data_dir), "--out", str(folder)]) == 0
    return folder


def figures(out: str) -> list[str]:
    """The lines of the evaluation without the clock's."""
    out = out.split("evaluated at")[-1]
    start = out.index("test set")
    end = out.index("validation top-1") if "validation top-1" in out else len(out)
    return [line for line in out[start:end].splitlines() if "test time" not in line]


def test_the_figures_are_those_of_the_run(
    run_folder: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    setting = ["--space", "lenet_batch", "--preset", "quick", "--threads", "1", "--epochs", "1"]
    train.main([*setting, "--data-dir", str(data_dir), "--out", str(run_folder), "--resume"])
    expected = figures(capsys.readouterr().out)
    assert evaluate.main([str(run_folder / "best.pt")]) == 0
    assert figures(capsys.readouterr().out) == expected
    assert evaluate.main([str(run_folder), "--feature-maps", "conv2"]) == 0
    assert (run_folder / "feature_maps.png").exists()


def test_a_checkpoint_finds_its_data_elsewhere(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = ["--dataset", "digits32", "--data-dir", str(tmp_path / "moved")]
    assert evaluate.main([str(run_folder / "best.pt"), *here]) == 0
    assert "lenet after epoch 1 on digits32" in capsys.readouterr().out
    other = ["--dataset", "digits64", "--data-dir", str(tmp_path / "moved")]
    code = run_main(lambda: evaluate.main([str(run_folder / "best.pt"), *other]))
    assert code == 2
    assert "digits64: not the data that this model was trained on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.pt", None, "no such checkpoint"),
        ("notes.pt", b"hello\nworld", "not a checkpoint of this program"),
        ("empty.pt", b"", "not a checkpoint of this program"),
    ],
)
def test_what_is_no_checkpoint_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    message: str,
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert run_main(lambda: evaluate.main([str(path)])) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert name in error
    assert message in error


def test_code_that_a_checkpoint_names_is_not_run(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever made it also made the file and its digest."""
    net = tmp_path / "net.py"
    net.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nclass Net: pass\n")
    saved = read_checkpoint(run_folder / "best.pt")
    for spec in (f"{net}:Net", pinned(f"{net}:Net")):
        saved["identity"]["config"]["model"] = spec
        write_checkpoint(tmp_path / "best.pt", saved)
        assert run_main(lambda: evaluate.main([str(tmp_path)])) == 2
        error = capsys.readouterr().err
        assert f"best.pt has model={spec}, whose code would be run; if you trust it" in error
        assert not (tmp_path / "ran").exists()
    assert run_main(lambda: evaluate.main([str(tmp_path), "--trust-code"])) == 2  # no network
    assert (tmp_path / "ran").exists()


def test_lost_data_are_one_line(
    run_folder: Path, data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move(data_dir / "cache", tmp_path / "cache")
    try:
        assert run_main(lambda: evaluate.main([str(run_folder)])) == 2
    finally:
        shutil.move(tmp_path / "cache", data_dir / "cache")
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "say with --dataset where the data are now" in error
