"""Arrays from files of a results folder: nothing is unpacked or allocated before its size is known to be true."""

from __future__ import annotations

import io
import math
import zipfile
from typing import IO, Any

import numpy as np
import numpy.lib.format as npy
import numpy.typing as npt

MOST_BYTES = 2**32
"""Of all arrays of one file, unpacked."""


def npy_array(content: bytes) -> npt.NDArray[Any]:
    """The array of an ``.npy`` file. Raises ``ValueError`` where it is none of plain numbers or text, whole."""
    _require_true(io.BytesIO(content), len(content))
    array: npt.NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    return array


def npz_arrays(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an ``.npz`` file by name. Raises ``ValueError`` where they are not plain ones, or too large."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > MOST_BYTES:
                raise ValueError(f"its arrays would take {total:,} bytes, where at most {MOST_BYTES:,} are unpacked")
            for member in members:
                with archive.open(member) as stream:
                    _require_true(stream, member.file_size)
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return dict(arrays)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as fault:
        raise ValueError(str(fault)) from fault


def _require_true(stream: IO[bytes], size: int) -> None:
    """Raise ``ValueError`` unless the header of an ``.npy`` file of ``size`` bytes states what follows it."""
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"an array of format {version} is not read")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(stream)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != size - stream.tell() or min(shape, default=0) < 0:
        raise ValueError(f"it states an array of {dtype} with shape {shape}, which is not what follows")
