"""Comparing two rows: what is different is said to be, what is noise is not, and nothing is paired that cannot be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from sslskel.cli import main
from sslskel.errors import UsageError
from sslskel.leaderboard.compare import Clusters, Comparison, Skipped, compare, corrected
from sslskel.leaderboard.folder import board_of
from sslskel.results.record import Record, parse_record
from sslskel.results.statistics import over_clips
from sslskel.results.store import ResultStore

STORED = parse_record((Path(__file__).parents[1] / "results" / "record_v1.json").read_text(encoding="utf-8"))
CLIPS, CLASSES = 400, 5


def judged(
    folder: Path, method: str, seed: int, share: float, *, labels: bool = True, clips: int = CLIPS, **changes: Any
) -> Record:
    """A record whose predictions are right for about ``share`` of the clips, in a file order of its own."""
    random = np.random.default_rng([sum(method.encode()), seed])
    truth = np.arange(clips) % CLASSES
    right = random.random(clips) < share
    predicted = np.where(right, truth, (truth + 1) % CLASSES)
    order = random.permutation(clips)
    arrays = {"keys": order + 1000, "value_predicted": predicted[order]} | ({"label": truth[order]} if labels else {})
    identity = f"{sum(method.encode()):016x}{seed:08x}{sum(str(changes).encode()):08x}"
    facts = {
        "pretrain_identity": identity,
        "weights_sha256": identity * 2,
        "scores": {"top1": float(right.mean())},
        **changes,
    }
    record = replace(
        STORED, identity=identity, method={**STORED.method, "name": method}, seed=seed, predictions=None, **facts
    )
    return ResultStore(folder).write(record, arrays)


def compared(folder: Path, first: str, second: str) -> Comparison:
    [one] = compare(board_of(folder), ResultStore(folder), first, second)
    assert isinstance(one, Comparison)
    return one


def rights(folder: Path, *records: Record) -> np.ndarray:
    """Which clips are right (records, clips), in the order of their ids."""
    tables = [ResultStore(folder).predictions(record) for record in records]
    return np.array([(one["value_predicted"] == one["label"])[np.argsort(one["keys"])] for one in tables], dtype=float)


def test_a_real_difference_is_said_to_be_one(tmp_path: Path) -> None:
    for seed in range(3):
        judged(tmp_path, "good", seed, 0.8)
        judged(tmp_path, "poor", seed, 0.6)
    one = compared(tmp_path, "poor", "good")
    assert one.sure
    assert one.difference < 0
    assert one.widest.interval is not None
    assert one.widest.interval[0] < one.difference < one.widest.interval[1]
    assert "good is better than poor by more than noise" in one.words()
    assert "over 3 pretrainings and 400 clips" in one.words()
    board = {row.label: row.cells[0].summary.mean for row in board_of(tmp_path).rows if row.cells[0]}
    assert one.scores == pytest.approx((board["poor"], board["good"]))


def test_the_test_is_students_over_paired_differences_and_never_surer_over_clips(tmp_path: Path) -> None:
    first = [judged(tmp_path, "good", seed, 0.74) for seed in range(3)]
    second = [judged(tmp_path, "poor", seed, 0.7) for seed in range(3)]
    one = compared(tmp_path, "good", "poor")
    expected = stats.ttest_rel([r.scores["top1"] for r in first], [r.scores["top1"] for r in second])
    assert one.on_these_clips.p == pytest.approx(expected.pvalue)
    assert one.on_any_clips == over_clips(rights(tmp_path, *first) - rights(tmp_path, *second))
    assert one.p == one.on_any_clips.p


def test_noise_is_not_called_a_difference(tmp_path: Path) -> None:
    for seed in range(3):
        judged(tmp_path, "one", seed, 0.7)
        judged(tmp_path, "other", seed, 0.7)
    one = compared(tmp_path, "one", "other")
    assert not one.sure
    assert "one minus other may be noise" in one.words()


def test_one_seed_says_only_what_it_can(tmp_path: Path) -> None:
    """However clear it is over clips, another pretraining may turn it round."""
    judged(tmp_path, "good", 0, 0.9)
    judged(tmp_path, "poor", 0, 0.5)
    one = compared(tmp_path, "good", "poor")
    assert not one.sure
    assert one.p is None
    assert one.mcnemar is not None
    assert one.mcnemar.p < 1e-6
    words = one.words()
    assert "for the weights of seed 0, 95 % interval over 400 clips" in words
    assert "McNemar, exact: p < 0.001" in words
    assert words.endswith("how much another pretraining would change is not known")


def test_evaluations_of_the_same_weights_are_one_pretraining(tmp_path: Path) -> None:
    for method, share in (("good", 0.8), ("poor", 0.6)):
        same = {"pretrain_identity": method.encode().hex() * 4, "weights_sha256": f"{sum(method.encode()):064x}"}
        for seed in range(3):
            judged(tmp_path, method, seed, share, pretrain_seed=0 if seed else None, **same)
    one = compared(tmp_path, "good", "poor")
    assert (one.seeds, one.sure) == ((0,), False)
    records = ResultStore(tmp_path).read_all()[0]
    means = [
        np.mean([record.scores["top1"] for record in records if record.method["name"] == name])
        for name in ("good", "poor")
    ]
    assert one.scores == pytest.approx(means)
    assert one.mcnemar is None, "a mean of three predictions is neither right nor wrong"


def test_a_row_whose_seeds_change_no_weight_meets_every_pretraining(tmp_path: Path) -> None:
    """Its evaluation of the same seed, so that the noise of its head is in the differences."""
    for seed in range(3):
        judged(tmp_path, "good", seed, 0.9)
        judged(tmp_path, "raw", seed, 0.5, weights_sha256="0" * 64)
    one = compared(tmp_path, "good", "raw")
    assert one.seeds == (0, 1, 2)
    assert one.sure
    assert compared(tmp_path, "raw", "raw").seeds == (0,)


def test_of_two_that_learnt_nothing_nothing_is_claimed(tmp_path: Path) -> None:
    for seed in range(3):
        judged(tmp_path, "network", seed, 0.8, seen=())
    judged(tmp_path, "coordinates", 0, 0.6, seen=())
    one = compared(tmp_path, "network", "coordinates")
    assert not one.sure
    assert "neither was pretrained, so that nothing is claimed" in one.words()
    assert "over 400 clips" in one.words()
    assert "noise" not in one.words()
    judged(tmp_path, "learner", 0, 0.9)
    assert "another pretraining" in compared(tmp_path, "learner", "coordinates").words()


def test_only_seeds_that_both_have_are_paired(tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        judged(tmp_path, "good", seed, 0.9)
    for seed in (1, 2, 3):
        judged(tmp_path, "poor", seed, 0.5)
    assert compared(tmp_path, "good", "poor").seeds == (1, 2)


def test_a_row_against_itself_is_no_difference(tmp_path: Path) -> None:
    for seed in (0, 1):
        judged(tmp_path, "good", seed, 0.9)
    one = compared(tmp_path, "good", "good")
    assert (one.difference, one.p, one.sure) == (0.0, None, False)
    assert "0.0 points in each of 2 pretrainings" in one.words()


def test_a_score_that_is_no_mean_over_clips_is_compared_by_its_own_values(tmp_path: Path) -> None:
    """Not by the classes that happen to be kept beside it."""
    for seed in range(3):
        judged(tmp_path, "good", seed, 0.5, scores={"map": 0.8 + seed / 100}, primary="map")
        judged(tmp_path, "poor", seed, 0.9, scores={"map": 0.6 + seed / 90}, primary="map")
    one = compared(tmp_path, "good", "poor")
    assert one.on_any_clips is None
    assert one.difference == pytest.approx(0.2 + np.mean([s / 100 - s / 90 for s in range(3)]))
    assert "good is better than poor" in one.words()
    assert "over 3 pretrainings, on these test clips" in one.words()


def ranked(folder: Path, method: str, seed: int, at_least: float) -> Record:
    """A record of ranked galleries, whose average precisions are evenly spread above a number."""
    random = np.random.default_rng([sum(method.encode()), seed])
    precision = random.uniform(at_least, 1, (CLIPS, CLASSES)).astype(np.float32)
    first = np.where(np.arange(CLASSES) == 4, -1, random.integers(0, 9, (CLIPS, CLASSES))).astype(np.int32)
    truth = np.arange(CLIPS) % CLASSES
    own = np.where(truth == 4, 0, precision[np.arange(CLIPS), truth]).astype(np.float64)
    arrays = {"keys": np.arange(CLIPS), "label": truth, "value_first": first, "value_average_precision": precision}
    identity = f"{sum(method.encode()):016x}{seed:016x}"
    record = replace(
        STORED,
        identity=identity,
        pretrain_identity=identity,
        weights_sha256=identity * 2,
        method={**STORED.method, "name": method},
        seed=seed,
        scores={"map": float(own.mean())},
        primary="map",
        predictions=None,
    )
    return ResultStore(folder).write(record, arrays)


def test_average_precisions_are_compared_over_their_queries(tmp_path: Path) -> None:
    first = [ranked(tmp_path, "good", seed, 0.5) for seed in range(3)]
    second = [ranked(tmp_path, "poor", seed, 0.2) for seed in range(3)]
    one = compared(tmp_path, "good", "poor")
    differences = [a.scores["map"] - b.scores["map"] for a, b in zip(first, second, strict=True)]
    assert one.difference == pytest.approx(np.mean(differences))
    assert one.on_any_clips is not None
    assert one.on_any_clips.mean == pytest.approx(one.difference)
    assert (one.sure, one.mcnemar) == (True, None)
    assert "over 3 pretrainings and 400 clips" in one.words()


def test_names_that_are_offered_are_accepted(tmp_path: Path) -> None:
    for preset in ("cpu", "paper"):
        for seed in range(2):
            judged(tmp_path, "good", seed, 0.9, preset=preset)
    judged(tmp_path, "poor", 0, 0.5, preset="cpu")
    with pytest.raises(UsageError, match=r"'good' may be any of 'good \[cpu\]', 'good \[paper\]'; give one"):
        compared(tmp_path, "good", "poor")
    with pytest.raises(UsageError, match=r"there are: 'good \[cpu\]', 'good \[paper\]', 'poor'"):
        compared(tmp_path, "nobody", "poor")
    one = compared(tmp_path, "good [cpu]", "good [paper]")
    assert (one.first, one.second, one.seeds) == ("good [cpu]", "good [paper]", (0, 1))


@pytest.mark.long
def test_the_score_of_every_protocol_can_be_compared(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shares of clips over pretrainings and clips, all others over pretrainings."""
    monkeypatch.chdir(tmp_path)
    protocols = ("cluster", "few_shot", "knn", "motion_prediction", "occlusion", "retrieval")
    words = ["--protocol", ",".join(protocols), "--benchmark", tiny, "--seeds", "2"]
    options = ["protocol.future=2", "protocol.observed=4", "protocol.epochs=1"]
    assert main(["bench", "--method", "random_init,aligned_features", *words, *options]) == 0
    results = compare(board_of("runs"), ResultStore("runs"), "random_init", "aligned_features")
    columns = {column.title: column for column in board_of("runs").columns}
    assert {columns[one.column].protocol for one in results} == {*protocols}
    for one in results:
        assert isinstance(one, Comparison), one.words()
        records = ResultStore("runs").read_all()[0]
        own = [r for r in records if r.protocol["name"] == columns[one.column].protocol]
        means = [np.mean([r.scores[r.primary] for r in own if r.method["name"] == m]) for m in (one.first, one.second)]
        assert one.scores == pytest.approx(means)
    capsys.readouterr()
    assert main(["compare", "random_init", "aligned_features"]) == 0
    printed = capsys.readouterr().out
    assert all(one.column in printed for one in results)


