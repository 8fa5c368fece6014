"""A paper's table: its file is read whole or refused, its rows run once, its order is judged with the right sign."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from recorder import Recorder

from sslskel.cli import main
from sslskel.data.prepare import open_benchmark
from sslskel.errors import RunError, UsageError
from sslskel.grid import reproduce as module
from sslskel.grid.buildable import check_each
from sslskel.grid.reproduce import reproduce, requests_of_table
from sslskel.grid.request import GridRequest
from sslskel.grid.tables import Table, TableRow, read_table, request_of_row, tables
from sslskel.leaderboard.compare import Comparison
from sslskel.leaderboard.formats.paper_table import AGREES, CONTRADICTS, EQUAL, LEANS, LEANS_AWAY, verdict
from sslskel.plugins.registry import BACKBONES, BENCHMARKS, METHODS, PROTOCOLS
from sslskel.results.statistics import Estimate, holm

MAMP = {
    "table2": ("finetune", "supervised"),
    "table3": ("finetune", "supervised"),
    "table4": ("finetune", "supervised"),
    "table5-1": ("semi-1%",),
    "table5-10": ("semi-10%",),
    "table6": ("transfer",),
}
"""Protocols of a table in the list of published numbers; the others are linear."""
PCM3 = {
    "linear": ("linear", "top1", "PCM3 Table (linear)"),
    "retrieval": ("retrieval-knn1", "top1", "PCM3 Table (retrieval)"),
    "occlusion-spatial": ("linear under spatial occlusion", "top1", "PCM3 Table (occlusion)"),
    "occlusion-temporal": ("linear under temporal occlusion", "top1", "PCM3 Table (occlusion)"),
    "detection-actions": ("detection", "mAP_a@IoU0.5", "PCM3 Table (detection)"),
    "detection-videos": ("detection", "mAP_v@IoU0.5", "PCM3 Table (detection)"),
}


def request(benchmark: str, output: Path, *overrides: str) -> GridRequest:
    return GridRequest(benchmarks=(benchmark,), seeds=(0, 1), output=output, overrides=overrides)


@pytest.mark.parametrize("name", tables())
def test_every_table_can_be_read_and_names_what_exists(name: str) -> None:
    table = read_table(name)
    assert table.title
    assert table.paper
    assert table.protocol in PROTOCOLS.names()
    assert len({row.name for row in table.rows}) == len(table.rows) > 1
    for row in table.rows:
        assert (row.method in METHODS.names()) != bool(row.absent)
        assert row.backbone is None or row.backbone in BACKBONES.names()
        assert row.protocol is None or row.protocol in PROTOCOLS.names()
        assert len(row.published) == len(table.published)
        assert all(value is None or 0 < value < 100 for value in row.published)


@pytest.mark.parametrize("name", tables())
def test_printed_numbers_are_those_that_were_read_from_the_paper(name: str, shared: Path) -> None:
    """Each is in the list of published numbers, for its benchmark and split, under the table's name."""
    table = read_table(name)
    with (shared / "facts" / "published.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    paper, part = name.split("-", 1)
    protocols, score, source = (MAMP.get(part, ("linear",)), "top1", f"MAMP paper Table {part[5:].split('-')[0]}")
    if paper == "pcm3":
        protocol, score, source = PCM3[part]
        protocols = (protocol,)
    names = {"ntu60": "NTU-60", "ntu120": "NTU-120", "pku_mmd1": "PKU-MMD I", "pku_mmd2": "PKU-MMD II"}
    for row in table.rows:
        called = "scratch (no pretrain)" if row.name == "new weights" else row.name.lower()
        for column, value in zip(table.published, row.published, strict=True):
            where, _, pretrained_on = column.partition(" from ")
            data, split = where.split("/")
            named = names[data]
            sought = [f"{one}(from {names[pretrained_on]})" if pretrained_on else one for one in protocols]
            facts = [
                line
                for line in lines
                if line["source"].startswith(source)
                and (line["dataset"].removeprefix("Occluded "), line["split"]) == (named, split)
                and line["protocol"] in sought
                and (line["metric"], line["value"]) == (score, str(value))
                and (line["method"].startswith("MAMP ablation") or called in names_of(line))
            ]
            assert bool(facts) == (value is not None), (row.name, column, value)


def names_of(line: Mapping[str, str]) -> tuple[str, str]:
    """How a row may call a published number: by its method, or with the network where a table has several."""
    method = line["method"].lower()
    return method, f"{method} ({line['backbone'].lower()})"


@pytest.mark.parametrize("paper", ["MAMP", "PCM3"])
def test_every_printed_row_is_in_its_table(paper: str, shared: Path) -> None:
    """Ablations apart, which are named by what they change."""
    with (shared / "facts" / "published.csv").open(encoding="utf-8", newline="") as file:
        lines = [
            line for line in csv.DictReader(file) if line["source"].startswith((f"{paper} paper", f"{paper} Table"))
        ]
    whole = [line for line in lines if "ablation" not in line["method"]]
    rows = [row for name in tables() if name.startswith(paper.lower()) for row in read_table(name).rows]
    named = {row.name.lower().replace("new weights", "scratch (no pretrain)") for row in rows}
    assert len(whole) > 100
    assert [line["method"] for line in whole if not named & set(names_of(line))] == []


CLASSES = {"semi": "protocol.fraction=0.5", "semi_1": "protocol.fraction=0.5"}
"""What leaves no class of a tiny training part without a label."""


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in tables() if "detection" not in name])
def test_every_row_can_be_built_and_judged_or_says_why_not(name: str, tiny: str, tmp_path: Path) -> None:
    table = read_table(name)
    more = [CLASSES[table.protocol], "protocol.balanced=true"] if table.protocol in CLASSES else []
    home = "tiny_more" if table.protocol == "transfer" else None
    asked = GridRequest(benchmarks=(tiny,), preset="quick", output=tmp_path, overrides=tuple(more), pretrain_on=home)
    for row, one in zip(table.runs, requests_of_table(table, asked), strict=True):
        cells = one.cells()
        assert len(cells) == max(1, len(row.streams))
        datasets = {place: open_benchmark(BENCHMARKS.get(place)) for place in filter(None, (tiny, home))}
        assert check_each(cells, datasets).failures == [], row.name
    assert [row.name for row in table.rows if row.absent and row.method] == []


