"""Units of length, and what to multiply coordinates with to come from one to another."""

from __future__ import annotations

LENGTHS = {
    **dict.fromkeys(("metre", "metres", "meter", "meters", "m"), 1.0),
    **dict.fromkeys(("centimetre", "centimetres", "centimeter", "centimeters", "cm"), 1e-2),
    **dict.fromkeys(("millimetre", "millimetres", "millimeter", "millimeters", "mm"), 1e-3),
    **dict.fromkeys(("inch", "inches", "in"), 0.0254),
    **dict.fromkeys(("foot", "feet", "ft"), 0.3048),
}
"""Name -> metres."""


def is_known(unit: str) -> bool:
    """Whether it is a length, or the pixels of a picture."""
    return unit.lower() in (*LENGTHS, "pixel", "pixels", "px")


def as_stored(unit: str) -> str:
    """One name for all spellings of metre, which decides how clips are centred; others as they are written."""
    return "metre" if LENGTHS.get(unit.lower()) == 1.0 else unit


def factor(recorded: str, stored: str) -> float:
    """What brings a length in one unit to another; 1 unless both are known."""
    known = recorded.lower() in LENGTHS and stored.lower() in LENGTHS
    return LENGTHS[recorded.lower()] / LENGTHS[stored.lower()] if known and recorded != stored else 1.0
