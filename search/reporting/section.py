"""What a page is made of: sections with tables, figures, pictures and facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.reporting.chart import Chart
from search.reporting.table import Table


@dataclass(frozen=True)
class Facts:
    """Names and values in two columns."""

    title: str
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Tiles:
    """A few large figures in a row: name, value, a word on it."""

    items: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Picture:
    """An image file shown as it is."""

    key: str
    title: str
    path: Path


@dataclass(frozen=True)
class Interactive:
    """A plotly figure, as a mapping, that only the page can show."""

    key: str
    title: str
    figure: Mapping[str, Any]
    caption: str = ""


Block = Table | Chart | Facts | Tiles | Picture | Interactive


@dataclass(frozen=True)
class Section:
    """``key`` is its address on the page; ``lead`` one sentence on what is seen."""

    key: str
    title: str
    blocks: tuple[Block, ...]
    lead: str = ""


def section(key: str, title: str, blocks: Sequence[Block | None], lead: str = "") -> Section | None:
    """A section of the blocks that there are; None when there is nothing to show."""
    there = tuple(block for block in blocks if block is not None)
    return Section(key, title, there, lead) if there else None
