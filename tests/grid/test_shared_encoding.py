"""A grid on two processes, both of which encode, against the same on one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

WORDS = ("bench", "--method", "random_init,raw_features", "--protocol", "knn,linear,occlusion", "--benchmark", "tiny")
SMALL = ("backbone.dim=8", "backbone.depth=1", "backbone.heads=2", "clip.frames=8", "engine.device=cpu")


@pytest.mark.long
def test_records_of_two_processes_are_those_of_one(command: Callable[..., Any], tmp_path: Path) -> None:
    """The encoders are untrained, so that nothing but the encoding differs."""
    for folder, more in (("one", ()), ("two", ("--processes", "2"))):
        for words in (("protocol.encode_batch=5",), ("protocol.epochs=2", "protocol.min_steps=0")):
            protocol = ("knn",) if "encode" in words[0] else ("linear,occlusion",)
            done = command(*WORDS[:4], *protocol, *WORDS[5:], *SMALL, *words, "--results", folder, *more)
            assert done.returncode == 0, done.stderr
    one, two = ({path.name: path for path in (tmp_path / name / "records").glob("*.json")} for name in ("one", "two"))
    assert len(one) == 6
    assert one.keys() == two.keys()
    for name, path in one.items():
        ours, theirs = (json.loads(each.read_text()) for each in (path, two[name]))
        assert ours["scores"] == theirs["scores"], name
        encoded = [each["cost"]["encoded_clips"] + each["cost"]["reused_clips"] for each in (ours, theirs)]
        assert encoded[0] == encoded[1], name
    for path in (tmp_path / "one" / "predictions").glob("*.npz"):
        with np.load(path) as mine, np.load(tmp_path / "two" / "predictions" / path.name) as yours:
            for key in mine.files:
                np.testing.assert_array_equal(mine[key], yours[key], err_msg=f"{path.name}: {key}")
