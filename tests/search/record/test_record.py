"""What a study says of itself comes back as it was written."""

from __future__ import annotations

import optuna
import pytest

from search.common.errors import UserError
from search.record.record import (
    RECORD,
    VERSION,
    DataFacts,
    LRRangeFacts,
    Provenance,
    ReevaluationFacts,
    ReferenceFigure,
    SpaceFacts,
    StartingPoint,
    StrategyFacts,
    StudyRecord,
    read_record,
    write_record,
)
from trainers.execution import Execution

FULL = StudyRecord(
    space=SpaceFacts(
        "space",
        fixed={"epochs": 4},
        baseline={"lr": 0.1},
        constraints=("small",),
        conditions={"momentum": {"optimizer": ["sgd"]}},
        ranges={"lr": [0.01, 0.5]},
    ),
    data=DataFacts("abc", classes=("a", "b"), shapes={"train_images": (9, 8, 8, 1)}),
    execution=Execution(threads=2),
    objectives=("val_loss",),
    strategy=StrategyFacts("gp", "none", 3, 9, "all", 40),
    references=(ReferenceFigure("test_top1", 84.4, "report", {"width": 1}),),
    lr_range=LRRangeFacts(0.01, 0.5, 0.1),
    starts=(StartingPoint("other", 3, {"lr": 0.2}),),
    reevaluation=ReevaluationFacts(2, (1, 2), (3, 4, 5)),
    reevaluates="search",
    gpus_per_trial=0.5,
    provenance=Provenance.here("python -m search.run"),
    folder="results/study",
)


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study()


def test_every_field_comes_back(study: optuna.Study) -> None:
    write_record(study, FULL)
    found = read_record(study)
    assert found is not None
    assert {**vars(found), "data": None} == {**vars(FULL), "data": None}
    assert {k: tuple(v) for k, v in found.data.shapes.items()} == FULL.data.shapes


def test_what_is_missing_has_its_default_and_what_is_unknown_is_left_out(
    study: optuna.Study,
) -> None:
    space = {"name": "space", "colour": "red"}
    values = {"version": VERSION, "space": space, "data": {"fingerprint": "abc"}, "execution": {}}
    study.set_user_attr(RECORD, {**values, "mood": "good"})
    expected = StudyRecord(SpaceFacts("space"), DataFacts("abc"), Execution())
    assert read_record(study) == expected


def test_a_record_of_a_newer_release_is_refused(study: optuna.Study) -> None:
    study.set_user_attr(RECORD, {"version": VERSION + 1})
    with pytest.raises(UserError, match=r"newer release .* upgrade sharpsearch"):
        read_record(study)


def test_another_programs_study_has_none(study: optuna.Study) -> None:
    study.set_user_attr("space", "ours")
    assert read_record(study) is None


def test_a_record_is_written_only_where_it_says_something_new(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_record(study, FULL)
    monkeypatch.setattr(study, "set_user_attr", None)
    write_record(study, FULL)
