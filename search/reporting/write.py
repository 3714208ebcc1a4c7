"""Writes what was asked for of studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from search.common.errors import UserError, one_line
from search.common.layout import safe_name
from search.reporting.blocks import Section
from search.reporting.compare import compare_sections, comparison_frames
from search.reporting.export import TABLE_FORMATS, Frames
from search.reporting.markdown import write_markdown
from search.reporting.page import make_page
from search.reporting.sections import sections_of
from search.reporting.study_data import StudyData, read_study
from search.reporting.trial_details import trial_details
from search.storage.storage import load_study

Paths = list[Path]


def write_study(data: StudyData, storage: str, out: Path | None, formats: Sequence[str]) -> Paths:
    """The report of one study, in ``out`` or its own folder."""
    if data.record is not None and data.record.confirms:
        raise UserError(
            f"study {data.name!r} is the confirmation of {data.record.confirms!r}; "
            f"its verdict is in the report of --study-name {data.record.confirms}"
        )
    frames = {"trials": data.trials, "epochs": data.epochs}
    sections = sections_of(data) if {"md", "html"} & set(formats) else []
    details = trial_details(data, storage) if "html" in formats else None
    folder = out or data.folder.report
    return write(data.name, subtitle(data), frames, sections, folder, formats, details)


def report_comparison(
    names: Sequence[str],
    storage: str,
    results_dir: Path,
    out: Path | None,
    formats: Sequence[str],
    accuracy: float | None = None,
) -> Paths:
    """Several studies side by side; ``accuracy`` as in ``compare_sections``."""
    studies = [read_study(load_study(name, storage), results_dir) for name in dict.fromkeys(names)]
    if len(studies) < 2:
        raise UserError(f"--compare needs at least two studies, got {', '.join(names)}")
    folder = out or results_dir / "compare" / safe_name(" ".join(data.name for data in studies))
    title = " · ".join(data.name for data in studies)
    words = f"{len(studies)} studies side by side"
    sections = compare_sections(studies, accuracy)
    return write(title, words, comparison_frames(studies), sections, folder, formats)


def write(
    title: str,
    words: str,
    frames: Frames,
    sections: Sequence[Section],
    folder: Path,
    formats: Sequence[str],
    details: Mapping[str, Any] | None = None,
) -> Paths:
    """The files in ``formats``, in ``folder``. Raises ``UserError`` where they cannot be."""
    paths: Paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in formats:
            if name in TABLE_FORMATS:
                paths += TABLE_FORMATS[name](frames, folder)
            elif name == "md":
                paths += write_markdown(title, words, sections, folder)
            elif name == "html":
                paths.append(folder / "index.html")
                paths[-1].write_text(make_page(title, words, sections, details), encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"cannot write to {str(folder)!r}: {one_line(error)}; choose another with --out"
        ) from None
    return paths


def subtitle(data: StudyData) -> str:
    """What was searched, how, and whether it still runs."""
    record, parts = data.record, []
    if record is not None:
        strategy = record.strategy
        parts = [
            record.space.title,
            f"{record.space.preset} preset",
            "" if record.data.name in record.space.title else f"on {record.data.name}",
            f"sampler {strategy.sampler}, pruner {strategy.pruner}",
        ]
    parts.append("still running" if data.is_running else "")
    return " · ".join(part for part in parts if part)
