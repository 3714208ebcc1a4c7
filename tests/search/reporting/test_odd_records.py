"""Whatever JSON a study holds, its report is made or refused in one line."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution, distribution_to_json
from optuna.study import Study

from search.common.errors import UserError
from search.common.layout import StudyFolder
from search.record.record import RECORD
from search.reporting import dashboard_notes
from search.reporting.export import write
from search.reporting.sections import sections_of
from search.reporting.study_data import read_study
from tests.fuzzing import JSON, fuzzed
from tests.search.reporting import studies

LR = distribution_to_json(FloatDistribution(0.1, 1, log=True))
WHOLE: dict[str, Any] = json.loads(json.dumps(studies.our_record().to_dict())) | {
    "reevaluation": {"settings": 2, "choosing": [1, 2], "judging": [3, 4]},
    "lr_range": {"low": 0.1, "high": 0.5, "suggestion": 0.2, "start": 1e-5, "end": 1.0, "steps": 9},
    "starts": [{"study": "x", "trial": 1, "params": {"lr": 0.1}}],
}
WHOLE["space"] |= {"parameters": {"lr": LR}, "conditions": {"lr": {"width": [1]}}}
WHOLE["space"] |= {"ranges": {"lr": [0.1, 0.5]}}


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The keys that lead to each part."""
    yield above
    parts = enumerate(value) if isinstance(value, list) else getattr(value, "items", tuple)()
    for key, part in parts:
        yield from places(part, (*above, key))


PLACES = tuple(places(WHOLE))


def changed(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    found = copy.copy(value)
    found[place[0]] = changed(value[place[0]], place[1:], new)
    return found


def report_on(study: Study, folder: Path) -> str:
    """Makes all of it; the line that refuses it, "" where there is none."""
    try:
        data = read_study(study, folder)
        write("odd", "", data.tables, sections_of(data), folder / "out", ("csv", "md"))
        if data.record is not None:
            dashboard_notes.study_note(data)
            dashboard_notes.figures_of(data)
    except UserError as error:
        return str(error)
    return ""


def test_the_record_that_is_changed_has_a_report(tmp_path: Path) -> None:
    study = studies.usual_study(tmp_path)
    study.set_user_attr(RECORD, WHOLE)
    assert report_on(study, tmp_path) == ""


@pytest.mark.filterwarnings("ignore")
@fuzzed(20)
@given(place=st.sampled_from(PLACES), new=JSON)
def test_any_record_has_a_report_or_one_line(place: tuple[Any, ...], new: Any) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        study = studies.usual_study(Path(scratch))
        study.set_user_attr(RECORD, changed(WHOLE, place, new))
        assert "\n" not in report_on(study, Path(scratch))


ATTRIBUTES = (
    "ended_by",
    "reason",
    "copy_of",
    "retry_of",
    "continues",
    "confirmed",
    "node",
    "trained_on",
    "target",
    "paused_at",
    "graph",
    "enqueued_from",
    "wall_seconds",
    "seconds_per_epoch",
    "parameters",
    "macs",
    "test_top1",
    "test_loss",
    "best_epoch",
    "peak_memory_mb",
    "cpu_seconds",
    "val_top1",
    "number",
    "state",
    "seed",
    "epoch",
    "value",
)


@pytest.mark.filterwarnings("ignore")
@fuzzed(8)
@given(
    number=st.integers(0, 5),
    new=st.dictionaries(st.sampled_from(ATTRIBUTES), JSON, min_size=1, max_size=3),
)
def test_any_attributes_of_trials_have_a_report_or_one_line(
    number: int, new: dict[str, Any]
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        trials = copy.deepcopy(studies.usual_study(Path(scratch)).trials)
        trials[number].user_attrs.update(new)
        study = studies.our_study()
        study.add_trials(trials)
        assert "\n" not in report_on(study, Path(scratch))


CONTENTS = st.text(max_size=60) | st.lists(
    st.sampled_from(
        ["epoch", "number", "val_top1", "epoch", ",", ",", "1", "nan", "1e999", "\n", '"']
    )
).map("".join)


@pytest.mark.filterwarnings("ignore")
@fuzzed(8)
@given(history=CONTENTS, test=CONTENTS | JSON.map(str), sweep=CONTENTS, cells=JSON)
def test_any_files_of_a_study_have_a_report(
    history: str, test: str, sweep: str, cells: Any
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        study = studies.usual_study(Path(scratch))
        study.set_user_attr(RECORD, WHOLE)
        folder = StudyFolder(Path(scratch), study.study_name)
        folder.history(2).write_text(history, encoding="utf-8", errors="replace")
        content = json.dumps({"classes": ["a", "b"], "cells": cells}) if cells else test
        folder.evaluation(2).write_text(content, encoding="utf-8", errors="replace")
        folder.lr_range.write_text(sweep, encoding="utf-8", errors="replace")
        assert report_on(study, Path(scratch)) == ""
