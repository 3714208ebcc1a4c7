"""What an epoch takes is timed, whatever the size of the batches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainers import epoch_seconds
from trainers.execution import Execution


def test_each_setting_is_timed(
    digits_folder: Path,
    tiny_config,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At 100 images a second; a validation image costs a third of a training image."""
    monkeypatch.setattr(epoch_seconds, "images_per_second", lambda *_: 100.0)
    configs = [tiny_config(val_fraction=0.2).to_dict(), tiny_config(val_fraction=0.4).to_dict()]
    task = {"configs": configs, "data": str(digits_folder), "execution": Execution().to_dict()}
    monkeypatch.setattr("sys.argv", ["epoch_seconds", json.dumps(task)])
    epoch_seconds.main()
    images = len(epoch_seconds.open_prepared(digits_folder).train_labels)
    expected = [images * (1 - f + f / 3) / 100 for f in (0.2, 0.4)]
    assert json.loads(capsys.readouterr().out) == pytest.approx(expected, rel=0.01)


def test_a_real_epoch_is_timed(digits_folder: Path, tiny_config) -> None:
    assert epoch_seconds.epoch_seconds(tiny_config(), digits_folder, Execution()) > 0
