"""Predict & Cluster beyond its recordings: what is seen of a clip, what is trained, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from replays import made
from stored_clips import clips_of
from torch import Tensor
from undrawn_clips import star

from sslskel import check_method
from sslskel.api.batch import Batch
from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25, SkeletonLayout
from sslskel.errors import DataError, UsageError
from sslskel.methods.predict_cluster import Basis, PredictClusterConfig
from sslskel.nn.sequence_decoder import DecoderKind
from sslskel.transforms.body_axes import EveryFrame, Landmarks, OnePerson, liveliest, strided, turned

SMALL = ("backbone.hidden=4", "backbone.layers=1", "clip.frames=6", "engine.device=cpu")


def walk(frames: int, seed: int, scale: float = 1.0) -> Tensor:
    """A body that moves, (C, T, V)."""
    random = torch.Generator().manual_seed(seed)
    steps = torch.randn(3, frames, 25, generator=random, dtype=torch.float64) * 0.1 * scale
    return torch.randn(3, 1, 25, generator=random, dtype=torch.float64) + steps.cumsum(1)


def batch_of(*clips: Tensor) -> Batch:
    """Clips (C, T, V, M) of one length."""
    return Batch.from_dense(torch.stack(clips))


@pytest.mark.parametrize("length", [1, 7, 8, 9, 30])
def test_a_clip_is_read_frame_by_frame_and_a_long_one_evenly(length: int) -> None:
    [read] = EveryFrame()(torch.tensor([length]), 8, Noise(0)).tolist()
    step = -(-length // 8)
    frames = list(range(0, length, step))
    assert read == frames + [-1] * (8 - len(frames))


def test_the_person_who_moves_most_is_seen_and_no_other() -> None:
    calm, lively = walk(9, 0), walk(9, 1, scale=3.0)
    both = torch.stack([calm, lively], -1)
    alone = torch.stack([lively, torch.zeros_like(lively)], -1)
    batch = batch_of(both, alone, torch.zeros_like(both), both.flip(3))
    assert batch.slot[liveliest(batch)].tolist() == [1, 0, 0]
    ready = OnePerson(6, Landmarks.of(NTU25), mirrored=True)(batch)
    assert ready.owner.tolist() == [0, 1, 3]
    assert torch.equal(ready.tracks[0], ready.tracks[1])
    assert torch.equal(ready.tracks[0], ready.tracks[2])
    assert ready.num_clips == 4


def test_a_clip_without_a_person_has_a_feature_and_no_error() -> None:
    method: Any = made("predict_cluster", *SMALL).method
    batch = batch_of(torch.zeros(3, 9, 25, 2, dtype=torch.float32), walk(9, 0).float()[..., None].repeat(1, 1, 1, 2))
    term = method([batch], Noise(0), Progress(0, 1, 1)).terms["predict"]
    assert float(term.count) == 2
    features = method.encoders()["joint"].eval().clip(batch)
    assert not bool(features[0].any())
    assert bool(features[1].any())


def test_a_proper_rotation_keeps_left_and_right_and_the_released_one_does_not() -> None:
    body = walk(1, 3).permute(1, 2, 0)[None]
    here = torch.ones(1, 1, dtype=torch.bool)
    sides = []
    for mirrored in (False, True):
        seen = turned(body, here, Landmarks.of(NTU25), mirrored=mirrored)
        distances = torch.cdist(seen[0, 0], seen[0, 0])
        torch.testing.assert_close(distances, torch.cdist(body[0, 0], body[0, 0]))
        assert not bool((seen[0, 0, NTU25.joint("spine_base")].abs() > 1e-12).any())
        assert float(seen[0, 0, NTU25.joint("spine_mid"), 2]) > 0
        volumes = []
        for joints in (body[0, 0], seen[0, 0]):
            one, two, three = joints[1:4] - joints[0]
            volumes.append(float(one.cross(two, dim=0) @ three))
        sides.append(volumes[1] / volumes[0])
    assert sides == pytest.approx([1, -1])


@pytest.mark.parametrize(
    ("options", "basis"),
    [
        ((), Basis.mirrored),
        (("method.fidelity=paper",), Basis.rotation),
        (("method.fidelity=paper", "method.basis=mirrored"), Basis.mirrored),
        (("method.basis=rotation",), Basis.rotation),
        (("method.basis=none",), Basis.none),
    ],
)
def test_fidelity_chooses_the_basis_unless_it_is_named(options: tuple[str, ...], basis: Basis) -> None:
    method: Any = made("predict_cluster", *SMALL, *options).method
    assert method.network.prepared.mirrored is (basis is Basis.mirrored)
    assert (method.network.prepared.landmarks is None) == (basis is Basis.none)


def test_frames_with_a_missing_joint_are_left_out_unless_all_are() -> None:
    tracks = walk(8, 5)
    tracks[:, 2, 7] = 0
    ready = OnePerson(6, Landmarks.of(NTU25), rescale=False)(batch_of(tracks[..., None]))
    assert ready.valid.sum() == 6
    centred = walk(4, 5)
    centred = centred - centred[:, :, 20:21]
    ready = OnePerson(6, Landmarks.of(NTU25), rescale=False)(batch_of(centred[..., None]))
    assert ready.valid.sum() == 4, "a body centred in each frame lacks no joint"


def test_a_gap_is_closed_before_frames_are_taken() -> None:
    tracks = torch.arange(10.0)[None, :, None, None].expand(1, 10, 2, 3)
    kept = torch.ones(1, 10, dtype=torch.bool)
    kept[0, 3:5] = False
    taken, there = strided(tracks, kept, 4)
    assert taken[0, :, 0, 0].tolist() == [0, 2, 6, 8]
    assert bool(there.all())


def test_codes_are_learned_with_all_else_frozen(tmp_path: Path) -> None:
    method: Any = made("predict_cluster", *SMALL, "method.code=3", "method.code_widths=[5]").method
    trained = {name.split(".")[0] for name, p in method.named_parameters() if p.requires_grad}
    assert trained == {"compressor"}
    assert method.decoder is None
    assert not any(part.training for part in method.train().network.modules())
    source = clips_of(tmp_path, [walk(9, seed)[..., None] for seed in range(3)], method.clip, torch.float32)
    batch = source.batch(torch.arange(3), method.views()[0], Noise(0))
    with torch.no_grad():
        term = method([batch], Noise(0), Progress(0, 1, 1)).terms["compress"]
    features = method.network.clip(batch)
    wanted = (method.compressor(features) - features).square().mean()
    assert float(term.total / term.count) == pytest.approx(float(wanted.detach()))
    codes = method.encoders()["joint"].eval().clip(batch)
    assert codes.shape == (3, 3)
    assert torch.equal(codes, method.compressor.encoder(features))


CHECKS = (
    "loss_is_finite",
    "every_parameter_gets_a_gradient",
    "clips_bring_their_own_draws",
    "missing_persons_do_not_matter",
    "features_do_not_depend_on_the_batch",
    "weights_come_back",
    "encoders_hold_no_second_copy",
)


@pytest.mark.parametrize(
    "options",
    [
        ["method.code=4", "method.code_widths=[8]"],
        pytest.param(["method.decoder=fixed_state"], marks=pytest.mark.long),
        pytest.param(["method.fidelity=paper"], marks=pytest.mark.long),
    ],
)
def test_other_options_keep_the_contract(options: list[str]) -> None:
    results = check_method("predict_cluster", overrides=options, only=CHECKS)
    assert [result.name for result in results if not result.passed] == []


def test_the_port_takes_its_own_gru() -> None:
    with pytest.raises(UsageError, match=r"add backbone.kind=stepped, or take method predict_cluster_pytorch"):
        made("predict_cluster", *SMALL, "method.flavour=pytorch")
    assert made("predict_cluster", *SMALL, "method.flavour=pytorch", "backbone.kind=stepped")
    port = made("predict_cluster_pytorch", *SMALL).resolved
    assert (port.train.lr, port.train.schedule.value, port.train.optimiser.value) == (1e-3, "constant", "adam")


def test_only_the_port_is_teacher_forced() -> None:
    with pytest.raises(UsageError, match=r"add method.flavour=pytorch"):
        PredictClusterConfig(decoder=DecoderKind.teacher_forced)


def test_bodies_that_cannot_be_turned_are_refused() -> None:
    legs = {"left_leg": (1,), "right_leg": (2,), "torso": ()}
    bare = SkeletonLayout("bare", ("hips", "left", "right"), (-1, 0, 0), 0, parts=legs)
    for body in (star(5), bare):
        with pytest.raises(DataError, match=f"layout '{body.name}' has no such joints"):
            Landmarks.of(body)
    with pytest.raises(DataError, match=r"layout 'star' has no such joints; set method.basis=none"):
        made("predict_cluster", *SMALL, body=star(5))
    assert made("predict_cluster", *SMALL, "method.basis=none", body=star(5))
