"""The study's note and each trial's, in Markdown.

A trial's note is written once, where there is none. The study's is kept up to date until
somebody takes its last line away.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial

from search.common.secrets import command_without_secrets
from search.reporting.blocks import drop_empty_columns
from search.reporting.format import setting
from search.reporting.markdown import escaped, table_text
from search.reporting.sections.result import changed, lead, references_table, side_by_side
from search.reporting.sections.verdict import lead as verdict_lead
from search.reporting.study_data import StudyData
from search.reporting.trial_details import ending, reached
from search.storage.optuna_internals import (
    NOTE_PIECE,
    note_piece_key,
    note_version_key,
    set_study_attribute,
    study_attributes,
)

OURS = "*Kept up to date by sharpsearch. To keep a text of your own, delete this line.*"


def save_study_note(study: Study, data: StudyData) -> None:
    """Writes the study's note unless it is somebody's own, or as it was."""
    attributes = study_attributes(study)
    before, text = _note(attributes), study_note(data)
    if text != before and (not before or before.rstrip().endswith(OURS)):
        write_note(study, text, attributes)


def _note(attributes: Mapping[str, Any]) -> str:
    """The study's note among its system attributes; empty where there is none."""
    there = itertools.takewhile(lambda key: key in attributes, _piece_keys(None))
    return "".join(attributes[key] for key in there)


def write_note(
    study: Study, text: str, attributes: Mapping[str, Any], trial_id: int | None = None
) -> None:
    """Writes a note where Optuna Dashboard looks for it (its ``_note`` module). ``attributes``
    are the study's, read once for many notes.

    Done here because importing the dashboard takes seconds, and a search ends with a note.
    """
    version_key = note_version_key(trial_id)
    keys = _piece_keys(trial_id)
    for start in range(0, len(text), NOTE_PIECE):
        set_study_attribute(study, next(keys), text[start : start + NOTE_PIECE])
    while (key := next(keys)) in attributes:
        if attributes[key]:
            set_study_attribute(study, key, "")
    set_study_attribute(study, version_key, attributes.get(version_key, 0) + 1)


def has_note(attributes: Mapping[str, Any], trial_id: int) -> bool:
    return note_version_key(trial_id) in attributes


def _piece_keys(trial_id: int | None) -> Iterator[str]:
    return (note_piece_key(trial_id, i) for i in itertools.count())


def study_note(data: StudyData) -> str:
    """Result, reference figures and the command."""
    record = data.record
    title = data.name if record is None else record.space.title or data.name
    if record is not None and record.confirms:
        whose = f"Confirms study {code(record.confirms)}, whose note has the verdict."
        return f"## {escaped(title)}\n\n{whose}\n\n{OURS}\n"
    texts = (verdict_lead(data), lead(data))
    parts = [f"## {escaped(title)}", *(escaped(text) for text in texts if text)]
    for table in (side_by_side(data), references_table(data)):
        if table is not None:
            parts.append(table_text(drop_empty_columns(table)))
    if record is not None and record.provenance.command:
        command = command_without_secrets(record.provenance.command)
        parts.append(f"Goes on with:\n\n{code_block(command)}")
    parts.append(f"Files: {code(data.folder.address)}")
    return "\n\n".join([*parts, OURS]) + "\n"


def trial_note(data: StudyData, trial: FrozenTrial) -> str:
    """Why it ended, what it reached, what it changed, where its files are."""
    lines = [f"**{escaped(ending(trial))}**", *reached(data, trial)]
    if data.recipe is trial:
        lines.append("the recipe itself")
    elif data.recipe is not None:
        words = ", ".join(f"{k} = {setting(v)}" for k, v in changed(data, trial.number).items())
        lines.append(f"unlike the recipe: {escaped(words)}")
    folder = data.folder.trial(trial.number)
    if folder.is_dir():
        lines.append(f"files: {code(str(folder))}")
    return "\n".join(f"- {line}" for line in lines) + "\n"


def code(text: str) -> str:
    """``text`` as inline code, whatever backquotes are in it."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"{fence}{text}{fence}"


def code_block(text: str) -> str:
    """``text`` as an indented block, which nothing in it can close."""
    return "\n".join(f"    {line}" for line in text.splitlines())
