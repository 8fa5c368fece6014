"""What a checkpoint says of itself: the same keys as ever, whatever version wrote them."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import pytest

from sslskel.api.skeleton import NTU25
from sslskel.encoders.meta import CheckpointMeta
from sslskel.errors import CheckpointError

META: dict[str, Any] = {
    "identity": "0123456789abcdef",
    "method": {"name": "mamp", "plugin": "masked_modelling", "version": 1, "origin": "methods", "config": {"a": 0.5}},
    "backbone": {"name": "transformer", "version": 1, "config": {"dim": 16}, "used": True},
    "clip": {"frames": 16},
    "train": {"epochs": 1, "also": []},
    "precision": "fp32",
    "init": "",
    "preset": "cpu",
    "seed": 0,
    "benchmark": {"name": "synthetic", "version": 1, "split": "xsub"},
    "dataset": {
        "name": "synthetic",
        "layout": NTU25.to_json(),
        "fps": 30.0,
        "unit": "metre",
        "coordinates": 3,
        "persons": 2,
        "fingerprint": "abc",
    },
    "seen": [{"dataset": "synthetic", "fingerprint": "abc", "split": "xsub", "part": "train", "clips": 9}],
}


def written(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False)


def without(*path: str) -> dict[str, Any]:
    """:data:`META` less the key at the end of ``path``."""
    content = copy.deepcopy(META)
    place = content
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return content


def test_what_is_read_is_written_byte_for_byte() -> None:
    assert written(CheckpointMeta.from_json(META, "here").to_json()) == written(META)


def test_keys_of_a_later_version_are_passed_over() -> None:
    later = {**META, "weather": "fine", "method": {**META["method"], "mood": "good"}}
    assert CheckpointMeta.from_json(later, "here") == CheckpointMeta.from_json(META, "here")


@pytest.mark.parametrize("path", [("init",), ("backbone", "used")])
def test_early_checkpoints_lack_what_came_later(path: tuple[str, ...]) -> None:
    assert CheckpointMeta.from_json(without(*path), "here") == CheckpointMeta.from_json(META, "here")


@pytest.mark.parametrize("path", [("dataset",), ("clip",), ("method", "config"), ("backbone", "version")])
def test_a_missing_key_is_named(path: tuple[str, ...]) -> None:
    with pytest.raises(CheckpointError, match=f"here does not say how to rebuild its encoder: '{path[-1]}' is missing"):
        CheckpointMeta.from_json(without(*path), "here")


@pytest.mark.parametrize("identity", ["../../x", "/etc", "", ".", "ABCDEF0123", "0123456789abcdef/..", 7, None])
@pytest.mark.parametrize("place", ["identity", "stages", "origins", "init_identity"])
def test_an_identity_that_could_be_a_path_is_refused(place: str, identity: Any) -> None:
    fact = {"identity": identity}
    later = {place: [fact] if place in ("stages", "origins") else identity}
    if place == "init_identity" and not identity:
        return
    with pytest.raises(CheckpointError, match="an identity of 8 to 64 hexadecimal digits was expected"):
        CheckpointMeta.from_json({**META, **later}, "here")


@pytest.mark.parametrize("name", [name for name in META if name not in ("identity", "preset", "seed", "precision")])
@pytest.mark.parametrize("value", [7, None, "x", [7], {"x": 7}])
def test_what_cannot_be_is_one_sentence(name: str, value: Any) -> None:
    with contextlib.suppress(CheckpointError):
        CheckpointMeta.from_json({**META, name: value}, "here")


ODD: dict[str, tuple[tuple[Any, ...], Any, str]] = {
    "a name that is a number": (("method", "plugin"), 7, "'method.plugin' is 7, not text that is not empty"),
    "a version that is text": (("backbone", "version"), "1", "'backbone.version' is '1', not a whole number from 0"),
    "a split that is a list": (("benchmark", "split"), ["xsub"], "'benchmark.split' is ['xsub'], not text or null"),
    "a benchmark that is text": (("benchmark",), "synthetic", "'benchmark' is 'synthetic', not an object"),
    "a rate that is null": (("dataset", "fps"), None, "'dataset.fps' is None, not a number above 0"),
    "half a person": (("dataset", "persons"), 0.5, "'dataset.persons' is 0.5, not a whole number from 1 to 999"),
    "a precision that is true": (("precision",), True, "'precision' is True, not text"),
    "clips that are text": (("seen", 0, "clips"), "9", "'seen[0].clips' is '9', not a whole number from 0"),
    "data without a part": (("seen", 0), {"dataset": "synthetic"}, "'seen[0].fingerprint' is missing"),
    "data that are text": (("seen", 0), "synthetic", "'seen[0]' is 'synthetic', not an object"),
    "origins that are an object": (("origins",), {"kind": "file"}, "'origins' is {'kind': 'file'}, not a list"),
    "an origin without a digest": (("origins",), [{"kind": "file", "name": "a"}], "'origins[0].sha256' is missing"),
    "sources that are a list": (("sources",), ["method"], "'sources' is ['method'], not an object of strings"),
    "a stage that is a number": (("stages",), [3], "'stages[0]' is 3, not an object"),
    "options that are a list": (("train",), [1], "'train' is [1], not an object"),
}


@pytest.mark.parametrize(("path", "value", "words"), ODD.values(), ids=ODD)
def test_a_value_of_another_kind_is_named(path: tuple[Any, ...], value: Any, words: str) -> None:
    content: Any = copy.deepcopy(META)
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(CheckpointError) as fault:
        CheckpointMeta.from_json(content, "here")
    assert str(fault.value) == f"here does not say how to rebuild its encoder: {words}"
