"""What lies in folders beside the histories: the range test's curve, feature maps."""

from __future__ import annotations

import base64
import math
from pathlib import Path

import pytest

from search.common.layout import StudyFolder
from search.record.record import LRRangeFacts, ReferenceFigure
from search.reporting.page import make_page
from search.reporting.sections import sections_of
from search.reporting.sections.parameters import lr_range_chart
from search.reporting.study_data import StudyData, read_study
from tests.search.reporting import studies


def data_with_curve(folder: Path, text: str | None) -> StudyData:
    found = LRRangeFacts(low=0.0003, high=0.03, suggestion=0.003)
    reference = ReferenceFigure("suggested_lr", 5e-3, "C")
    study = studies.our_study(lr_range=found, references=(reference,))
    study.add_trial(studies.trial(0, [1.0, 2.0]))
    path = StudyFolder(folder, "study").lr_range
    if text is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_study(study, folder)


def test_the_range_test_is_drawn_with_what_was_taken(tmp_path: Path) -> None:
    rows = [f"{10 ** (-5 + i / 10)},{2.3 + 0.01 * i},{2.3 - 0.02 * i}" for i in range(40)]
    rows.append(f"1.0,{math.inf},1e9")  # the loss explodes at the end, by design
    text = "\n".join(["lr,loss,smoothed_loss", *rows]) + "\n"
    drawn = lr_range_chart(data_with_curve(tmp_path, text))
    assert drawn is not None
    (figure,) = drawn.figures
    names = [trace.name for trace in figure.data]
    assert names == ["loss", "smoothed loss", "falls fastest: 0.003", "published: 0.005"]
    assert figure.layout.xaxis.type == "log"
    low, high = figure.layout.yaxis.range
    assert low < 1.6 < 2.3 < high < 4
    assert drawn.caption == "lr was searched from 0.0003 to 0.03."


@pytest.mark.parametrize(
    "text", [None, "", "nonsense", "lr,loss\n", "lr,loss\n0,1\n", "a,b\n1,2\n", "lr\n0.1\n"]
)
def test_without_a_whole_curve_there_is_no_figure(text: str | None, tmp_path: Path) -> None:
    assert lr_range_chart(data_with_curve(tmp_path, text)) is None


def test_feature_maps_stand_in_the_page(tmp_path: Path) -> None:
    study = studies.usual_study(tmp_path)
    content = b"\x89PNG not looked at"
    StudyFolder(tmp_path, "study").feature_maps(2).write_bytes(content)
    StudyFolder(tmp_path, "study").feature_maps(5).write_bytes(b"neither baseline nor best")
    page = make_page("study", "", sections_of(read_study(study, tmp_path)))
    assert page.count('<img src="data:image/png;base64,') == 1
    assert base64.b64encode(content).decode() in page
    assert "Feature maps: best, trial 2" in page
