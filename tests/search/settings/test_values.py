"""KEY=VALUE, spaces by name or file, and where files lie."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from search.common.errors import UserError
from search.common.layout import StudyFolder
from search.common.locations import default_data_dir, default_storage
from search.settings.load_space import find_space, load_space
from search.settings.run_settings import SpaceSettings
from search.settings.values import parse_ranges, parse_settings
from spaces import SPACES
from spaces.params import Categorical
from spaces.space import Space


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("depth=16", 16),
        ("lr=0.1", 0.1),
        ("lr=1e-3", 0.001),
        ("adaptive=True", True),
        ("adaptive=false", False),
        ("augment=none", "none"),
        (" augment = crop_flip ", "crop_flip"),
        ("milestones=0.2,0.5", (0.2, 0.5)),
        ("milestones=0.2,", (0.2,)),
        ("weight-decay=0", 0),
        ("model=", ""),
        ("model=a=b", "a=b"),
    ],
)
def test_values_are_read_as_what_they_look_like(text: str, value: Any) -> None:
    (parsed,) = parse_settings([text]).values()
    assert parsed == value
    assert type(parsed) is type(value)


def test_none_is_what_the_space_knows_by_that_name() -> None:
    clips = Categorical("clip", (None, 1.0)), Categorical("policy", ("none", "flip"))
    baseline = {"clip": 1.0, "policy": "flip", "epochs": 2}
    task = Path(__file__).parents[3] / "docs" / "own_code" / "sgd_task.py"
    space = Space("mine", baseline=baseline, parameters=clips, train=f"{task}:train")
    settings = SpaceSettings.of_keywords({"space": space, "set": {"clip": "none"}})
    assert load_space(settings)[0].baseline["clip"] is None
    settings = SpaceSettings.of_keywords({"space": space, "set": {"policy": "none"}})
    assert load_space(settings)[0].baseline["policy"] == "none"


@pytest.mark.parametrize("text", ["depth", "=3", ""])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="--set takes KEY=VALUE, got"):
        parse_settings([text])


def test_every_space_of_the_table_is_found() -> None:
    for name in SPACES:
        assert find_space(name).name == name


FILE = """
from dataclasses import dataclass, replace
from spaces.named.wrn_sam import SPACE as WRN

@dataclass(frozen=True)
class Idea:  # dataclasses look their module up
    name: str = "mine"

def known(values):
    return helper(values)

def helper(values):
    return values["depth"] < 100

from spaces.space import Constraint
SPACE = replace(WRN, name=Idea().name, constraints=(Constraint("shallow", known),))
"""


def test_a_space_file_is_read_without_leaving_anything_behind(tmp_path: Path, tree_of: Any) -> None:
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    before = tree_of(tmp_path)
    space = find_space(str(path))
    assert space.name == "mine"
    assert space.at("quick").broken_constraint({"depth": 124}) == "shallow"
    assert tree_of(tmp_path) == before


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    assert find_space(str(path)).name == "mine"
    path.write_text(FILE.replace('"mine"', '"yours"'))
    assert find_space(str(path)).name == "yours"


NAMES = [
    "study",
    "a/b",
    "a%2Fb",
    "..",
    ".",
    "...",
    "CON:",
    "größe",
    "a b",
    "a\nb",
    "../up",
    "%",
    "%25",
]


def test_study_names_become_distinct_folders_inside_the_results() -> None:
    results = Path("results")
    folders = [StudyFolder(results, name).path for name in NAMES]
    for first, second in itertools.combinations(folders, 2):
        assert first != second
    for folder in folders:
        assert folder.parent == results
        assert folder.name not in ("", ".", "..")


def test_a_trials_folder_sorts_by_number() -> None:
    folder = StudyFolder(Path("results"), "study")
    assert sorted([folder.trial(10), folder.trial(9)]) == [folder.trial(9), folder.trial(10)]


def test_the_default_storage_lies_in_the_results(tmp_path: Path) -> None:
    assert default_storage(Path("results")) == "sqlite:///results/studies.db"
    assert default_storage(tmp_path) == f"sqlite:///{tmp_path}/studies.db"


def test_the_data_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARPSEARCH_DATA", "/data")
    assert default_data_dir() == "/data"
    monkeypatch.delenv("SHARPSEARCH_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_data_dir() == "/cache/sharpsearch"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_data_dir() == "~/.cache/sharpsearch"


def test_ranges_are_parsed() -> None:
    assert parse_ranges(["lr=0.001:1e-1", "batch-size = 16 : 64"]) == {
        "lr": (0.001, 0.1),
        "batch_size": (16, 64),
    }


@pytest.mark.parametrize("text", ["lr", "lr=0.1", "lr=a:b", "lr=1:2:3", "lr=:", "lr=true:2"])
def test_a_range_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_ranges([text])
    message = f"--range takes KEY=LOW:HIGH, such as lr=0.001:0.1, got {text!r}"
    assert str(caught.value) == message


def test_a_range_named_twice_is_refused() -> None:
    with pytest.raises(UserError, match="--range names 'lr' twice"):
        parse_ranges(["lr=0.1:1", "lr=0.2:1"])
