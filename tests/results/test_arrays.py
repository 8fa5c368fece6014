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
    "array", [np.arange(12.0).reshape(3, 4), np.asfortranarray(np.ones((3, 4))), np.array(["ab", "ö"]), np.array(7)]
)
def test_plain_arrays_come_back(array: Any) -> None:
    assert np.array_equal(npy_array(npy(array)), array)
    assert np.array_equal(npz_arrays(npz(npy(array)))["a0"], array)


def stating(shape: str, size: int = 12) -> bytes:
    """An array of ``size`` float64 whose header states another shape of as many characters."""
    whole = npy(np.zeros(size))
    return whole.replace(f"({size},), }}".encode(), f"{shape}, }}".encode().ljust(len(f"({size},), }}")))


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
