"""In which formats a report can be had."""

from __future__ import annotations

from search.common.errors import UserError

FORMATS = ("csv", "parquet", "xlsx", "md", "html")


def parse_formats(text: str) -> tuple[str, ...]:
    """``"csv,html"`` → ``("csv", "html")``. Raises ``UserError`` for others."""
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if name not in FORMATS:
            raise UserError(f"--format takes {', '.join(FORMATS)}, got {name!r}")
    if not names:
        raise UserError(f"--format must name at least one of {', '.join(FORMATS)}")
    return names
