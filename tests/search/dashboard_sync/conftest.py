"""Fixtures of the dashboard's tests: a study in a database, with its folders."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def studies() -> ModuleType:
    """The reports' studies made by hand."""
    path = Path(__file__).parents[1] / "reporting" / "studies.py"
    spec = importlib.util.spec_from_file_location("reporting_studies", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
