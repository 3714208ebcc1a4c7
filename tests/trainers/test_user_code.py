"""A user's own file, read where it lies or from a copy that travelled with the job."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from trainers.user_code import CARRIED, load, located, pinned, same_code
from trainers.validators import ConfigError

NET = "def net():\n    import helper\n\n    return helper.WIDTH, __file__\n"


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a file with a module beside it, pinned; ``sys.path`` is put back afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    home = tmp_path / "home"
    home.mkdir()
    (home / "net.py").write_text(NET)
    (home / "helper.py").write_text("WIDTH = 4\n")
    yield pinned(f"{home / 'net.py'}:net")
    sys.modules.pop("helper", None)


def travelled(spec: str, to: Path) -> None:
    """The copy that a node has of ``spec``'s file and the module beside it."""
    found = located(spec)
    assert found is not None
    path, digest = found
    folder = to / CARRIED / digest
    folder.mkdir(parents=True)
    for name in ("net.py", "helper.py"):
        (folder / name).write_bytes((path.parent / name).read_bytes())
    sys.path.insert(0, str(to))


def test_a_file_that_a_node_has_not_is_read_from_what_travelled(spec: str, tmp_path: Path) -> None:
    travelled(spec, tmp_path / "node")
    recorded = tmp_path / "home" / "net.py"
    (tmp_path / "home").rename(tmp_path / "elsewhere")
    assert load(spec, with_neighbours=True)() == (4, str(recorded))


def test_what_travelled_stands_for_another_file_of_the_same_path(spec: str, tmp_path: Path) -> None:
    travelled(spec, tmp_path / "node")
    (tmp_path / "home" / "net.py").write_text("net = None\n")
    assert load(spec, with_neighbours=True)()[0] == 4


def test_without_it_a_file_that_has_changed_is_refused(spec: str, tmp_path: Path) -> None:
    (tmp_path / "home" / "net.py").write_text("net = None\n")
    with pytest.raises(ConfigError, match="has changed since"):
        load(spec)


def test_the_same_file_is_found_below_the_working_directory(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a job of a cluster has it, in another folder each time."""
    (tmp_path / "home").rename(tmp_path / "elsewhere")
    assert located(spec) is None
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load(spec, with_neighbours=True)()[0] == 4


def test_code_is_the_same_by_name_and_content(spec: str, tmp_path: Path) -> None:
    home, moved = tmp_path / "home", tmp_path / "moved"
    moved.mkdir()
    (moved / "net.py").write_text(NET)
    assert same_code(spec, pinned(f"{moved / 'net.py'}:net"))
    assert not same_code(spec, pinned(f"{home / 'helper.py'}:net"))
    (moved / "net.py").write_text("net = None\n")
    assert not same_code(spec, pinned(f"{moved / 'net.py'}:net"))


def test_a_script_that_exits_when_imported_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(ConfigError, match="ends with exit code 3 when it is imported"):
        load(f"{tmp_path / 'script.py'}:main")
