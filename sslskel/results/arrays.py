"""Arrays from files of a results folder: nothing is unpacked or allocated before its size is known to be true."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from typing import IO, Any

import numpy as np
import numpy.lib.format as npy
import numpy.typing as npt

MOST_BYTES = 2**32
"""Of all arrays of one file, unpacked."""


def npy_array(content: bytes) -> npt.NDArray[Any]:
    """The array of an ``.npy`` file. Raises ``ValueError`` where it is none of plain numbers or text, whole."""
    return _array(io.BytesIO(content), len(content))


def npz_arrays(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an ``.npz`` file by name. Raises ``ValueError`` where they are not plain ones, or too large."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > MOST_BYTES:
                raise ValueError(f"its arrays would take {total:,} bytes, where at most {MOST_BYTES:,} are unpacked")
            arrays = {}
            for member in members:
                with archive.open(member) as stream:
                    arrays[member.filename.removesuffix(".npy")] = _array(stream, member.file_size)
            return arrays
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as fault:
        raise ValueError(str(fault)) from fault


def _array(stream: IO[bytes], size: int) -> npt.NDArray[Any]:
    """The array of an ``.npy`` file of ``size`` bytes. Raises ``ValueError`` where its header states something else."""
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"an array of format {version} is not read")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, by_column, dtype = read(stream)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != size - stream.tell() or min(shape, default=0) < 0:
        raise ValueError(f"it states an array of {dtype} with shape {shape}, which is not what follows")
    flat = np.empty(math.prod(shape), dtype)
    room = flat.view(np.uint8).data if flat.nbytes else memoryview(b"")
    while room:
        count = stream.readinto(room)  # type: ignore[attr-defined]  # files of archives have it too
        if not count:
            raise ValueError("it ends early")
        room = room[count:]
    return flat.reshape(shape, order="F" if by_column else "C")