def test_subjects_vary_instead_of_clips(tmp_path: Path) -> None:
    first = [judged(tmp_path, "good", seed, 0.8) for seed in range(3)]
    second = [judged(tmp_path, "poor", seed, 0.7) for seed in range(3)]
    of = {1000 + clip: clip % 8 for clip in range(CLIPS)}
    board, store = board_of(tmp_path), ResultStore(tmp_path)
    [one] = compare(board, store, "good", "poor", lambda column: Clusters("subjects", of))
    assert isinstance(one, Comparison)
    gains = rights(tmp_path, *first) - rights(tmp_path, *second)
    assert one.on_any_clips == over_clips(gains, np.arange(CLIPS) % 8)
    assert "and 8 subjects" in one.words()
    del of[1000]
    with pytest.raises(UsageError, match="the subjects of 1 of 400 test clips are unknown"):
        compare(board, store, "good", "poor", lambda column: Clusters("subjects", of))


def test_what_cannot_be_paired_is_skipped_in_words_and_the_rest_compared(tmp_path: Path) -> None:
    for seed in range(2):
        for method, share in (("good", 0.9), ("poor", 0.5)):
            judged(tmp_path, method, seed, share)
    other = {"protocol": {**STORED.protocol, "name": "knn"}, "epoch": None}
    judged(tmp_path, "good", 0, 0.9, **other)
    judged(tmp_path, "poor", 1, 0.9, **other)
    found = compare(board_of(tmp_path), ResultStore(tmp_path), "good", "poor")
    assert [type(one) for one in found] == [Comparison, Skipped]
    assert "not compared: no pretraining of the one has the seed of one of the other" in found[1].words()


