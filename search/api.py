"""Three calls from Python, in a notebook too: search a space, train one setting, read a study.

    from search.api import load, search, train

    result = search("wrn_sam", n_trials=20, set={"depth": 16}, range={"lr": (0.01, 0.1)})
    result.verdict, result.best.params, result.trials
    train("wrn_sam", set={"depth": 16, **result.best.params}).model
    load("wrn_sam-quick").report("html")

A space is a name, the path of a ``.py`` file or a ``spaces.space.Space``. Keywords are the flags of
``search.run`` and ``search.train`` with underscores, their defaults and rules the same; ``--help``
lists them. What a user can mend is raised as ``search.common.errors.UserError``,
``spaces.params.SpaceError`` or ``trainers.validators.ConfigError``, all of them ``ValueError``; an
unknown keyword as ``TypeError``. What ends a search in its midst is a
``search.common.errors.SearchError``.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search import run as run_command
from search import train as train_command
from search.common.layout import FEATURE_MAPS
from search.common.locations import default_storage, results_folder
from search.settings.run_settings import RunSettings, StudySettings

if TYPE_CHECKING:
    from search.reporting.search_result import SearchResult
    from search.reporting.train_result import TrainResult
    from spaces.space import Space


def search(space: str | Path | Space, **flags: Any) -> SearchResult:
    """Search a space, or resume the study, as ``python -m search.run`` does: until its total, the
    ``timeout`` or an interruption, which ``ended`` of the result says. Progress is saved; call it
    again to resume."""
    from search.reporting.search_result import SearchResult
    from search.reporting.study_data import read_study
    from search.settings.request import make_request
    from search.terminal.notebook import make_console
    from search.terminal.plain_line import say
    from search.workers.ray_internals import refuse_other_ray

    started = time.monotonic()
    request = make_request(RunSettings.of_keywords({"space": space, **flags}))
    refuse_other_ray()
    console = make_console()
    say(console, f"{request.space.definition.name}: {request.preset_reason}")
    outcome = run_command.search(request, console, started)
    data = read_study(outcome.study, request.folder.results_dir, request.storage)
    return SearchResult(outcome.study, data, outcome.ended)


def train(space: str | Path | Space, **flags: Any) -> TrainResult:
    """Trains the space's baseline, or what ``set`` makes of it, as ``python -m search.train`` does.

    Raises ``trainers.epoch_result.DivergedError``; with ``resume=True`` continues after an
    interruption.
    """
    from search.reporting.train_result import TrainResult
    from search.terminal.evaluation_tables import draw_maps
    from search.terminal.notebook import make_console
    from search.terminal.training import train_with_bars

    settings = train_command.TrainSettings.of_keywords({"space": space, **flags})
    console = make_console()
    single, run = train_command.begin(settings, console)
    train_with_bars(console, run, single.config.epochs)
    result = TrainResult.of(run)
    draw_maps(console, run.trainer, run.data, settings.feature_maps, run.folder / FEATURE_MAPS)
    return result


def load(
    study_name: str | None = None,
    storage: str | None = None,
    results_dir: Path | str | None = None,
) -> SearchResult:
    """Return the study as it is now, also while a search runs; without a name, the storage's only
    one. Storage and results folder default to the commands' own."""
    from search.reporting.search_result import read_result
    from search.storage.storage import watched

    where = StudySettings.of_keywords({"storage": storage, "results_dir": results_dir})
    folder = results_folder(where.results_dir)
    url = where.storage or default_storage(folder)
    with watched(url):
        return read_result(study_name, url, folder)
