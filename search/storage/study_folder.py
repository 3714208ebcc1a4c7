"""A study knows its own folder by a random token that its record and its folder both hold.

Drivers of one study know of each other by locks in one folder, and find its checkpoints there. A
folder of the same path on another machine, or a fresh one on another disk, has another token or
none. The token moves with a folder that is moved.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from search.common.errors import UserError
from search.common.layout import TOKEN, StudyFolder
from trainers.atomic_files import write_atomically


def check_folder(folder: StudyFolder, recorded: str, token: str) -> None:
    """Raises ``UserError`` unless ``folder`` is the one that the study's record names: by
    ``token``, in studies of the first release, which had none, by the path ``recorded`` (a folder
    that is gone was moved). Both are empty while the study has no record. Writes nothing."""
    ours = folder.path.resolve()
    if token:
        same = _token_in(folder.token) == token
    else:
        same = not recorded or Path(recorded) == ours or not Path(recorded).is_dir()
    if same:
        return
    here = Path(recorded).is_dir() and (not token or _token_in(Path(recorded) / TOKEN) == token)
    place, remedy = "", f"give --results-dir {str(Path(recorded).parent)!r}"
    if not here:
        place, remedy = " on another machine or disk", f"share that folder, then {remedy}"
    raise UserError(
        f"study {folder.study_name!r} keeps its trials in {recorded!r}{place}, not in "
        f"{str(ours)!r}; {remedy}, or choose another --study-name"
    )


def claim_folder(folder: StudyFolder, recorded: str, token: str) -> str:
    """Checks ``folder`` as ``check_folder`` does, and returns the token for the study's record.

    To be called while the study's drivers are kept from claiming. The folder has the token before
    the record: a crash in between leaves it to be found.
    """
    check_folder(folder, recorded, token)
    found = token or _token_in(folder.token)
    if not found:
        found = uuid.uuid4().hex
        folder.path.mkdir(parents=True, exist_ok=True)
        write_atomically(folder.token, found.encode())
    return found


def _token_in(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
