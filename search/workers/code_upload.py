"""What a user's own models and training functions are made of, gathered to travel with the job.

A node looks for them by content, as ``trainers.user_code`` says, so a configuration names the same
path wherever it is trained.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spaces.params import Categorical
from spaces.space import ResolvedSpace
from trainers.custom.loop_config import TRAIN
from trainers.user_code import CARRIED, located

INSTALLED = {"site-packages", "dist-packages"}


@contextmanager
def carried(space: ResolvedSpace) -> Iterator[list[Path]]:
    """Within: a folder with the files that ``space`` names, if it names any. With a training
    function go the modules beside it, which it may import."""
    models = {str(space.baseline.get("model", ""))}
    for parameter in space.parameters:
        if parameter.name == "model" and isinstance(parameter, Categorical):
            models.update(map(str, parameter.choices))
    with tempfile.TemporaryDirectory(prefix="sharpsearch-") as scratch:
        folder = Path(scratch, CARRIED)
        for spec in models:
            _gather(spec, folder, with_neighbours=False)
        _gather(str(space.baseline.get(TRAIN, "")), folder, with_neighbours=True)
        yield [folder] if folder.exists() else []


def _gather(spec: str, folder: Path, with_neighbours: bool) -> None:
    """Copies its file, if it names one, into a folder of ``folder`` that its content names."""
    found = located(spec)
    if found is None:
        return
    path, digest = found
    there = folder / digest
    there.mkdir(parents=True, exist_ok=True)
    if with_neighbours and not INSTALLED & {*path.parts}:
        for module in path.parent.glob("*.py"):
            shutil.copy(module, there)
        for package in path.parent.glob("*/__init__.py"):
            name = package.parent.name
            shutil.copytree(package.parent, there / name, dirs_exist_ok=True, ignore=_NOT_CODE)
    shutil.copy(path, there)


_NOT_CODE = shutil.ignore_patterns("__pycache__", ".*")
