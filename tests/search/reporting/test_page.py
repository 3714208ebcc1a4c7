"""The page: one file that needs nothing else, and whatever a user named things, text."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shlex
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from plotly.offline import get_plotlyjs

from search.common.layout import StudyFolder
from search.record.record import Provenance
from search.reporting.page import make_page
from search.reporting.sections import sections_of
from search.reporting.sections.trials import trial_details, trials_table
from search.reporting.study_data import read_study
from tests.search.reporting import studies

EVIL = "<script>alert(1)</script>&\"'</style>"


class Elements(HTMLParser):
    """Tags, and what links to the outside."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


def page_of(study: Any, results_dir: Path) -> str:
    data = read_study(study, results_dir, "sqlite:///s.db")
    return make_page(data.name, "", sections_of(data), trial_details(data))


@pytest.fixture(scope="module")
def usual_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("usual")
    return page_of(studies.usual_study(folder), folder)


def figures_of(page: str) -> dict[str, Any]:
    return read_json(page, "figures")


def read_json(page: str, name: str) -> dict[str, Any]:
    pattern = rf'<script type="application/json" id="{name}">(.*?)</script>'
    found = re.search(pattern, page, re.S)
    assert found is not None
    return json.loads(found[1])


def parsed(page: str) -> Elements:
    elements = Elements()
    elements.feed(page)
    return elements


def test_the_page_opens_offline(usual_page: str) -> None:
    elements = parsed(usual_page)
    assert all(link.startswith(("#", "data:")) for link in elements.links)
    assert "link" not in elements.tags or all("http" not in link for link in elements.links)
    assert elements.tags.count("script") == 4


def test_all_sections_stand_in_order(usual_page: str) -> None:
    keys = re.findall(r'<section id="([\w-]+)">', usual_page)
    assert keys == [
        *("overview", "trials", "parameters", "curves", "cost", "evaluation", "evidence"),
        *("failures", "search", "breakdowns", "provenance"),
    ]


def test_every_figure_has_a_place_and_every_place_a_figure(usual_page: str) -> None:
    places = re.findall(r'class="plot[^"]*" id="([\w-]+)"', usual_page)
    assert sorted(places) == sorted(figures_of(usual_page))
    assert len(places) == len(set(places))


def test_names_of_users_are_texts(tmp_path: Path) -> None:
    space = replace(studies.our_record().space, name=EVIL, title=EVIL, source=EVIL)
    study = studies.our_study(name=EVIL, space=space)
    study.add_trial(studies.trial(0, [1.0, 2.0, 3.0, 4.0]))
    study.add_trial(studies.trial(1, [1.0], TrialState.FAIL, reason=EVIL))
    folder = StudyFolder(tmp_path, EVIL)
    studies.write_evaluation(folder, 0, classes=(EVIL, "b", "c"))
    page = page_of(study, tmp_path)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert parsed(page).tags.count("script") == 4
    labels = figures_of(page)["confusion-0"]["layout"]["xaxis"]["ticktext"]
    assert labels[0].startswith("&lt;script&gt;")  # plotly reads a little HTML


def test_passwords_of_a_command_are_not_shown(tmp_path: Path) -> None:
    command = "python -m search.run --storage postgresql://me:geheim@host/db?password=geheim"
    study = studies.our_study(provenance=Provenance(command, "mysql://u:geheim@h/d"))
    study.add_trial(studies.trial(0, [1.0]))
    page = page_of(study, tmp_path)
    assert "geheim" not in page
    assert "postgresql://me:***@host/db" in page


