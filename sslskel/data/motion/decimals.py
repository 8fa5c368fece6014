"""Decimal numbers out of bytes, thousands at once, to the last bit what ``float`` reads.

Numbers of up to 15 plain characters become a whole number below 2^53 and a power of ten
below 10^16. Both are doubles without rounding, so their quotient is the nearest double
(Clinger, "How to read floating point numbers accurately", PLDI 1990). Others are left to ``float``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

WIDTH = 15
"""Most characters, sign and point included."""
_TENS = 10.0 ** np.arange(WIDTH + 1)
_ZERO, _PLUS, _MINUS, _POINT = (np.uint8(ord(sign)) for sign in "0+-.")

Array = npt.NDArray[Any]


def read_decimals(data: npt.NDArray[np.uint8], begin: Array, end: Array) -> tuple[Array, Array]:
    """The numbers that lie from ``begin`` to ``end`` in ``data``, and where they are plain enough to be right.

    Plain is an optional sign, digits, and at most one point. For other texts the number means nothing.
    """
    length = end - begin
    plain = (length <= WIDTH) & (end >= WIDTH)
    # Right-aligned: the last character of each number is in the last column.
    windows = np.lib.stride_tricks.sliding_window_view(data, WIDTH)
    text = windows[np.where(plain, end - WIDTH, 0)]
    inside = np.arange(WIDTH) >= (WIDTH - length)[:, None]
    digits = text - _ZERO
    is_digit, is_point = (digits < 10) & inside, (text == _POINT) & inside
    first = data[begin]
    minus = first == _MINUS
    count, points = is_digit.sum(axis=1), is_point.sum(axis=1)
    plain &= (count + points + (minus | (first == _PLUS)) == length) & (points <= 1) & (count > 0)
    # The point counts as a digit 0 first, so that what stands before it is ten times too large.
    spread = np.where(is_digit, digits, np.uint8(0)).astype(np.float64) @ _TENS[WIDTH - 1 :: -1][:WIDTH]
    decimals = np.where(points > 0, WIDTH - 1 - is_point.argmax(axis=1), 0)
    after = np.where(points > 0, np.fmod(spread, _TENS[decimals + 1]), 0.0)
    whole = np.where(points > 0, (spread - after) / 10.0 + after, spread)
    value = whole / _TENS[decimals]
    return np.where(minus, -value, value), plain
