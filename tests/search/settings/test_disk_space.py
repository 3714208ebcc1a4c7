"""Whether the disk has room for what a search writes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from search.settings import disk_space as room
from search.settings.decide import decide
from search.settings.request import make_request
from search.settings.run_settings import RunSettings
from trainers.data.prepared import Meta
from trainers.models.wide_resnet import WideResNet

DATA = Meta(1, "digits", ("a", "b"), {"train_images": (9, 8, 8, 1)}, (0.5,), (0.5,), "fingerprint")
LARGEST = sum(p.numel() for p in WideResNet(2, 1, 8, depth=16, width=4, dropout=0.0).parameters())


def lack(monkeypatch: pytest.MonkeyPatch, folder: Path, free: float, *flags: str) -> str:
    """What is said of a search of networks of depth 10 or 16 and width 1, 2 or 4."""
    monkeypatch.setattr("search.autotune.devices.gpu_count", lambda: 0)
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    file = folder / "space.py"
    file.write_text(
        "from spaces.space import Space, Preset\n"
        "from spaces.params import Categorical, Int\n"
        "BASELINE = {'model': 'wide_resnet', 'depth': 10, 'width': 1, 'epochs': 2}\n"
        "VARIES = (Categorical('width', (1, 4, 2)), Int('depth', 10, 16, step=6))\n"
        "PRESETS = dict.fromkeys(('quick', 'full'), Preset(dataset='digits', n_trials=20))\n"
        "SPACE = Space(name='s', title='', source='', baseline=BASELINE, parameters=VARIES,\n"
        "              presets=PRESETS)\n"
    )
    asked = ["--space", str(file), "--preset", "quick", "--results-dir", str(folder / "results")]
    alone = ["--threads", "1", "--concurrency", "2"]
    request = make_request(RunSettings.parse([*asked, *alone, *flags]))
    plan, _ = decide(request, DATA, folder, None, print)
    return room.lack_of_room(plan, DATA)


@pytest.mark.parametrize(("keep", "kept"), [("best", 4), ("all", 20), ("none", 0)])
@pytest.mark.parametrize(("pruner", "paused"), [("promotion", 20), ("halving", 0)])
def test_two_trials_at_once_and_what_is_kept_must_fit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keep: str, kept: int, pruner: str, paused: int
) -> None:
    needed = 4 * LARGEST * (2 * (3 * 3 + 2) + kept + paused * (2 * 3 + 1))  # bytes; see room.py
    flags = ("--keep-weights", keep, "--pruner", pruner)
    assert lack(monkeypatch, tmp_path, needed, *flags) == ""
    text = lack(monkeypatch, tmp_path, needed - 1, *flags)
    assert text.startswith("warning: the search may need ")
    assert "make room, or choose another --results-dir" in text
    assert "\n" not in text


def test_paused_trials_take_no_more_than_they_may(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(room, "MOST_FOR_PAUSED", 1000)
    needed = 4 * LARGEST * (2 * (3 * 3 + 2) + 4) + 1000
    assert lack(monkeypatch, tmp_path, needed) == ""
    assert lack(monkeypatch, tmp_path, needed - 1)


def test_a_disk_with_plenty_of_room_is_not_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Building networks to count their parameters takes as long as torch does to load."""
    monkeypatch.setattr(room, "largest_network", None)
    assert lack(monkeypatch, tmp_path, 1e12) == ""