def test_figures_hold_the_trials(usual_page: str) -> None:
    figures = figures_of(usual_page)
    accuracy = {trace["name"]: trace for trace in figures["curves-0"]["data"] if trace["name"]}
    assert accuracy["best, trial 2"]["y"] == [50, 70, 80, 82]
    assert accuracy["baseline, trial 0"]["x"] == [1, 2, 3, 4]
    assert accuracy["pruned"]["y"] == [20, 30, None, 10, None]
    line, completed, baseline, best = figures["history-0"]["data"]
    assert (line["x"], line["y"]) == ([4, 6, 10, 12, 12, 16], [70, 70, 82, 82, 82, 82])
    assert [trace["y"] for trace in (completed, baseline, best)] == [[76], [70], [82]]
    assert figures["curves-0"]["layout"]["yaxis"]["title"]["text"] == "validation top-1 (%)"


def test_rates_and_the_best_so_far_are_steps(usual_page: str) -> None:
    figures = figures_of(usual_page)
    (rates,) = (f for f in figures.values() if titled(f) == "learning rate")
    assert {trace["line"]["shape"] for trace in rates["data"]} == {"hv"}
    assert figures["history-0"]["data"][0]["line"]["shape"] == "hv"


def titled(figure: dict[str, Any]) -> str:
    return figure["layout"]["yaxis"].get("title", {}).get("text", "")


def test_no_figure_has_what_json_has_not(usual_page: str) -> None:
    values = [v for trace in figures_of(usual_page)["curves-0"]["data"] for v in trace["y"]]
    assert all(value is None or isinstance(value, (int, float)) for value in values)
    assert "NaN" not in json.dumps(values)


def test_the_page_has_plotly_whole_and_packed(usual_page: str) -> None:
    found = re.search(
        r'<script type="application/gzip" id="plotly">(.*?)</script>', usual_page, re.S
    )
    assert found is not None
    assert gzip.decompress(base64.b64decode(found[1])).decode() == get_plotlyjs()
    assert len(usual_page) < 2_200_000


def test_every_point_of_a_trial_says_whose_it_is(usual_page: str) -> None:
    figures = figures_of(usual_page)
    curves = {trace["name"]: trace for trace in figures["curves-0"]["data"] if trace["name"]}
    assert curves["best, trial 2"]["meta"] == 2
    assert curves["pruned"]["customdata"] == [1, 1, None, 3, None]
    assert figures["history-0"]["data"][1]["customdata"] == [5]
    lines = [trace for trace in figures["parallel-0"]["data"] if "meta" in trace]
    drawn = {trace["meta"]: float(trace["customdata"][0][1]) for trace in lines}
    assert drawn == {0: 70.0, 1: 30.0, 2: 82.0, 3: 10.0, 5: 76.0}
    for figure in (figures["timeline-0"], figures["slices-0"]):
        numbers = [n for trace in figure["data"] for n in trace["customdata"]]
        assert set(numbers) >= {0, 1, 2, 3, 5}


def test_details_of_a_trial(tmp_path: Path) -> None:
    study = studies.usual_study(tmp_path, name="a b")
    details = read_json(page_of(study, tmp_path), "details")
    pruned = details["trials"]["1"]
    assert pruned["lines"][:2] == ["pruned at epoch 2 of 4", "validation top-1 30.00 % at epoch 2"]
    assert pruned["differs"] == [["lr", "0.1", "0.01"], ["width", "2", "1"]]
    assert (pruned["epochs"], pruned["values"]) == ([1, 2], [20, 30])
    assert details["trials"]["3"]["values"] == [10, None]
    command = shlex.split(details["command"] + "1")
    assert command[:5] == ["python", "-m", "search.replay", "--study-name", "a b"]
    assert command[5:] == [
        "--storage", "sqlite:///s.db", "--results-dir", str(tmp_path), "--trial", "1",
    ]  # fmt: skip
    assert not details["trials"]["4"]["replays"]  # it has no epoch


def test_a_very_large_study_lists_its_best_trials_and_the_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[trials_table.__module__], "MOST_TRIALS", 2)
    data = read_study(studies.usual_study(tmp_path), tmp_path)
    assert list(trial_details(data)["trials"]) == [2, 5, 0]
    table = trials_table(data)
    assert table is not None
    assert "3 of 6 trials" in table.caption
