"""``sslskel errata`` as people type it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Command = Callable[..., Any]


def test_all_are_listed_and_one_is_shown(sslskel: Command) -> None:
    listed = sslskel("errata").stdout
    assert "ascal/labels: The semi-supervised script" in listed
    shown = sslskel("errata", "ascal/labels").stdout.splitlines()
    assert shown[0].startswith("AS-CAL (")
    assert [line.strip() for line in shown if "labels of stage" in line and "accuracy" not in line] == [
        "labels of stage 1, which tunes the encoder: 8",
        "labels of stage 2, which trains the classifier: 800",
    ]
    assert not any("ascal/products" in line for line in shown)


def test_an_unknown_system_is_a_sentence(sslskel: Command) -> None:
    done = sslskel("errata", "asacl")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        "sslskel: there are no errata of 'asacl'; did you mean 'ascal'? (`sslskel errata` lists all)"
    ]
