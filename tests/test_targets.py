"""What ``make test`` collects: no ``-m`` brings in a folder that has a target of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One test in each of four folders, under this suite's own conftest."""
    folder = tmp_path_factory.mktemp("suite")
    folder.joinpath("pytest.ini").write_text("[pytest]\ntestpaths = tests\nmarkers = slow\n")
    for name in ("faults", "benchmarks", "end_to_end", "search"):
        place = folder / "tests" / name
        place.mkdir(parents=True)
        place.joinpath(f"test_{name}.py").write_text("def test_it(): pass\n")
    folder.joinpath("tests", "conftest.py").write_bytes(CONFTEST.read_bytes())
    return folder


@pytest.mark.parametrize(
    ("arguments", "collected"),
    [
        (("-m", "not slow"), {"search"}),
        (("tests/search", "tests/faults"), {"search", "faults"}),
        (("tests/end_to_end",), {"end_to_end"}),
        (("tests/benchmarks/test_benchmarks.py::test_it",), {"benchmarks"}),
    ],
)
def test_only_what_is_named_is_collected(
    suite: Path, arguments: tuple[str, ...], collected: set[str]
) -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments]
    done = subprocess.run(command, cwd=suite, capture_output=True, text=True)
    found = {line.split("/")[1] for line in done.stdout.splitlines() if "::" in line}
    assert found == collected, done.stdout
