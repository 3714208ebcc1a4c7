"""From a name or a path to a folder that every process can map."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

from trainers.data.build import Progress, build, locked
from trainers.data.cache import is_whole
from trainers.data.errors import DataError, one_line
from trainers.data.meta import FORMAT
from trainers.data.raw import Source
from trainers.data.sources import find_source


def prepare(
    name_or_path: str | Path, data_dir: str | Path, progress: Progress | None = None
) -> Path:
    """The prepared folder of a data set, made first if it is not there or damaged.

    ``name_or_path`` is a name in ``DATASETS``, an .npz file or an image folder; downloads and
    the cache lie in ``data_dir``. ``progress(done, total)`` counts images while decoding.
    Raises ``DataError``.
    """
    cache = Path(os.path.expanduser(data_dir)) / "cache"
    source = find_source(name_or_path, cache.parent)
    folder = cache / _key(source, cache / "memo")
    if is_whole(folder):
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with locked(cache / f"{folder.name}.lock"):
            if not is_whole(folder):  # another process may have made it meanwhile
                build(folder, source.name, source.read(), progress)
    except OSError as error:
        raise DataError(
            f"cannot write the prepared data to {cache}: {one_line(error)}; "
            "choose another data folder"
        ) from None
    return folder


def _key(source: Source, memo: Path) -> str:
    parts = json.dumps([FORMAT, source.name, source.content(memo)])
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", source.name)[:40]
    return f"{readable}-{hashlib.sha256(parts.encode()).hexdigest()[:16]}"
