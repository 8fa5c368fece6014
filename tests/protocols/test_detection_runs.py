"""Detection through the whole house: streams made of clips with known boundaries, and recorded PKU-MMD files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import sslskel
from sslskel.benchmarks.pku_mmd1 import BENCHMARK
from sslskel.config.compose import compose
from sslskel.data.prepare import open_benchmark, prepare
from sslskel.encoders.open import build_method
from sslskel.errors import UsageError
from sslskel.evaluation.judge import Target, evaluate_stage
from sslskel.protocols.detection import Detection, DetectionConfig
from sslskel.results.store import ResultStore
from sslskel.transforms.clip import clip_spec


def test_actions_of_untrimmed_streams_are_found_and_recorded(tiny: str, tmp_path: Path) -> None:
    result = sslskel.bench(
        ["random_init"],
        ["detection"],
        ["streams"],
        output=tmp_path,
        overrides=["protocol.lr=0.1", "protocol.window=32"],
    )
    [record] = result.records
    assert not result.failures
    assert record.scores["map_a_10"] >= record.scores["map_a_50"] > 0.5
    assert record.primary == "map_a_50"
    assert record.counts["test"] == 3
    arrays = ResultStore(tmp_path).predictions(record)
    assert len(arrays["keys"]) == len(arrays["value_begin"])
    assert record.extra["details"]["annotated_actions"] == 36


def test_a_benchmark_of_clips_alone_is_refused_before_any_work(tiny: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="untrimmed recordings"):
        sslskel.bench(["random_init"], ["detection"], [tiny], output=tmp_path)
    assert not (tmp_path / "pretrain").exists()


def test_recorded_pku_files_are_judged(shared: Path, tmp_path: Path) -> None:
    # Six recordings hold none of the subjects that selection would hold out.
    rule = replace(BENCHMARK.split("xsub"), validation=frozenset())
    benchmark = replace(BENCHMARK, expected={}, splits={"xsub": rule}, default_split="xsub")
    prepare(benchmark, [shared / "ntu_golden" / "raw/pku/v1"], tmp_path)
    dataset = open_benchmark(benchmark, tmp_path)
    resolved = compose("random_init", backbone="transformer", preset="quick", protocol="detection")
    spec = clip_spec(dataset.info, resolved.clip)
    encoders = build_method("random_init", resolved.method, "transformer", resolved.backbone, spec, 0).encoders()
    protocol = Detection(DetectionConfig(epochs=3))
    protocol.reads_labels = False  # type: ignore[misc]
    judged = evaluate_stage(encoders, protocol, Target(benchmark, dataset, "xsub"), resolved.engine, 0)
    assert set(judged.scores) == {f"map_{letter}_{share}" for letter in "av" for share in (10, 30, 50)}
    assert all(0 <= value <= 1 for value in judged.scores.values())
    assert dataset.untrimmed is not None
    assert judged.counts["test"] == len(benchmark.split("xsub").part(dataset.untrimmed, "test"))
