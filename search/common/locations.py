"""What ``--results-dir``, ``--storage`` and ``--data-dir`` name, and what they are by default.

Results at a URL are mirrored by a folder in the user's cache.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from contextlib import suppress
from pathlib import Path

from search.common.errors import UserError, one_line
from search.common.file_store import RemoteFolder
from search.common.layout import BEST_WEIGHTS, DEFAULT_RESULTS, ORIGIN, origin_of, safe_name
from search.common.secrets import without_secrets
from trainers.atomic_files import write_atomically

PROBE = ".sharpsearch-probe"
REMEDY = "check bucket, endpoint and credentials, or name another --results-dir"


def cache_dir() -> str:
    """Return this user's cache folder of the search."""
    return f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/sharpsearch"


def default_data_dir() -> str:
    """Return SHARPSEARCH_DATA, else a folder in the user's cache."""
    return os.environ.get("SHARPSEARCH_DATA") or cache_dir()


def default_storage(results_dir: Path) -> str:
    """Return the SQLite database of a results folder, as an Optuna URL. Raises ``UserError`` where
    results lie at a URL: no SQLite file can."""
    if origin := origin_of(results_dir):
        raise UserError(
            f"--results-dir {origin} needs a database server beside it, which --storage names: "
            "postgresql+psycopg://… or mysql://…"
        )
    path = str(results_dir / "studies.db").replace("%", "%25").replace("?", "%3F")
    return f"sqlite:///{path}"


def where(storage: str, results_dir: Path) -> str:
    """Return the flags that lead another command to the studies; none that it would guess."""
    flags = ""
    origin, guessed = origin_of(results_dir), os.environ.get("OPTUNA_STORAGE")
    if storage != (guessed or (not origin and default_storage(results_dir))):
        flags += f" --storage {shlex.quote(without_secrets(storage))}"
    if results_dir != DEFAULT_RESULTS:
        flags += f" --results-dir {shlex.quote(origin or str(results_dir))}"
    return flags


def results_folder(given: str | Path, write: bool = False) -> Path:
    """Return the folder that ``--results-dir`` names: itself or, of a URL, the one here that
    mirrors it.

    Raises ``UserError`` for a URL with a password, one whose place cannot be reached or, where
    ``write``, not be written to.
    """
    url = str(given)
    if "://" not in url:
        return Path(given)
    if url != without_secrets(url):
        raise UserError(
            f"--results-dir must not hold a password, got {without_secrets(url)!r}; put it into "
            "the store's own variables, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    _look(RemoteFolder(url, patience=0), write)
    address = url.partition("?")[0]
    folder = Path(cache_dir()).expanduser() / "results" / f"{_readable(address)}-{_digest(url)}"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / ORIGIN, url.encode())
    return folder


def fetched(checkpoint: str) -> Path:
    """Return a checkpoint, or the folder of one, that lies here: of one at a URL, the folder of a
    copy. Raises ``UserError``."""
    address, mark, query = checkpoint.partition("?")
    if "://" not in address:
        return Path(checkpoint)
    parent, _, name = address.removesuffix(f"/{BEST_WEIGHTS}").rpartition("/")
    folder = results_folder(f"{parent}{mark}{query}") / safe_name(name)
    folder.mkdir(exist_ok=True)
    try:
        remote = RemoteFolder(f"{parent}{mark}{query}", name, patience=0)
        remote.fetch(BEST_WEIGHTS, folder / BEST_WEIGHTS)
    except OSError:
        raise UserError(f"no such checkpoint: {checkpoint}") from None
    return folder


def _look(remote: RemoteFolder, write: bool) -> None:
    try:
        if write:
            remote.write(PROBE, b"")
            remote.remove(PROBE)
        else:
            with suppress(FileNotFoundError):
                remote.read(PROBE)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"--results-dir {remote.url}: {one_line(error)}; {REMEDY}") from None


def _readable(address: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", address)[:60]


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:8]
