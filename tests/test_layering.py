"""Who may import whom: spaces and trainers know neither each other nor the search."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
NOT_FOR_TRAINERS = {"spaces", "search", "optuna", "ray"}
ROOMS = {  # each room of search/, and the rooms it may import
    "common": set(),
    "storage": {"common"},
    "record": {"common", "storage"},
    "strategy": {"common"},
    "planning": {"common", "record", "storage", "strategy"},
    "ledger": {"common", "planning", "record", "storage", "strategy"},
    "workers": {"common", "planning", "ledger"},
    "reporting": {"common", "planning", "record", "storage"},
    "dashboard_sync": {"common", "record", "reporting", "storage"},
    "terminal": {
        "common",
        "dashboard_sync",
        "ledger",
        "planning",
        "record",
        "reporting",
        "storage",
        "strategy",
    },
}


def imported(path: Path) -> Iterator[str]:
    """The top-level packages that ``path`` imports anywhere, also inside functions.

    Modules named in a call of ``import_module`` count too.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            yield str(node.module).split(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (
                argument.value.split(".")[0]
                for argument in node.args
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            )


def files(package: str) -> list[Path]:
    found = sorted((REPOSITORY / package).rglob("*.py"))
    assert found, f"no files in {package}"
    return found


def identify(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def test_finds_every_kind_of_import(tmp_path: Path) -> None:
    path = tmp_path / "example.py"
    path.write_text(
        "import os.path, torch as t\n"
        "from ray.tune import run\n"
        "def f():\n    from optuna import Study\n    import_module('search.run')\n"
    )
    assert set(imported(path)) == {"os", "torch", "ray", "optuna", "search"}


@pytest.mark.parametrize("path", files("spaces"), ids=identify)
def test_spaces_import_the_standard_library_and_spaces_alone(path: Path) -> None:
    assert set(imported(path)) <= set(sys.stdlib_module_names) | {"spaces"}


@pytest.mark.parametrize("path", files("trainers"), ids=identify)
def test_trainers_know_nothing_of_the_search(path: Path) -> None:
    assert not set(imported(path)) & NOT_FOR_TRAINERS


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_of_the_search_import_one_way(room: str) -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in files(f"search/{room}"))
    used = set(re.findall(r"^\s*(?:from|import) search\.(\w+)", text, re.MULTILINE))
    assert used <= ROOMS[room] | {room}


def test_every_room_has_its_rule() -> None:
    assert {path.parent.name for path in REPOSITORY.glob("search/*/*.py")} == set(ROOMS)


@pytest.mark.parametrize("path", files("search/ledger"), ids=identify)
def test_the_ledger_never_imports_ray(path: Path) -> None:
    assert "ray" not in imported(path)


def loaded_by(statement: str) -> set[str]:
    """The top-level packages in memory after ``statement`` in a fresh process."""
    code = f"{statement}; import sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_what_the_command_line_checks_with_spares_torch() -> None:
    modules = "trainers.config, trainers.data, trainers.execution, trainers.compatibility"
    loaded = loaded_by(f"import {modules}")
    assert {"trainers", "numpy"} <= loaded
    assert not loaded & {"torch", "torchvision", "sklearn", *NOT_FOR_TRAINERS}


def test_all_spaces_load_without_any_package() -> None:
    loaded = loaded_by("from spaces import SPACES, named_space; [named_space(n) for n in SPACES]")
    assert "spaces" in loaded
    assert not loaded & {"torch", "torchvision", "numpy", "trainers", "search", "optuna", "ray"}
