"""What `sslskel data info` and `sslskel data card` say, against the stored arrays, and that names stay text."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sslskel.api.benchmark import Benchmark, ImportReport, Split
from sslskel.api.dataset import Clip, DatasetInfo, Segment, Track
from sslskel.api.skeleton import layout
from sslskel.cli import main
from sslskel.data.card import card, info_lines
from sslskel.data.store.store import StoredDataset, open_dataset, write_dataset

LAYOUT = layout(
    "pair", {"base": None, "left_hand": "base", "right_hand": "base"}, "base", {"hands": ("left_hand", "right_hand")}
)
HOSTILE = "a|b <script>@x"
XSUB = Split("xsub", "subject", frozenset({1}), frozenset({9}), warning="too easy")
INFO = DatasetInfo("toy", 3, LAYOUT, ("sit", HOSTILE), 25.0, persons=2, licence="none", source={})


def benchmark(info: DatasetInfo = INFO) -> Benchmark:
    listed = Split("first", "list", frozenset({1}), frozenset())
    splits = {"xsub": XSUB, "first": listed} if info.lists else {"xsub": XSUB}
    expected = {"clips": 5, "xsub/train": 2}
    return Benchmark(
        "toy", 1, "Toy *set*", info, lambda *_: iter(()), splits, "xsub", "A. Author 2020.", "CC0", expected=expected
    )


def track(slot: int, frames: int) -> Track:
    return Track(slot, 0, np.random.default_rng(slot).normal(size=(frames, 3, 3)).astype("f4"), np.ones(frames, bool))


@pytest.fixture
def stored(tmp_path: Path) -> StoredDataset:
    clips = [
        Clip("a", 0, 4, (track(0, 4), track(1, 2)), subject=1),
        Clip("b", 1, 6, (track(0, 6),), subject=1),
        Clip("c", 1, 9, (track(0, 9),), subject=2, camera=4),
    ]
    dropped = {f"lost{n:02}": f"too short: {n} frames" for n in range(30)} | {"odd": "no person | at all"}
    report = ImportReport(
        dropped=dropped,
        notes=["one note"],
        tally={"gaps": 1234},
        faults={"f": "'f' is cut"},
        source={"z.zip": "ff" * 32},
    )
    write_dataset(tmp_path / "toy", INFO, clips, report=report)
    return open_dataset(tmp_path / "toy")


def test_a_card_says_what_is_stored(stored: StoredDataset) -> None:
    text = card(benchmark(), stored)
    for line in (
        r"# Toy \*set\*",
        f"| fingerprint | {stored.fingerprint} |",
        "| clips | 3 of 2 classes |",
        "| frames | 19 in clips; 21 stored, one for each person |",
        "| lengths | 4 to 9 frames, quartiles 4, 6, 9, at 25 per second |",
        "| persons | at most 2 in a clip; clips 2 with 1, 1 with 2 |",
        "| subjects | 2, numbered 1 to 2 |",
        "| cameras | 1, numbered 4 to 4; unknown for 2 clips |",
        "| setups | unknown |",
        "| licence | CC0 |",
        "| xsub (default) | subject 1 | 2 | 0 | 1 |",
        "Warning, xsub: too easy.",
        "| clips | 3 | 5 |",
        "| 0 | sit | 1 | 0 |",
        r"| 1 | a\|b \<script\>&#64;x | 1 | 1 |",
        "| 1 | left_hand | base | right_hand | hands |",
        "Centre: base.",
        f"| z.zip | {'ff' * 32} |",
        "- gaps: 1,234",
        "- one note",
        "- left out as damaged: 'f' is cut",
        r"| 1 | no person \| at all | odd |",
    ):
        assert line in text.splitlines(), line
    [lost] = [line for line in text.splitlines() if "too short" in line]
    assert lost.startswith("| 30 | too short | lost00, ")
    assert lost.endswith("lost19 and 10 more |")
    assert "sslskel data prepare toy --source PATH" in text


def test_every_table_has_as_many_cells_in_each_row(stored: StoredDataset) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", card(benchmark(), stored), re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_recordings_and_lists_are_told(tmp_path: Path) -> None:
    info = replace(INFO, lists=("first",))
    segments = (Segment(0, 5, 0, "r_0", 5), Segment(4, 9, 1, "r_1", 3), Segment(1, 2, 1))
    write_dataset(tmp_path / "toy", info, [Clip("r", -1, 12, (track(0, 12),), segments=segments)])
    text = card(benchmark(info), open_dataset(tmp_path / "toy"))
    assert "| recordings | 1 untrimmed, 3 annotated actions, 12 frames; clips are cut from them |" in text
    assert "| first | clips that the source's own list names | 0 | 0 | 2 |" in text
    assert "Nothing was dropped." in text


def test_info_says_the_same_in_lines(stored: StoredDataset) -> None:
    lines = list(info_lines(benchmark(), stored))
    for line in (
        "toy: Toy *set*",
        f"fingerprint {stored.fingerprint}",
        "split xsub: 2 train, 0 validation, 1 test",
        "  warning: too easy",
        "expected clips: 5, found 3",
        "note: one note",
        "done: gaps: 1,234",
        "damaged: 'f' is cut",
        "dropped 30: too short (lost00, lost01, lost02 and 27 more)",
        f"    1  {HOSTILE}: 2",
    ):
        assert line in lines


def test_the_command_prints_or_writes_the_card(tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "card", tiny]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("# 24 clips for tests\n")
    assert main(["data", "card", tiny, "--output", str(tmp_path / "new" / "card.md")]) == 0
    assert (tmp_path / "new" / "card.md").read_text() == printed
    assert main(["data", "info", tiny]) == 0
    assert "split xsub: 18 train, 6 validation, 6 test" in capsys.readouterr().out