def test_a_row_without_a_method_says_why_it_does_not_run(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = (
        TableRow("Secret", "", published=(90.0,), absent="nobody knows how it is made"),
        TableRow("raw", "raw_features", published=(60.0,)),
        TableRow("new", "random_init", published=(50.0,)),
    )
    new = METHODS.get("random_init")
    monkeypatch.setattr(new, "card", new.card._replace(described=True))
    for place in ("sslskel.grid.reproduce.read_table", "sslskel.grid.tables.read_table"):
        monkeypatch.setattr(place, lambda name: Table("t", "t", "p", "", "knn", ("ntu60/xsub",), rows))
    asked = ["--benchmark", tiny, "--seeds", "1", "--results", str(tmp_path)]
    assert main(["reproduce", "t", *asked, "--dry-run"]) == 0
    planned = capsys.readouterr().out
    assert "2 of 2 cells to run" in planned
    assert "\nwarning: the printed numbers are of ntu60/xsub" in planned
    assert main(["reproduce", "t", *asked]) == 0
    page, said = capsys.readouterr()
    assert "| Secret | - | 90.0 |" in page
    assert "Secret does not run here: nobody knows how it is made" in page
    assert "  Secret does not run here: nobody knows how it is made" in said.splitlines()
    assert "t: 2 rows x 1 seeds" in said
    assert "| new ◇ |" in page
    assert "◇ after the description: no code was released" in page
    assert "of 1 orders printed" in page


def test_a_row_may_have_a_protocol_of_its_own(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (
        TableRow("own", "raw_features", protocol="retrieval"),
        TableRow("two", "raw_features"),
        TableRow("three", "random_init"),
    )
    table = Table("t", "t", "p", "", "knn", (), rows, score="top1")
    own, two, _ = requests_of_table(table, request(tiny, tmp_path))
    assert (own.protocols, two.protocols) == (("retrieval",), ("knn",))
    judged = replace(rows[0], protocol="logreg")
    monkeypatch.setattr(module, "read_table", lambda name: replace(table, rows=(judged, *rows[1:])))
    page = reproduce("t", replace(request(tiny, tmp_path), seeds=(0,))).markdown()
    assert "| measured: tiny/xsub knn top1 |" in page
    assert "own: measured by logreg" in page


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("{name: a}", "row 'a' needs a method, or in 'absent' why it does not run here"),
        ("{name: a, method: mamp, absent: why}", "row 'a' needs a method, or in 'absent' why"),
        ("{name: a, absent: why}", "no row has a method"),
        ("{name: a, method: mamp, streams: {joint: 1}}", "give two or more of joint, bone, motion"),
        ("{name: a, method: mamp, streams: {joint: 1, bone: -1}}", "each with a positive weight"),
        ("{name: a, method: mamp, streams: {joint: 1, knee: 1}}", "each with a positive weight"),
    ],
)
def test_a_row_that_says_too_little_or_too_much_is_refused(
    row: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "configs" / "table").mkdir(parents=True)
    (tmp_path / "configs" / "table" / "odd.yaml").write_text(f"title: t\npaper: p\nprotocol: knn\nrows: [{row}]\n")
    monkeypatch.setenv("SSLSKEL_PLUGINS", str(tmp_path))
    with pytest.raises(UsageError, match=re.escape(fault)):
        read_table("odd")