def test_damaged_predictions_are_said_to_be(tmp_path: Path) -> None:
    for method in ("good", "poor"):
        record = judged(tmp_path, method, 0, 0.9)
    assert record.predictions is not None
    (tmp_path / record.predictions["file"]).write_bytes(b"edited")
    with pytest.raises(UsageError, match="sha256 differs"):
        compared(tmp_path, "good", "poor")


def test_many_comparisons_are_corrected_together(tmp_path: Path) -> None:
    for seed in range(3):
        for method, share in (("best", 0.8), ("good", 0.74), ("poor", 0.6)):
            judged(tmp_path, method, seed, share)
    single = [compared(tmp_path, *pair) for pair in (("best", "good"), ("best", "poor"), ("good", "poor"))]
    together = corrected(single)
    values = sorted(one.p or 0.0 for one in single)
    assert min(one.corrected or 0.0 for one in together) == pytest.approx(3 * values[0])
    assert all("corrected for all comparisons p" in one.words() for one in together)


def test_an_unknown_name_is_one_sentence(tmp_path: Path) -> None:
    judged(tmp_path, "good", 0, 0.9)
    with pytest.raises(UsageError, match="no row is called 'goood'; did you mean 'good'"):
        compared(tmp_path, "goood", "good")


def test_without_classes_scores_alone_are_compared(tmp_path: Path) -> None:
    judged(tmp_path, "good", 0, 0.9)
    judged(tmp_path, "old", 0, 0.9, labels=False)
    one = compared(tmp_path, "old", "good")
    assert (one.on_any_clips, one.mcnemar) == (None, None)


