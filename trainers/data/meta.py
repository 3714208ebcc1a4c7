"""What is known of a prepared data set: the file meta.json in its folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from trainers.data.errors import DataError, one_line

FORMAT = 1  # of a prepared folder; a change makes all of them anew
FILE = "meta.json"


@dataclass(frozen=True)
class Meta:
    """``shapes`` are of the arrays, by name; the rest is as in ``ImageData``."""

    format: int
    name: str
    classes: tuple[str, ...]
    shapes: dict[str, tuple[int, ...]]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str

    def write(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


def read_meta(folder: Path) -> Meta:
    """The meta.json in ``folder``. Raises ``DataError`` when it is missing, torn or foreign."""
    try:
        values = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if set(values) != {item.name for item in fields(Meta)} or values["format"] != FORMAT:
            raise ValueError(f"it is not of format {FORMAT}")
        return Meta(
            format=FORMAT,
            name=str(values["name"]),
            classes=tuple(str(name) for name in values["classes"]),
            shapes={str(key): tuple(map(int, val)) for key, val in values["shapes"].items()},
            mean=tuple(map(float, values["mean"])),
            std=tuple(map(float, values["std"])),
            fingerprint=str(values["fingerprint"]),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{folder / FILE} is damaged: {one_line(error)}") from None
