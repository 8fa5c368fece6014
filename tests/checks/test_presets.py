"""The sizes that a plugin brings for presets are held to what there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from sound_method import Sound, failed

from sslskel.checks import check_method

CHECK = "builds_from_defaults"


@pytest.mark.parametrize(
    ("presets", "sentence"),
    [
        ({"qiuck": {}}, "there is no preset 'qiuck'; did you mean 'quick'"),
        ({"quick": {"jitter": 0.1}}, "presets['quick'] has 'jitter', which is none of the groups method, backbone"),
        ({"quick": {"method": {"jiter": 0.1}}}, "presets['quick']['method']: jiter"),
        ({"quick": {"train": {"epochs": 0}}}, "train.epochs is 0"),
        ({"quick": {"method": {"jitter": 0.1}, "backbone": {"dim": 8}, "train": {"epochs": 2}}}, ""),
    ],
)
def test_a_preset_or_option_that_there_is_not_is_named(presets: Mapping[str, Mapping[str, Any]], sentence: str) -> None:
    method = type("Sized", (Sound,), {"presets": presets})
    detail = failed(check_method(method, only=[CHECK])).get(CHECK, "")
    assert sentence in detail
    assert bool(detail) == bool(sentence), detail