def test_different_test_clips_are_never_paired(tmp_path: Path) -> None:
    judged(tmp_path, "good", 0, 0.9)
    judged(tmp_path, "short", 0, 0.9, clips=CLIPS - 1)
    with pytest.raises(UsageError, match="different test clips"):
        compared(tmp_path, "good", "short")


def test_no_seed_in_common(tmp_path: Path) -> None:
    judged(tmp_path, "good", 0, 0.9)
    judged(tmp_path, "poor", 1, 0.9)
    with pytest.raises(UsageError, match="can be compared in no column"):
        compared(tmp_path, "good", "poor")


def test_the_command_prints_words_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = [judged(tmp_path, "good", seed, 0.9) for seed in range(3)]
    for seed in range(3):
        judged(tmp_path, "poor", seed, 0.5)
    assert main(["compare", "good", "poor", "--results", str(tmp_path)]) == 0
    assert "good is better than poor by more than noise" in capsys.readouterr().out
    assert main(["compare", records[0].identity, "poor", "--results", str(tmp_path), "--format", "json"]) == 0
    [content] = json.loads(capsys.readouterr().out)
    assert (content["sure"], content["seeds"], content["skipped"]) == (False, [0], False)
    assert main(["compare", "good", "nobody", "--results", str(tmp_path)]) == 2
    assert main(["compare", "good", "poor", "--results", str(tmp_path), "--clusters", "subjects"]) == 2
    assert "subjects of its clips are unknown" in capsys.readouterr().err
