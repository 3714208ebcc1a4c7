"""Which of a user's files travel with a job."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.workers.cluster import carried_code
from spaces.params import Categorical
from spaces.space import ResolvedSpace
from tests.search.desk import small_space
from trainers.user_code import located, pinned


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder of a user's own, with more in it than is asked for."""
    for name in ("net.py", "other.py", "data.csv", "package/__init__.py", "venv/lib/module.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    return tmp_path


def files(space: ResolvedSpace) -> set[str]:
    """What travels, without the digests' folders."""
    with carried_code(space) as folders:
        found = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        return {
            str(file.relative_to(folder).relative_to(file.relative_to(folder).parts[0]))
            for folder in folders
            for file in found
        }


def test_nothing_travels_with_a_model_of_the_table() -> None:
    with carried_code(small_space()) as folders:
        assert folders == []


def test_models_travel_by_content(home: Path) -> None:
    net, other = (pinned(f"{home / name}:Net") for name in ("net.py", "other.py"))
    space = small_space({"model": net}, (Categorical("model", (net, other)),))
    found = located(other)
    assert found is not None
    with carried_code(space) as (folder,):
        assert (folder / found[1] / "other.py").read_text() == "# other.py\n"
    assert files(space) == {"net.py", "other.py"}


def test_with_a_training_function_go_the_modules_beside_it(home: Path) -> None:
    space = small_space({"train": pinned(f"{home / 'net.py'}:train")})
    assert files(space) == {"net.py", "other.py", "package/__init__.py"}
