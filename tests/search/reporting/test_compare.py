"""Several studies side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from search.common.errors import UserError
from search.common.statistics import accuracy_difference, mean
from search.record.record import StrategyFacts
from search.reporting.blocks import Chart, Table
from search.reporting.compare import compare_sections, comparison_frames, difference
from search.reporting.export import report_comparison
from search.reporting.study_data import StudyData, read_study
from search.strategy.verdict import WINS, Verdict
from tests.search.reporting import studies
from trainers.metrics import METRICS


@pytest.fixture
def both(tmp_path: Path) -> list[StudyData]:
    first = studies.usual_study(tmp_path, "one")
    second = studies.our_study("two", strategy=StrategyFacts("random", "none", 1))
    second.add_trials([studies.trial(0, [10.0, 20.0]), studies.trial(1, [15.0, 30.0], lr=0.3)])
    return [read_study(study, tmp_path) for study in (first, second)]


def rows(studies: list[StudyData], accuracy: float | None = None) -> dict[str, Any]:
    """Label → cells, of the table of ``studies``."""
    (section,) = compare_sections(studies, accuracy)
    table = section.blocks[0]
    assert isinstance(table, Table)
    assert table.headings == ("", *(data.name for data in studies))
    return {row.cells[0]: row.cells[1:] for row in table.rows}


def test_studies_stand_side_by_side(both: list[StudyData]) -> None:
    shown = rows(both)
    assert shown["sampler"] == ("tpe", "random")
    assert shown["trials"] == ("6", "2")
    assert shown["epochs trained"] == ("16", "4")
    assert shown["best: trial"] == ("2", "1")
    assert shown["best: validation top-1 (%)"] == ("82.00 (60.8–94.2)", "30.00 (12.5–50.9)")
    assert shown["baseline: validation top-1 (%)"] == ("70.00 (49.1–87.5)", "20.00 (9.0–45.2)")
    assert shown["best: lr"] == ("0.2", "0.3")


def test_progress_against_epochs_spent(both: list[StudyData]) -> None:
    charts = [b for s in compare_sections(both) for b in s.blocks if isinstance(b, Chart)]
    one, two = charts[0].figures[0].data
    # trials end in order: 4, 6, 10, 12, 12 and 16 epochs; 70 first, 82 with the third
    assert list(one.x) == [4, 6, 10, 12, 12, 16]
    assert list(one.y) == [70, 70, 82, 82, 82, 82]
    assert (list(two.x), list(two.y)) == ([2, 4], [20, 30])


def test_a_copy_of_another_trial_spent_nothing(tmp_path: Path) -> None:
    study = studies.our_study("three")
    study.add_trials([studies.trial(0, [10.0, 20.0]), studies.trial(1, [15.0, 30.0], lr=0.3)])
    study.add_trial(studies.trial(2, [15.0, 30.0], recorded={"copy_of": 1}, lr=0.3))
    (section,) = compare_sections([read_study(study, tmp_path)])
    *_, progress = section.blocks
    assert isinstance(progress, Chart)
    by_epoch, by_seconds = progress.figures
    assert list(by_epoch.data[0].x) == [2, 4, 4]
    assert list(by_seconds.data[0].x) == [2, 5, 5]  # CPU seconds: an epoch 1, the number more


def test_frames_carry_the_studys_name(both: list[StudyData]) -> None:
    frames = comparison_frames(both)
    assert frames["trials"]["study"].tolist() == ["one"] * 6 + ["two"] * 2
    assert list(frames["epochs"].columns[:2]) == ["study", "number"]


def test_what_it_took_to_get_as_far(both: list[StudyData]) -> None:
    """Trials end one a minute, the first after 30 s; an epoch costs a second, and the number more.
    Study one's first trials have 4, 2 and 4 epochs."""
    shown = rows(both)  # as far as both came
    took = [cells for label, cells in shown.items() if label.startswith("to validation top-1 30")]
    assert took == [("0", "1"), ("1", "2"), ("4", "4"), ("4 s", "5 s"), ("30 s", "1 min 30 s")]
    shown = rows(both, 75.0)
    assert shown["to validation top-1 75.00 %: trial"] == ("2", "not reached")
    assert shown["to validation top-1 75.00 %: epochs trained"] == ("10", "–")


def test_one_sentence_says_whether_two_studies_differ(
    tmp_path: Path, both: list[StudyData]
) -> None:
    """Best trials with 81 and 29 % of 30 test images; with 81 and 74 %."""
    one, two = both
    found = accuracy_difference(29, 81, 30)
    words = difference(one, two)
    assert words.startswith("two's best has 52.00 points less test top-1 than one's (95 % CI: −")
    assert f"{abs(found.low):.2f} to −{abs(found.high):.2f}, one run each on 30 test" in words
    assert words.endswith("they differ")
    study = studies.our_study("three")
    study.add_trial(studies.trial(0, [75.0]))
    three = read_study(study, tmp_path)
    assert difference(one, three).endswith("no significant difference")
    assert compare_sections([one, three])[0].lead == f"{difference(one, three)}."


def test_studies_that_do_not_compare_are_not_compared(
    tmp_path: Path, both: list[StudyData]
) -> None:
    data = studies.our_record().data
    other = studies.our_study("other", data=replace(data, fingerprint="else"))
    other.add_trial(studies.trial(0, [75.0]))
    assert difference(both[0], read_study(other, tmp_path)).endswith("their data differ")
    empty = studies.our_study("empty")
    empty.add_trial(studies.trial(0, [75.0], TrialState.PRUNED))
    unfinished = read_study(empty, tmp_path)
    assert difference(both[0], unfinished).endswith("not both have a completed trial")
    losses = studies.our_study("losses", objectives=("val_loss",))
    losses.add_trial(studies.trial(0, [75.0]))
    with pytest.raises(
        UserError, match="--accuracy needs studies of one objective, got val_loss, "
    ):
        compare_sections([both[0], read_study(losses, tmp_path)], 70.0)


def test_confirmed_studies_are_compared_by_their_fresh_seeds(
    both: list[StudyData], monkeypatch: pytest.MonkeyPatch
) -> None:
    """90 ± 1 and 93 ± 1 of 5 seeds each: t of 8 degrees of freedom times the error of both."""
    metric = METRICS["test_top1"]
    means = {
        "one": mean([89.0, 90.0, 91.0, 90.5, 89.5]),
        "two": mean([92.0, 93.0, 94.0, 93.5, 92.5]),
    }
    verdicts = {
        name: Verdict(WINS, metric, METRICS["val_top1"], 5, 1, chosen=chosen)
        for name, chosen in means.items()
    }
    monkeypatch.setattr(StudyData, "verdict", property(lambda data: verdicts[data.name]))
    assert difference(*both) == (
        "two's choice has 3.00 points more test top-1 than one's "
        "(95 % CI: +1.85 to +4.15, 5 and 5 evaluation seeds): they differ"
    )


def test_a_reevaluation_is_no_rival_of_its_search(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/studies.db"
    for name, record in (("a", {}), ("a-confirm", {"reevaluates": "a"})):
        study = studies.our_study(name, storage=storage, **record)
        study.add_trial(studies.trial(0, [1.0]))
    with pytest.raises(UserError, match="compare 'a' instead"):
        report_comparison(["a", "a-confirm"], storage, tmp_path, None, ("md",))