@pytest.mark.long
def test_streams_of_a_row_are_trained_apart_and_added(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = {"joint": 0.6, "bone": 0.6, "motion": 0.4}
    rows = (
        TableRow("three", "random_init", published=(60.0,), streams=weights),
        TableRow("one", "random_init", published=(50.0,)),
    )
    monkeypatch.setattr(module, "read_table", lambda name: Table("t", "t", "p", "", "linear", ("ntu60/xsub",), rows))
    reproduced = reproduce("t", request(tiny, tmp_path, "protocol.min_steps=0"))
    three, one = reproduced.records
    assert [record.seed for record in three] == [0, 1]
    assert all(record.config["ensemble"] == weights for record in three)
    assert len(list((tmp_path / "records").iterdir())) == 8, "three streams and their sum of two seeds"
    assert {record.identity for record in one} == {
        record.extra["details"]["ensemble_of"]["joint"] for record in three
    }, "the one stream is that of the three"
    again = reproduce("t", request(tiny, tmp_path, "protocol.min_steps=0"))
    assert [record.identity for record in again.records[0]] == [record.identity for record in three]
    assert "| three |" in reproduced.markdown()


@pytest.mark.long
def test_a_table_runs_once_and_says_what_it_found(tiny: str, tmp_path: Path) -> None:
    reproduced = reproduce("mamp-table8", request(tiny, tmp_path, "train.epochs=1", "protocol.min_steps=0"))
    assert [len(records) for records in reproduced.records] == [2, 2]
    assert [records[0].method["name"] for records in reproduced.records] == ["joint_to_motion", "mamp"]
    page = reproduced.markdown()
    assert "| random |" in page
    assert "| 83.7 | 77.3 |" in page
    assert "of 1 orders printed for ntu60/xsub" in page
    before = sorted((tmp_path / "records").iterdir())
    assert reproduce("mamp-table8", request(tiny, tmp_path, "train.epochs=1", "protocol.min_steps=0")).records
    assert sorted((tmp_path / "records").iterdir()) == before


@pytest.mark.long
def test_rows_side_by_side_make_the_records_of_rows_in_turn(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row's own overrides reach its jobs alone."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    rows = (
        TableRow("small", "random_init", published=(60.0,)),
        TableRow("large", "random_init", overrides=("backbone.dim=32",), published=(50.0,)),
    )
    table = Table("t", "t", "p", "", "knn", ("ntu60/xsub",), rows)
    monkeypatch.setattr(module, "read_table", lambda name: table)
    recorder = Recorder()
    parallel = reproduce("t", request(tiny, tmp_path / "jobs"), jobs=2, reporter=recorder)
    turn = reproduce("t", request(tiny, tmp_path / "turn"))
    assert sum("started" in line for line in recorder.lines) == 4
    for mine, theirs in zip(parallel.records, turn.records, strict=True):
        assert [record.identity for record in mine] == [record.identity for record in theirs]
        assert [record.scores for record in mine] == [record.scores for record in theirs]


@pytest.mark.long
def test_a_table_compares_the_score_and_condition_that_it_names(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (
        TableRow("small", "random_init", published=(60.0,)),
        TableRow("large", "random_init", overrides=("backbone.dim=32",), published=(50.0,)),
    )
    table = Table("t", "t", "p", "", "occlusion", ("ntu60/xsub",), rows, score="temporal", condition="temporal")
    monkeypatch.setattr(module, "read_table", lambda name: table)
    reproduced = reproduce("t", request(tiny, tmp_path, "protocol.min_steps=0"))
    [(_, _, difference)] = reproduced.pairs
    means = [sum(record.scores["temporal"] for record in records) / 2 for records in reproduced.records]
    assert difference.difference == pytest.approx(means[0] - means[1])
    assert "occlusion temporal" in reproduced.markdown()
    assert f"{100 * means[0]:.1f} ± " in reproduced.markdown()
    assert difference.on_any_clips is not None
    monkeypatch.setattr(module, "read_table", lambda name: replace(table, condition=None))
    [(_, _, again)] = reproduce("t", request(tiny, tmp_path, "protocol.min_steps=0")).pairs
    assert again.on_any_clips is None, "three conditions give no share of clips"
    assert again.difference == pytest.approx(difference.difference)
    page = reproduce("t", request(tiny, tmp_path, "protocol.min_steps=0")).markdown()
    assert again.words().replace("<", "\\<") in page


def test_comparisons_of_a_table_are_corrected_for_their_number(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tuple(TableRow(str(dim), "random_init", overrides=(f"backbone.dim={dim}",)) for dim in (8, 16, 32))
    monkeypatch.setattr(module, "read_table", lambda name: Table("t", "t", "p", "", "knn", (), rows))
    found = reproduce("t", replace(request(tiny, tmp_path), seeds=(0, 1, 2, 3)))
    tested = [one for _, _, one in found.pairs if one.p is not None]
    assert tested
    assert [one.corrected for one in tested] == pytest.approx(holm([one.p or 0.0 for one in tested]))
    assert found.markdown().count("corrected for all comparisons p") == len(tested)


def test_scaled_rows_multiply_what_the_preset_says(tiny: str) -> None:
    table = read_table("mamp-table9")
    [row] = [row for row in table.rows if row.scaled.get("clip.frames") == 2]
    asked = replace(request(tiny, Path("runs"), "train.epochs=1"), preset="cpu")
    [variant] = request_of_row(row, table, asked).variants
    assert variant == (*row.overrides, "backbone.segment=8", "clip.frames=120", "train.epochs=1")
    odd = TableRow("odd", "mamp", scaled={"clip.frames": 0.51})
    with pytest.raises(UsageError, match=r"row 'odd' needs clip\.frames = 60 x 0\.51, which is not a whole number"):
        request_of_row(odd, table, asked)


@pytest.mark.long
def test_few_labels_are_compared_by_the_mean_of_their_draws(tiny: str, tmp_path: Path) -> None:
    """A clip has a prediction from each draw of the labelled clips and gives the share of them that is right."""
    small = ["train.epochs=1", "train.warmup_epochs=0", "protocol.epochs=1", "protocol.warmup_epochs=0"]
    small += ["protocol.draws=2", "protocol.fraction=0.5", "protocol.balanced=true"]
    reproduced = reproduce("mamp-table5-10", request(tiny, tmp_path, *small))
    assert all(one.on_any_clips is not None and one.mcnemar is None for _, _, one in reproduced.pairs)
    for one, other, comparison in reproduced.pairs:
        means = [sum(record.scores["top1"] for record in reproduced.records[at]) / 2 for at in (one, other)]
        assert comparison.scores == pytest.approx(means)
    assert "| new weights |" in reproduced.markdown()


def test_a_row_that_does_not_fit_stops_before_anything_runs(tiny: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        reproduce("mamp-table8", request(tiny, tmp_path / "runs", "method.mask_ratio=2"))
    assert not (tmp_path / "runs").exists()


def comparison(difference: float, p: float) -> Comparison:
    return Comparison("c", "a", "b", (0, 1, 2), (0.5, 0.5 - difference), Estimate(difference, (-0.9, 0.9), p))


@pytest.mark.parametrize(
    ("printed", "difference", "p", "expected"),
    [
        (1.0, 0.1, 0.01, AGREES),
        (-1.0, -0.1, 0.01, AGREES),
        (1.0, 0.1, 0.2, LEANS),
        (1.0, -0.1, 0.2, LEANS_AWAY),
        (1.0, -0.1, 0.01, CONTRADICTS),
        (1.0, 0.0, 1.0, EQUAL),
    ],
)
def test_verdict(printed: float, difference: float, p: float, expected: str) -> None:
    assert verdict(printed, comparison(difference, p)) == expected
    assert verdict(-printed, comparison(-difference, p)) == expected


def test_a_verdict_is_of_the_corrected_p() -> None:
    assert verdict(1.0, replace(comparison(0.1, 0.01), corrected=0.06)) == LEANS


def test_the_command_lists_and_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce"]) == 0
    assert "mamp-table7" in capsys.readouterr().out
    assert main(["reproduce", "mamp-table77"]) == 2
    assert "did you mean 'mamp-table7'" in capsys.readouterr().err


def test_the_command_says_what_it_will_cost_and_where_it_is_not_the_papers(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (TableRow("small", "random_init", published=(60.0,)), TableRow("raw", "raw_features", published=(50.0,)))
    table = Table("t", "t", "p", "", "knn", ("ntu60/xsub",), rows)
    for place in ("sslskel.grid.reproduce.read_table", "sslskel.grid.tables.read_table"):
        monkeypatch.setattr(place, lambda name: table)
    words = ["reproduce", "t", "--benchmark", tiny, "--seeds", "2", "--results", str(tmp_path)]
    assert main(words) == 0
    lines = capsys.readouterr().err.splitlines()
    announced = lines.index("t: 2 rows x 2 seeds under knn on tiny/xsub, preset tiny")
    assert lines[announced + 1].startswith("  4 of 4 cells to run: about ")
    assert lines[announced + 2].startswith("  warning: the printed numbers are of ntu60/xsub with preset tiny, those ")
    assert announced < lines.index("t: small")
    assert main(words) == 0
    assert "  0 of 4 cells to run: about 0 s" in capsys.readouterr().err


def test_a_row_that_fails_leaves_the_others_to_run(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (
        TableRow("bad", "mamp", overrides=("train.lr=1e30", "train.warmup_epochs=0")),
        TableRow("raw", "raw_features"),
    )
    monkeypatch.setattr(module, "read_table", lambda name: Table("t", "t", "p", "", "knn", (), rows))
    with pytest.raises(RunError, match=r"^t: row 'bad': mamp on tiny/xsub, seed 0, knn: .*the same command continues$"):
        reproduce("t", replace(request(tiny, tmp_path, "train.epochs=2"), seeds=(0,)))
    assert len([*(tmp_path / "records").iterdir()]) == 1
