"""What occlusion hides, and that its clean condition is the linear protocol."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25, PARTS
from sslskel.checks.protocol import ProtocolCase, run_of
from sslskel.errors import UsageError
from sslskel.evaluation.linear_training import LinearConfig
from sslskel.evaluation.selection import Report
from sslskel.protocols.linear import Linear
from sslskel.protocols.occlusion import Occlusion, OcclusionConfig
from sslskel.transforms.occlude import HideFrames, HideParts

CLIP = SimpleNamespace(layout=NTU25)


def a_batch(clips: int = 40, frames: int = 20) -> Batch:
    """Two persons in every clip, no coordinate zero."""
    owner = torch.arange(clips).repeat_interleave(2)
    tracks = torch.rand(2 * clips, frames, 25, 3) + 1
    key = torch.arange(clips) * 17
    return Batch(tracks, torch.ones(2 * clips, frames).bool(), owner, torch.arange(2 * clips) % 2, key, key, key)


def test_two_whole_body_parts_are_hidden_in_every_frame_and_person_of_a_clip() -> None:
    batch = a_batch()
    hidden = HideParts(2)(batch, Noise(3), CLIP).tracks == 0
    assert (hidden == hidden[:, :1, :, :1]).all()
    assert (hidden[0::2] == hidden[1::2]).all()
    seen = set()
    for row in hidden[0::2, 0, :, 0]:
        parts = [part for part in PARTS if row[list(NTU25.part(part))].all()]
        assert len(parts) == 2
        assert row.sum() == sum(len(NTU25.part(part)) for part in parts)
        seen.add(tuple(parts))
    assert len(seen) > 5


def test_half_of_the_frames_are_hidden_in_one_stretch_and_no_longer_valid() -> None:
    batch = a_batch()
    occluded = HideFrames(0.5)(batch, Noise(3), CLIP)
    hidden = (occluded.tracks == 0).all(-1).all(-1)
    assert torch.equal(hidden, ~occluded.valid)
    assert (hidden.sum(1) == 10).all()
    assert (hidden.int().diff(dim=1).abs().sum(1) <= 2).all()
    assert (hidden[0::2] == hidden[1::2]).all()
    assert len(torch.unique(hidden.int().argmax(1))) > 5
    assert torch.equal(occluded.tracks[~hidden], batch.tracks[~hidden])


def test_what_is_hidden_depends_on_the_clip_alone() -> None:
    batch = a_batch()
    some = batch._replace(
        **{name: getattr(batch, name)[10:20] for name in ("tracks", "valid", "slot")},
        owner=batch.owner[10:20] - 5,
        key=batch.key[5:10],
        label=batch.label[5:10],
    )
    for occluder in (HideParts(2), HideFrames(0.5)):
        whole = occluder(batch, Noise(3), CLIP).tracks[10:20]
        assert torch.equal(occluder(some, Noise(3), CLIP).tracks, whole)


def test_whole_clips_are_judged_as_by_linear_and_drops_are_what_is_lost() -> None:
    case = ProtocolCase(Occlusion, OcclusionConfig(epochs=5, min_steps=0))
    outcome, scores = case.run()
    clean = ProtocolCase(Linear, LinearConfig(epochs=5, min_steps=0)).run()
    rows = outcome.condition == "clean"
    assert np.array_equal(outcome.values["logits"][rows], clean[0].values["logits"])
    assert scores["clean"] == scores["top1"] == clean[1]["top1"]
    assert set(outcome.condition.tolist()) == {"clean", "spatial", "temporal"}
    assert scores["drop"] == pytest.approx(scores["clean"] - scores["occluded"])


def test_an_encoder_that_reads_one_part_loses_what_was_hidden() -> None:
    """Its feature is the label, unless the joint that carries it is hidden."""
    case = ProtocolCase(Occlusion, OcclusionConfig(epochs=20, min_steps=0, lr=1.0))
    parts, truth = case.parts()
    encoder = case.encoder("leaking")
    own = encoder.clip
    carrier = NTU25.part("left_arm")[0]

    def clip(batch: Batch) -> torch.Tensor:
        shown = torch.zeros(batch.num_clips).index_add(0, batch.owner, batch.tracks[:, :, carrier].abs().sum((1, 2)))
        return own(batch) * (shown > 0)[:, None]

    encoder.clip = clip
    protocol = Occlusion(case.config)
    scores = protocol.score(protocol.evaluate({"joint": encoder}, parts, run_of({"joint": encoder})), truth)
    assert scores["clean"] == scores["temporal"] == 1
    assert scores["drop_spatial"] == pytest.approx(0.4 * 7 / 8, abs=0.15)


def test_the_best_test_epoch_is_not_reported_under_occlusion() -> None:
    with pytest.raises(UsageError, match="selected epoch alone"):
        OcclusionConfig(report=Report.best_test_epoch)
