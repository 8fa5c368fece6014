"""Arrays of a results folder: what the header states is what follows, and nothing is unpacked before that is known."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from typing import Any

import numpy as np
import pytest

from sslskel.results.arrays import MOST_BYTES, npy_array, npz_arrays


def npy(array: Any, **options: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, array, **options)
    return content.getvalue()


def npz(*members: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for number, member in enumerate(members):
            archive.writestr(f"a{number}.npy", member)
    return content.getvalue()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.array(["ab", "ö"]),
        np.array([""]),
        np.array(7),
        np.zeros((0, 3)),
        np.arange(3, dtype=">i4"),
        np.arange(500_000),
    ],
)
def test_plain_arrays_come_back(array: Any) -> None:
    for read in (npy_array(npy(array)), npz_arrays(npz(npy(array)))["a0"]):
        assert (read.dtype, read.shape) == (array.dtype, array.shape)
        assert np.array_equal(read, array)
        assert read.flags.writeable


def test_members_that_end_early_or_are_damaged_are_refused() -> None:
    whole = npz(npy(np.arange(4000.0)))
    for place in range(60, len(whole) - 200, 97):
        with pytest.raises(ValueError, match=r"."):
            npz_arrays(whole[:place] + bytes([whole[place] ^ 85]) + whole[place + 1 :])


def stating(shape: str, size: int = 12) -> bytes:
    """An array of ``size`` float64 whose header states another shape of as many characters."""
    whole = npy(np.zeros(size))
    return whole.replace(f"({size},), }}".encode(), f"{shape}, }}".encode().ljust(len(f"({size},), }}")))


def test_an_archive_that_states_more_than_it_holds_is_refused() -> None:
    content = stating("(13,)")
    size = len(content).to_bytes(4, "little")
    lying = npz(content).replace(size, (len(content) + 8).to_bytes(4, "little"))
    with pytest.raises(ValueError, match="ends early"):
        npz_arrays(lying)


@pytest.mark.parametrize("shape", ["(13,)", "(11,)", "(9**9,)", "(-1,)", "(1, 2)"])
def test_a_header_that_states_another_size_is_refused(shape: str) -> None:
    content = stating(shape)
    for read, packed in ((npy_array, content), (npz_arrays, npz(content))):
        with pytest.raises(ValueError, match=r"not what follows|header|shape|cannot|malformed"):
            read(packed)


def test_a_huge_shape_allocates_nothing() -> None:
    content = npy(np.zeros(1)).replace(b"(1,), }          ", b"(999999999999,), }")
    assert b"999999999999" in content
    tracemalloc.start()
    with pytest.raises(ValueError, match="not what follows"):
        npz_arrays(npz(content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_file_that_unpacks_to_more_than_anybody_has_is_refused_before_it_is_unpacked() -> None:
    packed = bytearray(npz(npy(np.zeros(1000)), npy(np.zeros(1000))))
    at = packed.rindex(b"PK\1\2") + 24
    packed[at : at + 4] = (2**32 - 2).to_bytes(4, "little")
    with pytest.raises(ValueError, match=f"at most {MOST_BYTES:,} are unpacked"):
        npz_arrays(bytes(packed))


@pytest.mark.parametrize(
    "content", [b"", b"PK\5\6", npz(b"text"), npz(npy(np.array([{}]), allow_pickle=True)), b"x" * 99]
)
def test_what_holds_no_plain_arrays_is_refused(content: bytes) -> None:
    for read in (npy_array, npz_arrays):
        with pytest.raises(ValueError):  # noqa: PT011 - any will do, and nothing else
            read(content)
