"""Who may import whom: spaces and trainers know neither each other nor the search."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[1]
API = REPOSITORY / "search" / "api.py"
COMMANDS = {f"search.{path.stem}" for path in REPOSITORY.glob("search/*.py")} - {"search.__init__"}
NOT_FOR_TRAINERS = {"spaces", "search", "optuna", "ray"}
ROOMS = {  # each package of search/, and the packages it may import
    "common": set(),
    "storage": {"common"},
    "record": {"common", "storage"},
    "strategy": {"common", "record", "storage"},
    "autotune": {"common", "record", "strategy"},
    "settings": {"autotune", "common", "record", "storage", "strategy"},
    "study": {"common", "record", "settings", "storage", "strategy"},
    "workers": {"autotune", "common", "settings", "study"},
    "reporting": {"autotune", "common", "record", "settings", "storage", "strategy"},
    "terminal": {
        "autotune",
        "common",
        "record",
        "reporting",
        "settings",
        "storage",
        "strategy",
        "study",
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


# Modules that reach the insides of Optuna, Ray, the dashboard and torch, so that no other need.
INSIDES = {
    "search/storage/optuna_internals.py",
    "search/workers/ray_internals.py",
    "trainers/parallel/ranks.py",
    "trainers/cuda/torch_internals.py",
}
# os._exit ends a process at once; NamedTuple's own; torch's updates of many tensors in one kernel.
ALLOWED = re.compile("_exit|_replace|_foreach_[a-z_]+|_BatchNorm")


def private_names(source: str) -> Iterator[str]:
    """Names with one leading underscore that ``source`` touches on anything but self and cls, or
    imports, and private modules that it imports from."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            parts = [] if own else [node.attr]
        elif isinstance(node, ast.ImportFrom):
            parts = [*str(node.module).split("."), *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Import):
            parts = [part for alias in node.names for part in alias.name.split(".")]
        else:
            continue
        yield from (part for part in parts if part.startswith("_") and part[1:2] != "_")


def modules(path: Path) -> set[str]:
    """Every module that ``path`` names in an import statement, also inside functions; a type that
    is imported for the type checker alone is no import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for node in ast.walk(branch)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def search_modules(path: Path) -> set[str]:
    """The first names below ``search`` that ``path`` imports, as rooms or commands."""
    text = path.read_text(encoding="utf-8")
    return set(re.findall(r"^\s*(?:from|import) search\.(\w+)", text, re.MULTILINE))


def module_name(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


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
    used = set().union(*(search_modules(path) for path in files(f"search/{room}")))
    assert used <= ROOMS[room] | {room}


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {
        name: {other for other in modules(path) if other != name}
        for package in ("search", "spaces", "trainers")
        for path in files(package)
        if (name := module_name(path))
    }
    sorter = TopologicalSorter({name: used & graph.keys() for name, used in graph.items()})
    sorter.prepare()  # raises CycleError with the way round


@pytest.mark.parametrize("path", sorted(set(REPOSITORY.glob("search/*.py")) - {API}), ids=identify)
def test_commands_import_rooms_and_never_each_other(path: Path) -> None:
    assert search_modules(path) <= set(ROOMS)
    assert not COMMANDS & modules(path)


def test_the_calls_from_python_lie_above_the_commands() -> None:
    rooms = {name.split(".")[1] for name in modules(API) - COMMANDS if name.startswith("search.")}
    assert rooms - {"run", "train"} <= set(ROOMS)
    assert COMMANDS & modules(API) == {"search.run", "search.train"}
    assert not [path for path in files("search") if "search.api" in modules(path)]


def test_the_calls_from_python_import_nothing_heavy() -> None:
    loaded = loaded_by("import search.api")
    assert not loaded & {"torch", "ray", "optuna", "rich", "numpy", "pandas", "sqlalchemy"}


def test_every_room_has_its_rule() -> None:
    assert {path.parent.name for path in REPOSITORY.glob("search/*/*.py")} == set(ROOMS)


def test_finds_every_kind_of_private_name() -> None:
    source = (
        "import a._b\nfrom c._d import _e\nfrom f import g\n"
        "class H(g._i):\n    def __init__(self):\n        self._own = self.__dict__\n"
        "        self._own._j = cls._own\n"
    )
    assert sorted(private_names(source)) == ["_b", "_d", "_e", "_i", "_j"]


@pytest.mark.parametrize("package", ["search", "spaces", "trainers", "benchmarks"])
def test_insides_of_a_library_are_reached_from_one_module(package: str) -> None:
    found = {
        identify(path): names
        for path in files(package)
        if (names := {n for n in private_names(path.read_text()) if not ALLOWED.fullmatch(n)})
    }
    assert set(found) == {path for path in INSIDES if path.startswith(f"{package}/")}, found


def test_every_import_is_declared() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = project["dependencies"] + extras["redis"] + extras["timm"] + extras["notebook"]
    names = [re.split(r"[^\w.-]", line)[0] for line in lines]
    declared = {canonicalize_name(name) for name in names}
    ours = {"search", "spaces", "trainers"}
    used = {name for package in ours for path in files(package) for name in imported(path)}
    homes = packages_distributions()
    for name in used - set(sys.stdlib_module_names) - ours:
        assert {canonicalize_name(home) for home in homes.get(name, [name])} & declared, name


@pytest.mark.parametrize("path", files("search/study"), ids=identify)
def test_the_runner_never_imports_ray(path: Path) -> None:
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
