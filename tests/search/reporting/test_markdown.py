"""The Markdown report: tables that hold, pictures that are there."""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt
from PIL import Image

from search.common.layout import StudyFolder
from search.reporting.chart import Chart, OptunaPlot
from search.reporting.markdown import escaped, write_markdown
from search.reporting.sections import sections_of
from search.reporting.study_data import read_study
from tests.search.reporting import studies


def test_special_characters_are_texts() -> None:
    for text in ("a|b", "*x*", "<b>", "`c`", "[l](http://x)", "# h", "~~s~~", "a\\b", "$x$", "_i_"):
        html = MarkdownIt("commonmark").enable("table").render(f"x {escaped(text)}")
        assert re.sub(r"&lt;|&gt;", "", html).count("<") == 2, html  # the paragraph alone


def test_line_breaks_do_not_end_a_row() -> None:
    assert escaped("one\ntwo\r\nthree") == "one two three"


def test_class_names_in_any_script_are_drawn(tmp_path: Path) -> None:
    study = studies.our_study()
    study.add_trial(studies.trial(0, [1.0, 2.0]))
    names = ("飞机", "$x$ {", "a\nb" * 20)
    studies.write_evaluation(StudyFolder(tmp_path, "study"), 0, classes=names)
    sections = sections_of(read_study(study, tmp_path))
    (path,) = write_markdown("study", "", sections, tmp_path / "out")
    assert "飞机" in path.read_text()
    assert (tmp_path / "out" / "pictures" / "confusion.png").is_file()


def test_every_table_is_a_table_and_every_picture_is_there(tmp_path: Path) -> None:
    study = studies.usual_study(tmp_path, name="a|b <i>")
    data = read_study(study, tmp_path)
    sections = sections_of(data)
    (path,) = write_markdown(data.name, "", sections, tmp_path / "out")
    text = path.read_text()
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert "<h1>a|b &lt;i&gt;</h1>" in html
    tables = sum(type(block).__name__ in ("Table", "Facts") for s in sections for block in s.blocks)
    assert html.count("<table>") == tables
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)
    charts = [block for s in sections for block in s.blocks if isinstance(block, Chart)]
    of_optuna = [isinstance(chart.panels[0], OptunaPlot) for chart in charts]
    drawn = sum(len(c.panels) if own else 1 for c, own in zip(charts, of_optuna, strict=True))
    assert len(pictures) == len(set(pictures)) == drawn > len(charts) > 5
    for picture in pictures:
        with Image.open(path.parent / picture) as image:
            assert image.size[0] > 400
            assert len(image.getcolors() or []) > 20  # something is drawn
