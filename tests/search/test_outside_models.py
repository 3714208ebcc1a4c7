"""``--set model=…``: a library's model or a file's, described, searched, refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from search import describe
from search.common.errors import UserError, run_main
from search.record.record import read_record

NET = """
from torch import nn

def net(num_classes, in_channels, image_size, width=4):
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 3), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Flatten(), nn.Linear(width * (image_size - 2) ** 2, num_classes))
"""


@pytest.fixture
def flags(tmp_path: Path) -> list[str]:
    (tmp_path / "net.py").write_text(NET)
    flags = ["--space", "wrn_sam", "--preset", "quick", "--epochs", "1", "--n-trials", "2"]
    flags += ["--threads", "1", "--precision", "float32"]
    return [*flags, "--results-dir", str(tmp_path / "r"), "--data-dir", str(tmp_path / "d")]


def test_a_models_file_is_searched_and_its_change_is_said(
    flags: list[str], tmp_path: Path, in_process: Any
) -> None:
    flags += ["--set", f"model={tmp_path}/net.py:net", "--set", "model_options=width=8"]
    study = in_process(*flags)
    assert [trial.state.name for trial in study.get_trials()] == ["COMPLETE", "COMPLETE"]
    record = read_record(study)
    assert record is not None
    assert record.space.fixed["model"].startswith(f"{tmp_path.resolve()}/net.py:net@")
    assert record.space.fixed["model_options"] == {"width": 8}
    assert not {"depth", "width", "dropout"} & record.space.parameters.keys()  # of WideResNet
    (tmp_path / "net.py").write_text(NET + "\n")
    with pytest.raises(
        UserError, match=r"another baseline: model was '.*net@\w+', now '.*net@\w+'"
    ):
        in_process(*flags, "--n-trials", "3")


def test_a_model_that_does_not_fit_is_one_line_before_anything_starts(
    flags: list[str], in_process: Any, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"model=torchvision:vit_b_16 on images of 1 x 8 x 8: A"):
        in_process(*flags, "--set", "model=torchvision:vit_b_16")
    assert not (tmp_path / "r").exists()


def test_a_librarys_model_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    model = ["--set", "model=torchvision:resnet18", "--image-size", "32"]
    argv = ["--space", "wrn_sam", *model, "--channels", "1", "--classes", "7"]
    assert run_main(lambda: describe.main(argv)) == 0
    text = capsys.readouterr().out
    parameters = 11_689_512 - 513_000 + 512 * 7 + 7 - 2 * 64 * 49  # torchvision's own of 1000
    assert f"parameters: {parameters:,}\n" in text
    assert "model torchvision:resnet18 for images of 1 x 32 x 32 and 7 classes" in text
