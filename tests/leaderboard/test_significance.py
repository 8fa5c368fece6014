"""What a board claims: which row is bold, and which are better than those that saw no data."""

from __future__ import annotations

from board_records import STORED, bold_rows, three
from scipy import stats

from sslskel.leaderboard.build import build_board


def test_bold_is_above_every_other_row() -> None:
    near = three("skeletonmae", 0.6, 0.64, 0.62)
    assert bold_rows(build_board([*three("mamp", 0.80, 0.81, 0.82), *near])) == ["mamp"]
    assert bold_rows(build_board([*three("mamp", 0.61, 0.66, 0.64), *near])) == []
    far = three("random_init", 0.1, 0.11, 0.12)
    assert bold_rows(build_board([*three("mamp", 0.61, 0.66, 0.64), *near, *far])) == []


def test_bold_needs_no_gap_between_the_intervals() -> None:
    """Seven points of distance and 2 of spread are more than chance, though intervals of three values meet."""
    first, second = (0.69, 0.71, 0.70), (0.62, 0.64, 0.66)
    board = build_board([*three("mamp", *first), *three("skeletonmae", *second)])
    one, other = (row.cells[0].summary.interval for row in board.rows if row.cells[0])
    assert one is not None
    assert other is not None
    assert one[0] < other[1]
    assert bold_rows(board) == ["mamp"]


def test_bold_needs_three_seeds_and_somebody_to_beat() -> None:
    best, second = [0.9, 0.9001, 0.9002], three("skeletonmae", 0.1, 0.1, 0.1)
    assert bold_rows(build_board([*three("mamp", *best[:2]), *second])) == []
    assert bold_rows(build_board([*three("mamp", *best), *second])) == ["mamp"]
    assert bold_rows(build_board([*three("mamp", *best), *second[:1]])) == []
    assert bold_rows(build_board(three("mamp", *best))) == []


def test_findings_tell_what_seeds_can_and_cannot() -> None:
    floor = three("random_init", 0.52, 0.53, 0.51, seen=[])
    board = build_board(
        [*three("mamp", 0.62, 0.67, 0.65), *three("skeletonmae", 0.5, 0.56, 0.54), *three("one", 0.6), *floor]
    )
    lead, against = board.findings
    assert lead.startswith("utd_mhad/xsub linear top1: mamp has the highest mean, 64.7 %, before one, 60.0 %")
    assert "cannot be tested against rows of one pretraining: one" in lead
    assert "against random_init (52.0 %)" in against
    first, second = (
        stats.ttest_ind(values, (0.52, 0.53, 0.51), equal_var=False).pvalue
        for values in ((0.62, 0.67, 0.65), (0.5, 0.56, 0.54))
    )
    assert f"better: mamp (p = {2 * first:.3f}); not shown to differ: skeletonmae (p = {second:.3f})" in against
    assert "untested: one (one pretraining)" in against


def test_rows_of_the_same_mean_share_the_lead() -> None:
    board = build_board([*three("mamp", 0.6, 0.7), *three("skeletonmae", 0.7, 0.6), *three("one", 0.5, 0.5)])
    assert board.findings[0] == "utd_mhad/xsub linear top1: mamp, skeletonmae share the highest mean, 65.0 %"


def test_every_row_that_saw_no_data_is_a_floor_of_its_own() -> None:
    """Raw coordinates that beat all encoders do not hide whether pretraining beats the untrained one."""
    board = build_board(
        [
            *three("mamp", 0.60, 0.61, 0.62),
            *three("raw_features", 0.80, 0.80, 0.81, seen=[], weights_sha256="0" * 64),
            *three("random_init", 0.40, 0.41, 0.42, seen=[]),
        ]
    )
    said = " ".join(board.findings)
    assert "against raw_features (80.3 %), which saw no data: worse: mamp (p < 0.001)" in said
    assert "against random_init (41.0 %), which saw no data: better: mamp (p < 0.001)" in said


def test_a_row_is_compared_with_untrained_networks_of_its_own_alone() -> None:
    """Those of other backbones say nothing of what pretraining gave it, and would cost all claims of the column."""
    sizes = STORED["config"]["backbone"]
    other = {"backbone__name": "other", "config__backbone": {**sizes, "dim": 7}}
    low, floor = (0.45, 0.51, 0.53), (0.30, 0.36, 0.38)
    board = build_board(
        [
            *three("mamp", 0.60, 0.61, 0.62),
            *three("of_another", *low, **other),
            *three("random_init", 0.40, 0.41, 0.42, seen=[]),
            *three("random_init", *floor, seen=[], **other),
            *three("random_init", 0.20, 0.21, 0.23, seen=[], config__backbone__dim=8),
        ]
    )
    against = [text.partition("against ")[2] for text in board.findings[1:]]
    assert [text.partition(" (")[0].partition(" [")[0] for text in against] == ["random_init", "random_init"]
    assert "better: mamp" in against[0]
    assert "of_another" not in against[0]
    assert "better: of_another" in against[1]
    assert "mamp" not in against[1]
    # Two such claims, and the leader's, which weighs as much as both; mamp's own is the surest.
    expected = stats.ttest_ind(low, floor, equal_var=False).pvalue * 3
    assert f"of_another [other] (p = {expected:.3f})" in against[1]


def test_an_untrained_network_of_other_sizes_is_better_than_none() -> None:
    floor = three("random_init", 0.40, 0.41, 0.42, seen=[], config__backbone__dim=8)
    board = build_board([*three("mamp", 0.60, 0.61, 0.62), *floor])
    assert "better: mamp" in board.findings[-1]
