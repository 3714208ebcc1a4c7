"""Networks described from the command line: the tables that the reports print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from search import describe
from search.common.errors import run_main
from spaces import SPACES, named_space


def described(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert describe.main(list(arguments)) == 0
    return capsys.readouterr().out


def shapes(text: str) -> dict[str, tuple[int, ...]]:
    """Part → output shape, of the first table."""
    parts = text[: text.index("\nlayers")]
    found = re.findall(r"^ *(\w+) +\(([\d, ]+)\) *$", parts, re.MULTILINE)
    return {name: tuple(map(int, shape.split(","))) for name, shape in found}


@pytest.mark.parametrize("space", ["lenet_batch", "resnet9_plain"])
def test_output_shapes_of_report_b(space: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = shapes(described(capsys, "--space", space))
    published: dict[str, list[int]] = {}
    for item in named_space(space).references:
        if item.metric in ("output_channels", "output_side"):
            published.setdefault(item.setting["layer"], []).append(int(item.value))
    assert len(published) >= 6
    for layer, (channels, *side) in published.items():
        assert found[layer] == (100, channels, *side, *side)


def test_size_of_report_a(capsys: pytest.CaptureFixture[str]) -> None:
    text = described(capsys, "--space", "resnet50_cosine")
    assert "parameters: 23,520,842\n" in text
    counted = re.search(r"as report A counts: ([\d,]+)", text)
    assert counted is not None
    assert round(int(counted[1].replace(",", "")) / 1e9, 3) == 1.312


@pytest.mark.parametrize("space", SPACES)
def test_every_space_is_described_without_data(
    space: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = described(capsys, "--space", space, "--data-dir", str(tmp_path / "none"))
    assert text.startswith(f"{space}, preset full: model ")
    assert not (tmp_path / "none").exists()


def test_flags_change_the_images_and_the_setting(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--image-size", "64", "--channels", "1", "--classes", "7", "--set", "batch_size=2")
    found = shapes(described(capsys, "--space", "lenet_batch", *flags))
    assert found["input"] == (2, 1, 64, 64)
    assert found["flatten"] == (2, 16 * 13 * 13)  # ((64 - 4) / 2 - 4) / 2 = 13
    assert found["fc3"] == (2, 7)


def test_a_data_set_of_its_own_shape(tiny_npz: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--dataset", str(tiny_npz), "--data-dir", str(tiny_npz.parent / "data"))
    found = shapes(described(capsys, "--space", "resnet9_plain", *flags))
    assert found["input"] == (100, 3, 4, 4)
    assert found["classifier"] == (100, 3)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--image-size", "8"), "image_size must be at least 16 for lenet, got 8"),
        (("--classes", "0"), "--classes must be at least 1, got 0"),
        (("--space", "lenet"), "unknown space 'lenet'; did you mean 'lenet_batch'?"),
    ],
)
def test_wrong_input_is_one_line(
    flags: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(lambda: describe.main(["--space", "lenet_batch", *flags])) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
