"""What the documents quote of the examples is what the examples are, and files they name exist."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
FILE = re.compile(r"\b(?:tests|search|trainers|spaces|benchmarks)/[\w/]+\.py\b")


def test_the_lesson_is_the_difference() -> None:
    names = ("vit_script.py", "vit_task.py")
    before, after = ((DOCS / "own_code" / name).read_text().splitlines() for name in names)
    difference = "\n".join(difflib.unified_diff(before, after, *names, lineterm="", n=2))
    page = (DOCS / "own-code.md").read_text()
    assert f"```diff\n{difference}\n```" in page
    assert f"```python\n{(DOCS / 'own_code' / 'vit.py').read_text().strip()}\n```" in page


def test_files_that_are_named_exist() -> None:
    pages = [*DOCS.glob("*.md"), REPOSITORY / "README.md", REPOSITORY / "results" / "README.md"]
    named = {name for page in pages for name in FILE.findall(page.read_text())}
    missing = {name for name in named if not (REPOSITORY / name).is_file()}
    assert {name for name in missing if not Path(name).name.startswith("my_")} == set()
