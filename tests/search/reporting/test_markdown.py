"""The Markdown report: tables that hold, texts that stay texts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from search.reporting.markdown import code, escaped, to_markdown
from search.reporting.sections import sections_of
from search.reporting.study_data import read_study
from tests.search.reporting import studies


def test_special_characters_are_texts() -> None:
    for text in ("a|b", "*x*", "<b>", "`c`", "[l](http://x)", "# h", "~~s~~", "a\\b", "$x$", "_i_"):
        html = MarkdownIt("commonmark").enable("table").render(f"x {escaped(text)}")
        assert re.sub(r"&lt;|&gt;", "", html).count("<") == 2, html  # the paragraph alone


def test_line_breaks_do_not_end_a_row() -> None:
    assert escaped("one\ntwo\r\nthree") == "one two three"


def test_every_table_is_a_table_and_commands_are_code(tmp_path: Path) -> None:
    data = read_study(studies.usual_study(tmp_path, name="a|b <i>"), tmp_path)
    sections = sections_of(data)
    text = to_markdown(data.name, "", sections)
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert "<h1>a|b &lt;i&gt;</h1>" in html
    tables = sum(type(block).__name__ in ("Table", "Facts") for s in sections for block in s.blocks)
    assert html.count("<table>") == tables
    assert "<pre><code>python -m search.replay" in html
    assert "Curves" not in text  # there are figures alone


@pytest.mark.parametrize("text", ["plain", "a`b", "a``b", "`", "results/`x`"])
def test_code_holds_any_text(text: str) -> None:
    assert f"<code>{text}</code>" in MarkdownIt().render(code(text))
