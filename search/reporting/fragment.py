"""A report's table in the HTML of a notebook."""

from __future__ import annotations

from html import escape

import pandas as pd

from search.reporting.blocks import Table


def html_table(table: Table) -> str:
    """As pandas shows its own, with title and caption below; every text is escaped."""
    frame = pd.DataFrame([row.cells for row in table.rows], columns=list(table.headings))
    with pd.option_context("display.max_colwidth", None):  # no text is cut
        rows = frame.to_html(index=False)
    words = " ".join(filter(None, (f"{table.title}.", table.caption)))
    return f"{rows}\n<p>{escape(words)}</p>"
