"""Plain arrays out of an .npz file, which may be damaged or ill-meant."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trainers.data.errors import ARRAY_DAMAGE, DataError, one_line

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Those of ``names`` that the file holds. Nothing is unpickled.

    Raises ``DataError`` when the file is not a valid .npz file.
    """
    try:
        with zipfile.ZipFile(path) as file:
            members = {info.filename: info for info in file.infolist()}
            return {
                name: _read(file, members[f"{name}.npy"])
                for name in names
                if f"{name}.npy" in members
            }
    except ARRAY_DAMAGE as error:
        raise DataError(f"{path}: not a valid .npz file: {one_line(error)}") from None
    except MemoryError as error:
        raise DataError(f"{path}: does not fit into memory: {one_line(error)}") from None


def _read(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    # The header is held against the member's size first: numpy would allocate what it claims.
    with file.open(member) as stream:
        shape, _, dtype = _HEADERS[np.lib.format.read_magic(stream)](stream)
        claimed = stream.tell() + math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise ValueError(f"{member.filename} holds Python objects, not plain numbers or text")
    if dtype.itemsize == 0 or min(shape, default=0) < 0 or claimed != member.file_size:
        raise ValueError(f"{member.filename} claims {shape} of {dtype}, which is not its size")
    with file.open(member) as stream:
        array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
        return array
