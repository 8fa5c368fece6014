"""Suites are files that anybody can write: what one says is read as it stands, and what is wrong with it is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sslskel.config.suites import read_suite, suites
from sslskel.errors import UsageError
from sslskel.plugins.registry import BENCHMARKS, METHODS, PROTOCOLS

WHOLE: dict[str, Any] = {
    "title": "mine",
    "version": 1,
    "preset": "quick",
    "seeds": 2,
    "protocols": ["knn"],
    "floors": ["raw_features"],
    "tasks": {"subjects": ["tiny/xsub"], "views": ["other/xview", "tiny/xsub"]},
}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SSLSKEL_PLUGINS", str(tmp_path))
    folder = tmp_path / "configs" / "suite"
    folder.mkdir(parents=True)

    def write(text: str) -> None:
        (folder / "mine.yaml").write_text(text, encoding="utf-8")

    return write


def test_a_local_suite_is_found_and_read(write: Any) -> None:
    write(yaml.safe_dump(WHOLE))
    assert "mine" in suites()
    suite = read_suite("mine")
    assert suite.benchmarks == suite.ranked == ("tiny/xsub", "other/xview")
    assert suite.words == "mine, version 1"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"version": "one"}, "version is 'one'; give a whole number from 1 on"),
        ({"seeds": 0}, "seeds is 0; give a whole number"),
        ({"seeds": True}, "seeds is True; give a whole number"),
        ({"title": ""}, "title is ''; give a text"),
        ({"protocols": "knn"}, "protocols is 'knn'; give a list of names"),
        ({"floors": []}, "floors is []; give a list of names"),
        ({"floors": ["a", "a"]}, "floors names something twice: a, a"),
        ({"tasks": {"subjects": ["tiny"]}}, "subjects names 'tiny'; give each benchmark with its split, as NAME/SPLIT"),
        ({"tasks": {}}, "tasks is {}; give a mapping"),
        ({"ranking": ["else/xsub"]}, "ranking names else/xsub, which no task has"),
        ({"references": ["scratch"]}, "references is ['scratch']; give a mapping from a protocol to the method"),
        ({"references": {"knn": "mamp"}}, "references names knn, which protocols has"),
        ({"protocol": "knn"}, "there is no key 'protocol'; did you mean 'protocols'"),
    ],
)
def test_what_is_wrong_with_a_suite_is_said(write: Any, changes: dict[str, Any], sentence: str) -> None:
    write(yaml.safe_dump(WHOLE | changes))
    with pytest.raises(UsageError) as caught:
        read_suite("mine")
    assert sentence in str(caught.value)
    assert "mine.yaml" in str(caught.value)


@pytest.mark.parametrize("text", ["- a\n- b", "title: [", "", "\x00"])
def test_a_file_that_is_no_mapping_is_no_suite(write: Any, text: str) -> None:
    write(text)
    with pytest.raises(UsageError, match=r"mine\.yaml"):
        read_suite("mine")


def test_an_unknown_suite_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="there is no suite 'open-quik'; did you mean"):
        read_suite("open-quik")


@pytest.mark.parametrize("name", ["open", "open-quick", "systems"])
def test_built_in_suites_name_what_is_there(name: str) -> None:
    suite = read_suite(name)
    for place in suite.benchmarks:
        benchmark, _, split = place.partition("/")
        assert split in BENCHMARKS.get(benchmark).splits
    assert all(PROTOCOLS.get(protocol) for protocol in suite.protocols)
    assert not any(METHODS.get(method).trains for method in suite.floors)
