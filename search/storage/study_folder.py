"""A study knows its own folder by a random token that its record and its folder both hold.

Drivers of one study know of each other by locks in one folder, and find its checkpoints there. A
folder of the same path on another machine, or a fresh one on another disk, has another token or
none. The token moves with a folder that is moved.
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path

from search.common.errors import UserError
from search.common.file_store import files_of
from search.common.layout import TOKEN, StudyFolder
from search.storage.storage import is_local_file
from trainers.atomic_files import remove_partials


def check_folder(folder: StudyFolder, url: str, recorded: str, token: str) -> None:
    """Raises ``UserError`` unless ``folder`` is the one that the study's record names, by its path
    ``recorded`` and its ``token``, both empty while there is no record. Writes nothing.

    A folder that is gone was moved or deleted, if nobody can work on the study elsewhere: the
    storage at ``url`` is a file of this machine. So it was in the first release, without tokens.
    """
    ours, found = folder.address, _token_of(folder)
    gone = recorded == ours or not Path(recorded).is_dir()
    alone = not token or (not found and is_local_file(url))
    if not recorded or (token and found == token) or (gone and alone):
        return
    here = "://" in recorded or not token or _token_in(Path(recorded) / TOKEN) == token
    place, remedy = "", f"give --results-dir {os.path.dirname(recorded)!r}"
    if not here:
        place, remedy = " on another machine or disk", f"share that folder, then {remedy}"
    if recorded == ours and "://" in ours:
        raise UserError(
            f"study {folder.study_name!r} keeps its trials in {ours!r}, where {TOKEN} is not its "
            "own any more; bring that back, or choose another --study-name"
        )
    raise UserError(
        f"study {folder.study_name!r} keeps its trials in {recorded!r}{place}, not in "
        f"{ours!r}; {remedy}, or choose another --study-name"
    )


def claim_folder(folder: StudyFolder, url: str, recorded: str, token: str) -> str:
    """Checks ``folder`` as ``check_folder`` does, and returns the token for the study's record.

    To be called while the study's drivers are kept from claiming. The folder has the token before
    the record: a crash in between leaves it to be found.
    """
    check_folder(folder, url, recorded, token)
    found = _token_of(folder)
    token = token or found or uuid.uuid4().hex
    if found != token:
        folder.path.mkdir(parents=True, exist_ok=True)
        remove_partials(folder.path)  # of a start that was killed
        files_of(folder).write(folder.token, token.encode())
    return token


def _token_of(folder: StudyFolder) -> str:
    with suppress(FileNotFoundError, NotADirectoryError):
        return files_of(folder).read(folder.token).decode().strip()
    return ""


def _token_in(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
