"""A record is read as it was written, or refused with the field named; version 1 stays readable."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sslskel.results.record import NewerSchema, RecordError, parse_record

STORED = Path(__file__).with_name("record_v1.json")


@pytest.fixture
def content() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(STORED.read_text(encoding="utf-8"))
    return loaded


def test_the_stored_version_1_record_stays_readable() -> None:
    record = parse_record(STORED.read_text(encoding="utf-8"))
    assert record.identity == "51dc644ee5c6f3d5271d3333fe3b3b7e"
    assert record.streams == ("joint",)
    assert record.scores["top1"] == 0.5813953488372093
    assert record.predictions is not None
    assert record.seen[0]["part"] == "train"
    assert record.extra == {}


def test_round_trip_is_exact(content: dict[str, Any]) -> None:
    record = parse_record(json.dumps(content))
    text = record.to_json()
    assert json.loads(text) == content
    assert parse_record(text) == record
    assert parse_record(text).to_json() == text


def test_fields_of_a_later_1x_are_kept(content: dict[str, Any]) -> None:
    content["carbon_kg"] = 0.25
    content["method"]["doi"] = "10.1/x"
    record = parse_record(json.dumps(content))
    assert record.extra == {"carbon_kg": 0.25}
    assert json.loads(record.to_json()) == content


def test_an_extra_field_cannot_displace_a_known_one(content: dict[str, Any]) -> None:
    record = parse_record(json.dumps(content))
    forged = replace(record, extra={"seed": 9})
    assert json.loads(forged.to_json())["seed"] == 0


REQUIRED = [name for name in json.loads(STORED.read_text(encoding="utf-8")) if name != "schema"]


@pytest.mark.parametrize("name", REQUIRED)
def test_each_missing_field_is_named(content: dict[str, Any], name: str) -> None:
    del content[name]
    with pytest.raises(RecordError, match=f"field '{name}' is missing"):
        parse_record(json.dumps(content))


@pytest.mark.parametrize("name", REQUIRED)
def test_each_field_of_a_wrong_type_is_named(content: dict[str, Any], name: str) -> None:
    content[name] = True
    with pytest.raises(RecordError, match=f"field '{name}' is True"):
        parse_record(json.dumps(content))


WRONG: list[tuple[str, Any]] = [
    ("identity", "../../etc/passwd"),
    ("identity", "ABCDEF0123456789"),
    ("seed", -1),
    ("seed", 1.5),
    ("epoch", "last"),
    ("labels", None),
    ("created", "yesterday"),
    ("created", "2026-11-21T03:09:10"),
    ("created", "2026-11-21T03:09:10+02:00"),
    ("weights_sha256", "ea9f"),
    ("streams", [1]),
    ("config", {"method": 3}),
    ("method.version", "one"),
    ("method.name", ""),
    ("backbone.parameters", -4),
    ("benchmark.fingerprint", None),
    ("benchmark.version", True),
    ("protocol.selection", 1),
    ("scores.top5", "high"),
    ("scores.top1", 58.1),
    ("scores.top1", -0.1),
    ("counts.test", 1.0),
    ("cost.pretrain_seconds", "long"),
    ("cost.evaluate_seconds", -1.0),
    ("environment.dirty", "no"),
    ("predictions.file", "/etc/passwd"),
    ("predictions.file", "predictions/../records/x.npz"),
    ("predictions.sha256", "0"),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_wrong_value_is_named(content: dict[str, Any], field: str, value: Any) -> None:
    *parents, last = field.split(".")
    part = content
    for parent in parents:
        part = part[parent]
    part[last] = value
    with pytest.raises(RecordError, match=f"field '{re.escape(field)}' is "):
        parse_record(json.dumps(content))


def test_a_wrong_entry_of_a_list_is_named(content: dict[str, Any]) -> None:
    content["seen"].append({**content["seen"][0], "clips": "all"})
    with pytest.raises(RecordError, match=re.escape("field 'seen[1].clips' is 'all', not a whole number")):
        parse_record(json.dumps(content))
    content["seen"][1] = "everything"
    with pytest.raises(RecordError, match=re.escape("field 'seen[1]' is 'everything', not an object")):
        parse_record(json.dumps(content))


ORIGIN = {"kind": "file", "name": "means.npy", "sha256": "0" * 64, "option": "means"}


def test_the_seed_of_a_pretraining_is_said_where_it_is_another(content: dict[str, Any]) -> None:
    same = parse_record(json.dumps({**content, "seed": 2}))
    assert (same.trained_with, "pretrain_seed" in json.loads(same.to_json())) == (2, False)
    other = parse_record(json.dumps({**content, "seed": 2, "pretrain_seed": 0}))
    assert (other.trained_with, json.loads(other.to_json())["pretrain_seed"]) == (0, 0)
    with pytest.raises(RecordError, match="field 'pretrain_seed' is '1', not a whole number"):
        parse_record(json.dumps({**content, "pretrain_seed": "1"}))


def test_origins_come_back_and_records_without_any_do_not_say_so(content: dict[str, Any]) -> None:
    assert "origins" not in json.loads(parse_record(json.dumps(content)).to_json())
    content["origins"] = [ORIGIN, {**ORIGIN, "kind": "checkpoint", "saw": ["tiny/xsub"]}]
    record = parse_record(json.dumps(content))
    assert json.loads(record.to_json())["origins"] == content["origins"]
    assert not record.proven_origins
    content["origins"] = [{**ORIGIN, "kind": "checkpoint", "saw": ["tiny/xsub"]}]
    assert parse_record(json.dumps(content)).proven_origins


@pytest.mark.parametrize(
    ("name", "value"), [("sha256", "0123456789ab"), ("name", ""), ("option", 3), ("saw", "tiny"), ("identity", "x")]
)
def test_a_wrong_entry_of_origins_is_named(content: dict[str, Any], name: str, value: Any) -> None:
    content["origins"] = [ORIGIN, {**ORIGIN, name: value}]
    with pytest.raises(RecordError, match=re.escape(f"field 'origins[1].{name}' is {value!r}, not ")):
        parse_record(json.dumps(content))


def test_the_primary_score_must_be_there(content: dict[str, Any]) -> None:
    content["primary"] = "top2"
    with pytest.raises(RecordError, match="field 'primary' is 'top2', which is not a score"):
        parse_record(json.dumps(content))


def test_secondary_scores_need_not_be_shares(content: dict[str, Any]) -> None:
    content["scores"]["error_mm"] = 81.5
    assert parse_record(json.dumps(content)).scores["error_mm"] == 81.5


def test_unknown_costs_may_be_null(content: dict[str, Any]) -> None:
    content["cost"] = {"evaluate_seconds": 1.0, "peak_memory_bytes": None}
    assert parse_record(json.dumps(content)).cost["peak_memory_bytes"] is None


@pytest.mark.parametrize("schema", [0, "1", None, True, 1.5])
def test_another_schema_is_refused(content: dict[str, Any], schema: Any) -> None:
    content["schema"] = schema
    with pytest.raises(RecordError, match="field 'schema' is"):
        parse_record(json.dumps(content))


def test_a_later_schema_says_to_update(content: dict[str, Any]) -> None:
    content["schema"] = 2
    with pytest.raises(NewerSchema, match=r"'schema' is 2, but this version reads 1.*update"):
        parse_record(json.dumps(content))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "[" * 100_000, '{"schema": NaN}', "9" * 10_000, STORED.read_text(encoding="utf-8")[:900]],
)
def test_what_is_not_a_record_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(RecordError):
        parse_record(text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(number: str) -> None:
    text = STORED.read_text(encoding="utf-8").replace("0.8627906976744186", number)
    assert number in text
    with pytest.raises(RecordError):
        parse_record(text)


def test_half_a_surrogate_pair_is_refused(content: dict[str, Any]) -> None:
    content["method"]["name"] = "mamp\ud800"
    with pytest.raises(RecordError, match="field 'method' holds text that is not valid Unicode"):
        parse_record(json.dumps(content))


def test_every_truncation_is_refused() -> None:
    text = parse_record(STORED.read_text(encoding="utf-8")).to_json().rstrip()
    for length in range(0, len(text), 7):
        with pytest.raises(RecordError):
            parse_record(text[:length])


def test_results_and_boards_are_read_without_torch() -> None:
    program = (
        "import sys, sslskel.results.store, sslskel.results.statistics, sslskel.leaderboard.folder;"
        "import sslskel.cli.leaderboard, sslskel.leaderboard;"
        "print([name for name in ('torch', 'scipy.stats', 'hydra', 'jinja2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_flipped_bit_of_a_record_is_noticed_or_means_nothing(content: dict[str, Any]) -> None:
    """A bit of white space means nothing, nor does one that makes the digest another field."""
    record = parse_record(json.dumps(content)).signed()
    whole = record.to_json().encode()
    generator = random.Random(17)
    unsigned = replace(record, digest="").to_json()
    for place in generator.sample(range(8 * len(whole)), 1500):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        try:
            read = parse_record(flipped.decode("utf-8"))
        except (RecordError, UnicodeDecodeError):
            continue
        assert replace(read, digest="", extra={}).to_json() == unsigned


def test_a_changed_record_is_named(content: dict[str, Any]) -> None:
    text = parse_record(json.dumps(content)).signed().to_json()
    with pytest.raises(RecordError, match="field 'digest' is not that of the record"):
        parse_record(text.replace("0.5813953488372093", "0.6813953488372093"))


def test_a_record_without_a_digest_is_read_as_before(content: dict[str, Any]) -> None:
    record = parse_record(json.dumps(content))
    assert record.digest == ""
    assert json.loads(record.to_json()) == content
    signed = parse_record(record.signed().to_json())
    assert replace(signed, digest="") == record
    assert signed.signed() == signed
