"""Masked modelling beyond the recorded cases: options, shapes, invariances, refusals."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from small_masked import PROGRESS, SMALL, build, clip_spec, dense, step
from torch import Tensor, nn

from sslskel.api.backbone import Backbone
from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec
from sslskel.config.compose import compose
from sslskel.config.groups import EmptyBodies
from sslskel.errors import UsageError
from sslskel.methods.masked_modelling import MaskedModelling, MaskedModellingConfig, Masking, Signal
from sslskel.nn.token_decoder import DecoderSize, TokenDecoder
from sslskel.nn.token_masks import normalise_tokens
from sslskel.nn.transformer_blocks import patchify


@pytest.mark.parametrize(("source", "target", "masking"), list(itertools.product(Signal, Signal, Masking)), ids=str)
def test_every_option_trains_every_parameter(source: Signal, target: Signal, masking: Masking) -> None:
    clip = clip_spec()
    method = build(clip, input=source, target=target, masking=masking)
    out = step(method, Batch.from_dense(dense(clip)))
    out.loss().backward()
    assert torch.isfinite(out.loss())
    assert [n for n, p in method.named_parameters() if p.grad is None or not p.grad.any()] == []
    encoder = method.encoders()[source.value]
    features = encoder.clip(Batch.from_dense(dense(clip)))
    assert features.shape == (4, 16)
    assert torch.isfinite(features).all()


@pytest.mark.parametrize(
    ("frames", "joints", "coordinates", "persons", "segment"), [(6, 3, 2, 1, 2), (9, 17, 3, 5, 3), (8, 25, 3, 2, 1)]
)
def test_other_clips(frames: int, joints: int, coordinates: int, persons: int, segment: int) -> None:
    clip = clip_spec(frames, joints, coordinates, persons)
    method = build(clip, segment)
    out = step(method, Batch.from_dense(dense(clip)))
    assert torch.isfinite(out.loss())
    assert int(out.terms["masked"].count) % (method.num_tokens - method.num_kept) == 0


def test_decoder_may_be_deeper_than_the_encoder() -> None:
    clip = clip_spec()
    method = build(clip, depth=1, decoder_depth=4)
    assert torch.isfinite(step(method, Batch.from_dense(dense(clip))).loss())


def test_released_parameter_counts() -> None:
    clip = clip_spec(frames=120, joints=25)
    for depth, count in ((3, 2_453_004), (5, 4_032_524)):
        with torch.device("meta"):
            decoder = TokenDecoder(DecoderSize(256, depth, 8), 256, 30, 25, 12)
        assert sum(p.numel() for p in decoder.parameters()) == count
    assert clip.frames // 4 == 30


def test_loss_does_not_depend_on_how_clips_are_dealt_out() -> None:
    clip = clip_spec()
    method = build(clip).double()
    whole = dense(clip, 6).double()
    keys = torch.arange(6)
    order = torch.tensor([4, 0, 5, 2, 1, 3])
    together = step(method, Batch.from_dense(whole, keys)).terms["masked"]
    shuffled = step(method, Batch.from_dense(whole[order], keys[order])).terms["masked"]
    assert float(shuffled.total.detach()) == pytest.approx(float(together.total.detach()), rel=1e-12)
    halves = [step(method, Batch.from_dense(whole[h], keys[h])).terms["masked"] for h in (order[:2], order[2:])]
    assert sum(float(h.total.detach()) for h in halves) == pytest.approx(float(together.total.detach()), rel=1e-12)
    assert sum(float(h.count) for h in halves) == float(together.count)


def test_forward_leaves_batch_labels_and_global_noise_alone() -> None:
    clip = clip_spec()
    method = build(clip)
    batch = Batch.from_dense(dense(clip))
    before, state = batch.tracks.clone(), torch.random.get_rng_state()
    first = step(method, batch).loss()
    relabelled = batch._replace(label=torch.arange(4))
    assert torch.equal(first, step(method, relabelled).loss())
    assert torch.equal(before, batch.tracks)
    assert torch.equal(state, torch.random.get_rng_state())
    assert not torch.equal(first, step(method, batch, seed=1).loss())


def test_bf16_stays_close_to_fp32() -> None:
    clip = clip_spec()
    method = build(clip)
    batch = Batch.from_dense(dense(clip))
    reference = float(step(method, batch).loss().detach())
    with torch.autocast("cpu", torch.bfloat16):
        mixed = step(method, batch).loss()
    assert mixed.dtype == torch.float32
    mixed.backward()
    assert float(mixed.detach()) == pytest.approx(reference, rel=0.03)


def test_drop_path_draws_from_the_step() -> None:
    clip = clip_spec()
    method = build(clip, drop_path=0.5).train()
    batch = Batch.from_dense(dense(clip))
    first = step(method, batch).loss()
    assert torch.equal(first, step(method, batch).loss())


@pytest.mark.filterwarnings("ignore:var_mean")
def test_a_rank_without_persons_adds_nothing() -> None:
    clip = clip_spec()
    term = step(build(clip), Batch.from_dense(torch.zeros_like(dense(clip)))).terms["masked"]
    term.total.backward()
    assert (float(term.total.detach()), float(term.count)) == (0, 0)


def test_training_lowers_the_loss() -> None:
    clip = clip_spec()
    method = build(clip)
    batch = Batch.from_dense(dense(clip, 16))
    optimiser = torch.optim.AdamW(method.parameter_groups(), lr=3e-3)
    losses = []
    for _ in range(60):
        loss = step(method, batch).loss()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mask_ratio": 0.0}, "mask_ratio is 0.0"),
        ({"mask_ratio": 1.0}, "mask_ratio is 1.0"),
        ({"mask_ratio": float("nan")}, "mask_ratio is nan"),
        ({"mask_ratio": 0.95}, "mask_ratio=0.95 keeps none of the 10 tokens"),
        ({"mask_ratio": 1e-20}, "hides none of the 10 tokens"),
        ({"tau": float("nan")}, "tau is nan"),
        ({"decoder_dim": 9}, "decoder_dim=9 is not divisible by method.decoder_heads=2"),
        ({"decoder_depth": 0}, "decoder_depth is 0"),
        ({"motion_stride": 8}, "motion_stride=8 is not shorter than clip.frames=8"),
        ({"decoder_mlp_ratio": 0.0}, "decoder_mlp_ratio is 0.0"),
    ],
)
def test_bad_values_are_one_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build(clip_spec(), **options)


def test_a_backbone_without_tokens_is_named() -> None:
    class Flat(Backbone):
        dim = 4

        def __init__(self) -> None:
            nn.Module.__init__(self)

        def forward(self, tracks: Tensor) -> Tensor:
            return tracks

    with pytest.raises(UsageError, match=r"backbone Flat .* transformer"):
        MaskedModelling(MaskedModellingConfig(), lambda spec: Flat(), clip_spec())


@pytest.mark.parametrize(
    ("name", "source", "target", "masking"),
    [
        ("mamp", "joint", "motion", "motion_aware"),
        ("skeletonmae", "joint", "joint", "random"),
        ("joint_to_joint", "joint", "joint", "random"),
        ("joint_to_motion", "joint", "motion", "random"),
        ("motion_to_joint", "motion", "joint", "random"),
        ("motion_to_motion", "motion", "motion", "random"),
    ],
)
def test_presets_of_the_papers(name: str, source: str, target: str, masking: str) -> None:
    composed = compose(name, backbone="transformer", preset="released").method
    assert isinstance(composed, MaskedModellingConfig)
    chosen = (composed.input.value, composed.target.value, composed.masking.value)
    assert chosen == (source, target, masking)
    defaults = MaskedModellingConfig(input=composed.input, target=composed.target, masking=composed.masking)
    assert composed == defaults, "a preset changes nothing but what its name says"


class Poses(Backbone[object]):
    """Tokens of two frames of all joints, each as its own layer sees it."""

    Config = object
    joins_joints = True
    segment, dim = 2, 8

    def __init__(self, clip: ClipSpec) -> None:
        super().__init__(None, clip)
        self.layer = nn.Linear(2 * clip.layout.num_joints * clip.coordinates, 8)

    def tokens(self, tracks: Tensor) -> Tensor:
        return self.layer(patchify(tracks.flatten(2)[:, :, None], 2))

    def encode(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        return tokens if keep is None else tokens.take_along_dim(keep[..., None], 1)

    def forward(self, tracks: Tensor, valid: Tensor | None = None) -> Tensor:
        return self.tokens(tracks)[:, :, None]


class ValidPoses(Poses):
    reads_validity = True


@pytest.mark.parametrize("masking", list(Masking))
def test_tokens_may_cover_all_joints(masking: Masking) -> None:
    clip = clip_spec()
    method = MaskedModelling(MaskedModellingConfig(**{**SMALL, "masking": masking}), Poses, clip).double()
    assert (method.num_tokens, method.num_kept) == (4, 1)
    batch = Batch.from_dense(dense(clip).double())
    out = step(method, batch)
    rows = len(batch.tracks) if method.config.empty_bodies is EmptyBodies.present else 8
    assert out.terms["masked"].count == rows * 3
    plain = method.as_released([batch.filled(2) if rows == 8 else batch], Noise(0), PROGRESS)
    torch.testing.assert_close(out.loss(), plain.loss())
    ids = torch.tensor([[1]])
    tracks = batch.tracks[:1]
    pose = method.targets(tracks, ids)[0, 0]
    wanted = normalise_tokens(method.signal(tracks, method.config.target)[:, 2:4].flatten(1)[None])[0, 0]
    torch.testing.assert_close(pose, wanted if method.config.normalise_target else pose)
    out.loss().backward()
    assert all(parameter.grad is not None for parameter in method.backbone.parameters())


def test_a_backbone_that_reads_validity_is_refused_in_a_sentence() -> None:
    with pytest.raises(UsageError, match="ValidPoses asks which frames are valid"):
        MaskedModelling(MaskedModellingConfig(), ValidPoses, clip_spec())
