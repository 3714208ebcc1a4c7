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


# Modules that reach the insides of Optuna, Ray, the dashboard and torch, so that no other need.
INSIDES = {
    "search/storage/optuna_internals.py",
    "search/workers/ray_internals.py",
    "trainers/parallel/ranks.py",
    "trainers/cuda/torch_internals.py",
}
# os._exit ends a process at once; NamedTuple's own; torch's updates of many tensors in one kernel.
ALLOWED = re.compile("_exit|_replace|_foreach_[a-z_]+|_BatchNorm")


def files(package: str) -> list[Path]:
    found = sorted((REPOSITORY / package).rglob("*.py"))
    assert found, f"no files in {package}"
    return found


def identify(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def module_name(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(path: Path, typing: bool = False) -> set[str]:
    """What ``path`` imports anywhere, also inside functions and by ``import_module``: modules, and
    what is imported from them. With ``typing`` also what is there for the type checker alone."""
    tree, found = ast.parse(path.read_text(encoding="utf-8")), set[str]()
    unseen: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not typing:
            unseen |= {id(inner) for inner in ast.walk(node)}
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            named = (argument for argument in node.args if isinstance(argument, ast.Constant))
            found |= {str(argument.value) for argument in named}
    return found


def imported(package: str) -> set[str]:
    """The top-level packages that any file of ``package`` imports."""
    return {name.split(".")[0] for path in files(package) for name in modules(path, typing=True)}


def search_packages(path: Path) -> set[str]:
    """The first names below ``search`` that ``path`` imports: its packages, or commands."""
    names = (name.split(".") for name in modules(path, typing=True))
    return {parts[1] for parts in names if parts[0] == "search" and len(parts) > 1}


def test_spaces_import_the_standard_library_and_spaces_alone() -> None:
    assert imported("spaces") <= set(sys.stdlib_module_names) | {"spaces"}


def test_trainers_know_nothing_of_the_search() -> None:
    assert not imported("trainers") & NOT_FOR_TRAINERS


def test_the_runner_never_imports_ray() -> None:
    assert "ray" not in imported("search/study")


def test_packages_of_the_search_import_one_way() -> None:
    assert {path.parent.name for path in REPOSITORY.glob("search/*/*.py")} == set(ROOMS)
    wrong = {
        identify(path): used
        for room in ROOMS
        for path in files(f"search/{room}")
        if (used := search_packages(path) - ROOMS[room] - {room})
    }
    assert not wrong


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {
        module_name(path): modules(path) - {module_name(path)}
        for package in ("search", "spaces", "trainers")
        for path in files(package)
    }
    sorter = TopologicalSorter({name: used & graph.keys() for name, used in graph.items()})
    sorter.prepare()  # raises CycleError with the way round


def test_commands_import_packages_and_never_each_other() -> None:
    for path in set(REPOSITORY.glob("search/*.py")) - {API}:
        assert search_packages(path) <= set(ROOMS), path
        assert not COMMANDS & modules(path), path


def test_the_calls_from_python_lie_above_the_commands_and_import_nothing_heavy() -> None:
    assert search_packages(API) - {"run", "train"} <= set(ROOMS)
    assert COMMANDS & modules(API) == {"search.run", "search.train"}
    assert not [path for path in files("search") if "search.api" in modules(path)]
    heavy = {"torch", "ray", "optuna", "rich", "numpy", "pandas", "sqlalchemy"}
    assert not loaded_by("import search.api") & heavy


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
    used = set().union(*map(imported, ours))
    homes = packages_distributions()
    for name in used - set(sys.stdlib_module_names) - ours:
        assert {canonicalize_name(home) for home in homes.get(name, [name])} & declared, name


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
