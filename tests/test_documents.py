"""What the documents quote of the examples is what the examples are."""

from __future__ import annotations

import difflib
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_the_lesson_is_the_difference() -> None:
    names = ("vit_script.py", "vit_task.py")
    before, after = ((DOCS / "own_code" / name).read_text().splitlines() for name in names)
    difference = "\n".join(difflib.unified_diff(before, after, *names, lineterm="", n=2))
    page = (DOCS / "own-code.md").read_text()
    assert f"```diff\n{difference}\n```" in page
    assert f"```python\n{(DOCS / 'own_code' / 'vit.py').read_text().strip()}\n```" in page
