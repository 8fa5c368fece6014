"""``sslskel check``: options on the command line, and skips counted apart from passes."""

from __future__ import annotations

import json

import pytest

from sslskel.checks import check_backbone, check_method, check_protocol
from sslskel.errors import UsageError


def test_skips_are_counted_apart_from_passes(sslskel) -> None:  # type: ignore[no-untyped-def]
    done = sslskel("check", "method", "raw_features")
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    content = json.loads(sslskel("check", "method", "raw_features", "--format", "json").stdout)
    states = [check["state"] for check in content["checks"]]
    assert content["skipped"] == states.count("skipped") > 0
    assert content["passed"] == states.count("passed")
    assert content["failed"] == 0
    assert last == f"raw_features: {content['passed']} passed, {content['skipped']} skipped, 0 failed"


def test_an_unknown_option_is_one_sentence(sslskel) -> None:  # type: ignore[no-untyped-def]
    for words, expected in (
        (("method", "mamp", "method.mask_ratoi=0.5"), "did you mean 'method.mask_ratio'"),
        (("method", "mamp", "train.epochs=3"), "options of method and backbone"),
        (("method", "mamp", "method.mask_ratio=7"), "mask_ratio"),
        (("dataset", "shrec", "method.mask_ratio=0.5"), "a dataset has no options"),
    ):
        done = sslskel("check", *words)
        assert done.returncode == 2
        assert expected in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_options_reach_what_is_checked() -> None:
    quick = {"only": ["asks_for_views"]}
    assert check_method("mamp", overrides=["method.mask_ratio=0.5", "backbone.dim=32"], **quick)[0].passed
    with pytest.raises(UsageError, match="mask_ratio"):
        check_method("mamp", overrides=["method.mask_ratio=1.5"], **quick)
    with pytest.raises(UsageError, match="heads"):
        check_backbone("transformer", overrides=["backbone.heads=5"], only=["keeps_its_batch"])
    with pytest.raises(UsageError, match="k is -1"):
        check_protocol("knn", overrides=["protocol.k=-1"], only=["builds_from_defaults"])
