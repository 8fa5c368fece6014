"""What cannot be judged is found before anything is pretrained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sslskel
from sslskel.api.benchmark import Split
from sslskel.api.protocol import EvaluationProtocol
from sslskel.checks.fixtures import dataset_info, make_dataset, make_recordings, make_spec
from sslskel.data.memory import MemoryDataset
from sslskel.encoders.open import open_encoders
from sslskel.errors import CheckpointError, DataError, UsageError
from sslskel.evaluation.judge import check_judgeable
from sslskel.plugins.registry import BENCHMARKS, METHODS
from sslskel.protocols.cluster import Cluster, ClusterConfig
from sslskel.protocols.detection import Detection, DetectionConfig
from sslskel.protocols.few_shot import FewShot, FewShotConfig
from sslskel.protocols.knn import Knn, KnnConfig
from sslskel.protocols.motion_prediction import MotionPrediction, MotionPredictionConfig
from sslskel.protocols.occlusion import Occlusion, OcclusionConfig
from sslskel.protocols.semi import Semi, SemiConfig

INFO = dataset_info(classes=4)
RULE = Split("xsub", "subject", frozenset({0, 1, 2}), frozenset())
BENCHMARK = replace(BENCHMARKS.get("synthetic"), splits={"xsub": RULE}, default_split="xsub", expected={})


def judged(protocol: EvaluationProtocol, dataset: MemoryDataset) -> None:
    check_judgeable(protocol, BENCHMARK, dataset, "xsub", make_spec(INFO, 8))


def test_one_class_and_a_class_of_the_test_part_alone_are_named() -> None:
    dataset = make_dataset(INFO, 60)
    judged(Knn(KnnConfig()), dataset)
    train = RULE.part(dataset, "train")
    dataset.labels[train[dataset.labels[train] == 3]] = 0
    with pytest.raises(DataError, match=r"test clips of 'action 3' but no training clip"):
        judged(Knn(KnnConfig()), dataset)
    judged(Cluster(ClusterConfig()), dataset)
    dataset.labels[train] = 2
    with pytest.raises(DataError, match=r"one class alone \('action 2'\)"):
        judged(Knn(KnnConfig()), dataset)


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        (Knn(KnnConfig(k=37)), r"protocol.k is 37.* 36 labelled clips"),
        (FewShot(FewShotConfig(shots=[1, 10])), r"10 labelled clips of each class.* has 9"),
        (Semi(SemiConfig(fraction=0.01)), r"without a labelled clip; the smallest fraction that works here is 0\.0556"),
        (MotionPrediction(MotionPredictionConfig(future=60)), "fewer than 61 frames"),
        (Detection(DetectionConfig()), "holds clips alone"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, EvaluationProtocol) else "",
)
def test_options_that_the_clips_cannot_meet_are_refused_in_one_sentence(
    protocol: EvaluationProtocol, words: str
) -> None:
    with pytest.raises((DataError, UsageError), match=words) as fault:
        judged(protocol, make_dataset(INFO, 60))
    assert "\n" not in str(fault.value)


def test_a_body_whose_parts_are_not_named_is_refused_by_occlusion() -> None:
    judged(Occlusion(OcclusionConfig()), make_dataset(INFO, 60))
    arms = {name: joints for name, joints in INFO.layout.parts.items() if name != "left_arm"}
    info = replace(INFO, layout=replace(INFO.layout, name="armless", parts=arms))
    with pytest.raises(DataError, match=r"layout 'armless' does not say which joints are the left_arm;"):
        check_judgeable(Occlusion(OcclusionConfig()), BENCHMARK, make_dataset(info, 60), "xsub", make_spec(info, 8))


def test_motion_prediction_in_pixels_is_refused() -> None:
    info = replace(INFO, unit="pixel")
    protocol = MotionPrediction(MotionPredictionConfig())
    with pytest.raises(DataError, match="motion_prediction needs coordinates in metres"):
        check_judgeable(protocol, BENCHMARK, make_dataset(info, 60), "xsub", make_spec(info, 8))


def test_an_action_that_only_the_test_recordings_show_is_named() -> None:
    dataset = make_dataset(INFO, 10)
    dataset.untrimmed = make_recordings(INFO, 10)
    judged(Detection(DetectionConfig()), dataset)
    segments = dataset.untrimmed.segments
    train = np.isin(segments.owner, RULE.part(dataset.untrimmed, "train"))
    dataset.untrimmed.segments = segments._replace(label=np.where(train, segments.label % 3, 3))
    with pytest.raises(DataError, match="'action 3'"):
        judged(Detection(DetectionConfig()), dataset)


def test_a_checkpoint_of_another_method_version_is_refused(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sslskel.bench(["random_init"], ["knn"], [tiny], output=tmp_path)
    [folder] = (tmp_path / "pretrain").iterdir()
    monkeypatch.setattr(METHODS.get("random_init"), "version", 99)
    with pytest.raises(CheckpointError, match=r"made by version 1 of method 'random_init', but version 99"):
        open_encoders(folder)


@pytest.mark.parametrize(
    ("method", "protocol", "overrides", "words"),
    [
        ("raw_features", "finetune", (), r"FineTune needs tokens, which the joint encoder of 'raw_features' does not"),
        ("skeletonclr", "knn", ("train.accumulate=2",), r"train.accumulate=2 cannot be used with SkeletonCLR, whose"),
    ],
)
def test_a_method_that_does_not_fit_is_refused_before_anything_is_written(
    tiny: str, tmp_path: Path, method: str, protocol: str, overrides: tuple[str, ...], words: str
) -> None:
    request = sslskel.GridRequest(
        methods=(method,), protocols=(protocol,), benchmarks=(tiny,), output=tmp_path / "runs", overrides=overrides
    )
    with pytest.raises(UsageError, match=words):
        sslskel.run_grid(request)
    assert not (tmp_path / "runs").exists()
