"""Records that are read field by field say what the same records say when they are read as a whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sslskel.results.pieces import Alike
from sslskel.results.record import Record, RecordError, parse_record
from sslskel.results.store import ResultStore

STORED = Path(__file__).with_name("record_v1.json")


@pytest.fixture
def record() -> Record:
    return parse_record(STORED.read_text(encoding="utf-8"))


def outcome(text: str, alike: Alike | None = None) -> Record | str:
    try:
        return parse_record(text, alike)
    except RecordError as fault:
        return str(fault)


def test_what_records_say_alike_is_kept_once(record: Record) -> None:
    alike = Alike()
    first = parse_record(record.signed().to_json(), alike)
    other = parse_record(replace(record, scores={"top1": 0.25}, primary="top1", seed=7).signed().to_json(), alike)
    assert (other.scores, other.seed) == ({"top1": 0.25}, 7)
    for name in ("config", "method", "backbone", "benchmark", "environment", "command"):
        assert getattr(other, name) is getattr(first, name)
    assert other.scores is not first.scores


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"seed": 0', '"seed": 1e400'),
        ('"seed": 0', '"seed": 99999999999999999999'),
        ('"seed": 0', '"seed": NaN'),
        ('"seed": 0', '"seed": 0 0'),
        ('"seed": 0', '"seed": 0,\n "seed": 1'),
        ('"seed": 0', '"seed": {"x": 0,\n "labels": 3,\n "y": 1}'),
        ('"seed": 0', '"se\\u0065d": 3'),
        ('"seed": 0', '"seed":  0 '),
        ('"preset": "', '"preset": "a\n "seed": 0'),
        ('"preset": "', '"preset": "\\ud800'),
        ('"preset": "', '"preset": "\\ud83d\\ude00'),
        ('"preset": "', '"preset": "\\"é\\n'),
        (' "seed": 0,\n', ""),
        ('"schema": 1', '"schema": 1,\n "later": [1e5, {"NaN": "1e999"}]'),
        ('"schema": 1', '"schema": 1,\n "later": [0.5, NaN, 0.25]'),
        ('"schema": 1', '"schema": 1,\n "later": [1e308, 1e308, 0.5]'),
        ('"schema": 1', '"schema": 1,\n "later": [[0.5, -1e999]]'),
        ('"schema": 1', f'"schema": 1,\n "later": {{"a": [1, {2**64}]}}'),
        ('"schema": 1', f'"schema": 1,\n "later": [true, {-(2**63)}, {2**64 - 1}]'),
        ('"schema": 1', '"schema": 1,\n "later": ' + '{"a": ' * 600 + "0" + "}" * 600),
    ],
)
def test_texts_that_records_never_have_say_what_they_say_as_a_whole(record: Record, old: str, new: str) -> None:
    text = record.to_json()
    assert old in text
    hostile = text.replace(old, new, 1)
    alike = Alike()
    parse_record(text, alike)
    # A line at the end takes the whole text as one piece.
    assert outcome(hostile, alike) == outcome(hostile) == outcome(f"{hostile}\n")


def test_a_field_that_was_refused_is_refused_again(record: Record) -> None:
    alike, content = Alike(), json.loads(record.to_json())
    del content["method"]["plugin"]
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    for _ in range(2):
        assert outcome(text, alike) == "field 'method.plugin' is missing"
    parse_record(record.to_json(), alike)
    assert outcome(text, alike) == "field 'method.plugin' is missing"


def test_a_changed_record_is_refused_beside_those_that_say_the_same(record: Record) -> None:
    alike, text = Alike(), record.signed().to_json()
    parse_record(text, alike)
    for old, new in ((f'"seed": {record.seed}', '"seed": 5'), ('"frames": 60', '"frames": 61')):
        changed = text.replace(old, new, 1)
        assert changed != text
        assert "field 'digest' is not that of the record" in str(outcome(changed, alike))


def test_a_folder_gives_the_records_that_its_files_give_one_by_one(record: Record, tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    for number in range(6):
        identity = f"{number:032x}"
        store.write(replace(record, identity=identity, seed=number, predictions=None, preset=f"p{number % 2}"))
    damaged = store.path(f"{2:032x}")
    damaged.write_text(damaged.read_text(encoding="utf-8").replace('"seed": 2', '"seed": 3'), encoding="utf-8")
    records, problems = store.read_all()
    assert records == [store.read(one.identity) for one in records]
    assert [one.seed for one in records] == [0, 1, 3, 4, 5]
    assert [path for path, _ in problems] == [damaged]
