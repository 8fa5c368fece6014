"""A measured table says in what it departs from the scripts of the printed one, and these from the paper."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sslskel.cli import main
from sslskel.errors import UsageError
from sslskel.grid import reproduce as module
from sslskel.grid.deviations import deviations, other_setting
from sslskel.grid.reproduce import reproduce
from sslskel.grid.request import GridRequest
from sslskel.grid.tables import Table, TableRow, read_script, read_table, request_of_row, scripts, tables
from sslskel.plugins.registry import BENCHMARKS, METHODS, PROTOCOLS


def one_column(table: Table, at: int) -> Table:
    rows = tuple(replace(row, published=row.published[at : at + 1]) for row in table.rows)
    return replace(table, rows=rows, published=table.published[at : at + 1])


def said(name: str, start: str, mode: str | None = None, columns: int | None = None, **request: Any) -> list[str]:
    """Sentences that begin like this, on a table or its first columns."""
    table = read_table(name)
    if columns is not None:
        table = replace(table, published=table.published[:columns])
    asked = GridRequest(**{"benchmarks": ("ntu60",), "preset": "released", **request})
    return [sentence for sentence in deviations(table, asked, mode) if sentence.startswith(start)]


QUICK = ("mamp-table8", "pcm3-detection-actions")
PRINTED = [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.long)
    for name in sorted(tables())
    if not name.startswith("mamp-figure")
]


@pytest.mark.parametrize("name", PRINTED)
def test_the_exact_mode_on_a_columns_own_data_departs_in_no_option(name: str) -> None:
    table = read_table(name)
    assert table.script is not None
    assert table.published
    for at, column in enumerate(table.published):
        where, _, home = column.partition(" from ")
        benchmark, split = where.split("/")
        data = table.script.data
        request = GridRequest(
            benchmarks=(data.get(benchmark, benchmark),),
            split=split,
            preset=table.script.preset,
            pretrain_on=data.get(home, home) or None,
        )
        found = deviations(one_column(table, at), request, table.script.mode)
        assert not [one for one in found if one.startswith("data")], column
        assert [one for one in found if one.startswith("options")] == [
            f"options: none differs from the scripts' ({table.script.code})"
        ], column


def test_missing_bodies_and_a_smaller_preset_are_said() -> None:
    [sentence] = said("mamp-table8", "options", columns=1)
    assert sentence == "options: method.empty_bodies present (scripts: reference)"
    [small] = said("mamp-table8", "options", "exact", columns=1, preset="cpu")
    assert "backbone.dim 64 (scripts: 256)" in small
    assert "train.epochs 120 (scripts: 400)" in small
    assert "empty_bodies" not in small


def test_options_of_one_columns_script_are_said_for_that_column() -> None:
    [sentence] = said("mamp-table8", "options", "exact")
    assert sentence.startswith("options for ntu120/xsub: ")
    assert sentence.endswith("method.tau 0.8 (scripts: 0.75), method.decoder_depth 3 (scripts: 5)")
    [row] = said("mamp-table8", "options", "exact", columns=1, overrides=("method.tau=0.5",))
    assert row == "options: method.tau 0.5 (scripts: 0.8)"


def test_options_of_one_row_are_said_for_that_row(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (TableRow("wide", "mamp"), TableRow("new", "random_init"))
    table = Table("t", "t", "p", "", "linear", ("ntu60/xsub",), rows, script=read_script("mamp"))
    asked = GridRequest(benchmarks=("ntu60",), preset="released")
    found = [one for one in deviations(table, asked, None) if one.startswith("options")]
    assert found == ["options for rows wide: method.empty_bodies present (scripts: reference)"]


@pytest.mark.long
def test_probes_on_pku_mmd_are_compared_with_their_own_scripts() -> None:
    [sentence] = [
        one for one in said("mamp-table1", "options for pku_mmd2", "exact", benchmarks=("pku_mmd1",)) if "lr" in one
    ]
    assert "protocol.batch_size 128 (scripts: 32)" in sentence
    assert "protocol.lr 0.1 (scripts: 0.01)" in sentence
    [ended] = said("mamp-table8", "options", "exact", columns=1, benchmarks=("pku_mmd1",))
    assert "train.stop_after 301 (scripts: 0)" in ended


@pytest.mark.long
def test_other_data_are_said() -> None:
    assert said("mamp-table3", "data", columns=1, benchmarks=("ntu120_copied",)) == []
    assert said("mamp-table3", "data", columns=1, benchmarks=("ntu120",)) == [
        "data: what is printed for ntu120/xsub is of ntu120_copied/xsub, what is measured of ntu120/xsub"
    ]
    copies = "scripts and here: the scripts give a clip of one person a second"
    assert said("mamp-table3", copies, benchmarks=("ntu120",))
    assert not said("mamp-table2", copies)
    [first, *_] = said("mamp-table6", "data", benchmarks=("pku_mmd2",), pretrain_on="ntu120")
    assert first == (
        "data: what is printed for pku_mmd2/xsub from ntu60 is of pku_mmd2/xsub, pretrained on ntu60, what is measured"
        " of pku_mmd2/xsub, pretrained on ntu120"
    )


@pytest.mark.long
def test_what_paper_and_scripts_say_is_of_the_tables_protocol_and_data() -> None:
    paper = said("mamp-table2", "paper and scripts")
    assert any("5 blocks" in one for one in paper)
    assert not any("linear head:" in one or "PKU-MMD" in one or "few labels" in one for one in paper)
    assert any("PKU-MMD I, 32 at 0.01" in one for one in said("mamp-table1", "paper and scripts"))
    assert any("highest test accuracy" in one for one in said("mamp-table1", "scripts and here"))


def test_a_row_that_the_scripts_options_do_not_fit_is_named() -> None:
    rows = (TableRow("odd", "mamp", scaled={"clip.frames": 0.51}),)
    table = Table("t", "t", "p", "", "linear", ("ntu60/xsub",), rows, script=read_script("mamp"))
    asked = GridRequest(benchmarks=("ntu60",), preset="released", overrides=("clip.frames=100",))
    with pytest.raises(UsageError, match="not a whole number"):
        deviations(table, asked, None)


@pytest.mark.long
def test_the_exact_mode_reaches_rows_that_have_it(tiny: str, tmp_path: Path) -> None:
    table = read_table("mamp-table2")
    asked = GridRequest(benchmarks=(tiny,), output=tmp_path)
    variants = {row.name: request_of_row(row, table, asked, "exact").variants[0] for row in table.rows}
    new = variants["new weights"]
    assert "engine.precision=fp32" in new
    assert not any(one.startswith("method.empty_bodies") for one in new), "random_init has no such option"
    assert {"method.empty_bodies=reference", "engine.precision=fp32"} <= set(variants["MAMP"])
    found = reproduce("mamp-table8", GridRequest(benchmarks=(tiny,), output=tmp_path), mode="exact")
    assert {one.config["method"]["empty_bodies"] for records in found.records for one in records} == {"reference"}
    page = found.markdown()
    assert page.index("| motion-aware |") < page.index("Deviations:") < page.index("What was found:")
    assert "- data: what is printed for ntu60/xsub is of ntu60/xsub, what is measured of tiny/xsub" in page


def test_a_mode_that_no_row_has_is_refused(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(
        "t", "t", "p", "", "knn", ("ntu60/xsub",), (TableRow("a", "random_init"), TableRow("b", "raw_features"))
    )
    monkeypatch.setattr(module, "read_table", lambda name: table)
    with pytest.raises(UsageError, match="mode exact trains on empty bodies too"):
        reproduce("t", GridRequest(benchmarks=(tiny,), output=tmp_path / "runs"), mode="exact")
    assert not (tmp_path / "runs").exists()


def test_the_command_takes_a_mode_and_not_a_precision_too(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["reproduce", "mamp-table8", "--benchmark", tiny, "--seeds", "1", "--results", str(tmp_path / "runs")]
    assert main([*words, "--mode", "exact", "--precision", "bf16"]) == 2
    assert "--mode exact sets the precision already" in capsys.readouterr().err
    assert main([*words, "--mode", "exakt"]) == 2
    assert "did you mean 'exact'" in capsys.readouterr().err
    asked = {}
    monkeypatch.setattr(module, "reproduce", lambda *given, **more: asked.update(more) or pytest.skip("reached"))
    with pytest.raises(pytest.skip.Exception):
        main([*words, "--mode", "exact"])
    assert asked["mode"] == "exact"


def test_a_number_of_another_model_is_marked_and_judged_in_no_order(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (
        TableRow("one", "random_init", published=(60.0,)),
        TableRow("two", "random_init", overrides=("backbone.dim=32",), published=(50.0,)),
        TableRow("many", "raw_features", published=(70.0,), printed_of="an ensemble; measured is one network"),
    )
    monkeypatch.setattr(module, "read_table", lambda name: Table("t", "t", "p", "", "knn", ("ntu60/xsub",), rows))
    page = reproduce("t", GridRequest(benchmarks=(tiny,), output=tmp_path)).markdown()
    assert "| 70.0 ¶ |" in page
    assert "| 60.0 |" in page
    assert "¶ many: printed is an ensemble; measured is one network" in page
    assert "of 1 orders printed for ntu60/xsub" in page
    assert "not judged: printed orders with many, which are of other models" in page
    assert "what scripts made the printed numbers is not known" in page


OTHERS = {"PoseC3D", "P&C", "3s-PCM3"}
"""Rows whose printed numbers are of other data, another way of judging or other options."""


@pytest.mark.parametrize("name", sorted(tables()))
def test_every_printed_number_is_of_the_rows_model_or_says_so(name: str, shared: Path) -> None:
    """Ensembles, nearest neighbours among linear heads, and one stream where several are judged or the other way."""
    with (shared / "facts" / "published.csv").open(encoding="utf-8", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["source"].startswith(name.partition("-")[0].upper())]
    ensembles = {line["method"] for line in lines if "ensemble" in line["backbone"]}
    table = read_table(name)
    assert ensembles == ({"CTR-GCN", "InfoGCN"} if name.startswith("mamp") else set())
    for row in table.runs:
        if any(value is not None for value in row.published):
            options = METHODS.get(row.method).Config()
            judged = len(row.streams) or len(getattr(options, "streams", getattr(options, "colours", ())))
            several = {line["streams"] not in ("", "J") for line in lines if row.name.lower() in names_of(line)}
            neighbours = row.name == "LongT GAN" and table.protocol.startswith("linear")
            other = several == {judged < 2} or row.name in ensembles | OTHERS or neighbours
            assert bool(row.printed_of) == other, row.name


def names_of(line: dict[str, str]) -> tuple[str, str]:
    """How a row may call a published number: by its method, or with the network where a table has several."""
    method = line["method"].lower()
    return method, f"{method} ({line['backbone'].lower()})"


@pytest.mark.parametrize("name", sorted(scripts()))
def test_scripts_name_what_there_is(name: str) -> None:
    script = read_script(name)
    assert {*script.data.values(), *script.data} <= set(BENCHMARKS.names())
    for one in (*script.here, *script.paper):
        assert set(one.benchmarks) <= set(BENCHMARKS.names())
        assert set(one.protocols) <= set(PROTOCOLS.names())
        assert any(one.meets(read_table(table)) for table in tables() if read_table(table).script == script), one.says


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("code: x\npreset: released\n", "'mode'"),
        ("- a list\n", "it must be a mapping"),
        ("code: x\npreset: released\nmode: exact\nhere: [{benchmarks: [ntu60]}]\n", "'says'"),
        ("code: x\npreset: released\nmode: exact\nhere: [{says: x, on: [ntu60]}]\n", "has True; it takes says"),
        ("code: x\npreset: released\nmode: exact\ndata: [ntu60]\n", "items"),
        (": {", "is not readable YAML"),
    ],
)
def test_scripts_that_cannot_be_read_are_named(
    text: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "sslskel_plugins" / "configs" / "script"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(text)
    with pytest.raises(UsageError, match=rf"script .*mine\.yaml cannot be read.*{fault}|{fault}"):
        read_script("mine")
    with pytest.raises(UsageError, match="there is no script 'mamq'; did you mean 'mamp'"):
        read_script("mamq")


def test_two_rows_of_a_table_have_two_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "sslskel_plugins" / "configs" / "table"
    folder.mkdir(parents=True)
    row = "  - {name: one, method: mamp}\n"
    (folder / "mine.yaml").write_text(f"title: t\npaper: p\nprotocol: knn\npublished: []\nrows:\n{row}{row}")
    with pytest.raises(UsageError, match=r"mine\.yaml cannot be read: two rows are named 'one'; give each a name"):
        read_table("mine")


def test_another_setting_than_the_papers_is_said_in_a_sentence() -> None:
    table = read_table("mamp-table1")
    assert table.script is not None
    column = table.published[0]
    benchmark, split = column.split("/")
    own = GridRequest(benchmarks=(table.script.data.get(benchmark, benchmark),), split=split, preset="released")
    assert other_setting(table, own) == ""
    small = other_setting(table, replace(own, preset="cpu"))
    assert "with preset released, those measured here of " in small
    assert small.endswith("with preset cpu: the order of rows may agree, the numbers will not")
    others = other_setting(table, GridRequest(benchmarks=("utd_mhad",), preset="released"))
    assert f"are of {own.benchmarks[0]}/{split} and " in others
    assert "measured here of utd_mhad/" in others
    moved = read_table("mamp-table6")
    home = moved.published[0].partition(" from ")[2]
    asked = GridRequest(benchmarks=("pku_mmd2",), pretrain_on=home, preset="cpu")
    assert f", pretrained on {home}" in other_setting(moved, asked)
