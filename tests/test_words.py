"""What users read is in the field's words: retired ones come back neither in code nor in text."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

from search.cli import COMMANDS
from search.settings.setting import Settings, make_parser

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("search", "spaces", "trainers")
RETIRED = {  # a pattern, and what to say instead
    r"recipes?": "baseline",
    r"ledgers?": "trial runner",
    r"luck": "noise, not significant",
    r"may be chance": "not significant",
    r"No difference was shown": "No significant difference",
    r"fitness": "node requirements",
    r"(by|went) lot": "at random",
    r"told(?! apart)": "finished, reported, informed",
    r"(go|goes|going|gone|went) on": "resume, continue",
    r"the same (call|command)( again)? (continues|resumes)": "rerun to resume",
    r"in hand": "running",
    r"spared": "saved",
    r"seeds (that|which|by which) (choose|judge)": "selection seeds, evaluation seeds",
    r"as asked": "as the flag or keyword says, with its name",
    r"(what|which) it cost": "compute",
    r"workers' time": "worker time",
    r"time on the clock": "wall time",
    r"(epochs|MACs|multiply-accumulates|seconds) an? (image|trial)": "per image, per trial",
    r"batch means / images": "sum of batch means / N",
    r"what is improved": "metric to optimise",
    r"earlier ones' together": "including earlier runs",
    r"it may be running": "works on running studies",
    r"leave that out": "skip",
    r"(epochs|is \S+) straight": "uninterrupted",
    r"mass off the label": "label-smoothing factor",
    r"the later it came": "colour = trial number",
    r"where it was cut": "pruning epoch",
    r"trainer's seed": "training seed",
    r"ended for another reason": "failed, diverged",
    r"hangs on": "depends on",
}


def found_in(texts: Iterable[tuple[str, str]]) -> list[str]:
    """Returns a line for each retired word of the texts, which come with where they are from."""
    return [
        f"{place}: {match[0]!r}; say {instead!r}"
        for place, text in texts
        for pattern, instead in RETIRED.items()
        for match in re.finditer(rf"\b{pattern}\b", " ".join(text.split()), re.IGNORECASE)
    ]


def files(*patterns: str) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        paths = sorted(REPOSITORY.glob(pattern))
        assert paths, f"no file fits {pattern}"
        yield from ((str(path.relative_to(REPOSITORY)), path.read_text()) for path in paths)


def literals(place: str, code: str) -> Iterator[tuple[str, str]]:
    """Yields the strings of a module that are no docstrings, f-strings with their gaps as {}."""
    tree = ast.parse(code)
    nodes = list(ast.walk(tree))
    skipped: set[ast.AST] = set()
    for node in nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(node.value)
        if isinstance(node, ast.JoinedStr):
            skipped.update(node.values)
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
            yield f"{place}:{node.lineno}", "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and node not in skipped:
            yield f"{place}:{node.lineno}", str(node.value)


def test_documents_and_the_pages_templates() -> None:
    documents = files(
        "README.md", "docs/*.md", "docs/*.ipynb", "docs/own_code/*.py", "results/README.md"
    )
    assert found_in([*documents, *files("search/reporting/templates/*")]) == []


def test_strings_in_the_code() -> None:
    modules = files(*(f"{package}/**/*.py" for package in PACKAGES))
    assert found_in(text for module in modules for text in literals(*module)) == []


def test_help_of_every_command() -> None:
    texts = []
    for name in COMMANDS:
        module = import_module(f"search.{name.replace('-', '_')}")
        kinds = [
            kind
            for _, kind in inspect.getmembers(module, inspect.isclass)
            if issubclass(kind, Settings) and vars(kind).get("command")
        ]
        assert kinds, f"no settings of {name}"
        texts += [(f"{name} --help", make_parser(kind).format_help()) for kind in kinds]
    assert found_in(texts) == []
