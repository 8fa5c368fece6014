"""Which tokens masked modelling hides, and the values it predicts."""

from __future__ import annotations

import torch
from small_masked import build, clip_spec, dense, step

from sslskel.api.batch import Batch
from sslskel.config.groups import EmptyBodies
from sslskel.methods.masked_modelling import MaskedModellingConfig, Masking, Signal, mask_order
from sslskel.nn.token_masks import motion_intensity
from sslskel.nn.transformer_blocks import patchify


def test_a_clip_of_one_segment_masks_without_motion() -> None:
    clip = clip_spec(frames=4, joints=9)
    intensity = motion_intensity(torch.randn(2, 4, 9, 3, generator=torch.Generator().manual_seed(0)), 4)
    assert torch.equal(intensity, torch.zeros(2, 9))
    assert torch.isfinite(step(build(clip), Batch.from_dense(dense(clip))).loss())


def test_kept_tokens_are_counted_as_released() -> None:
    clip = clip_spec(frames=120, joints=25)
    method = build(clip, mask_ratio=0.9)
    assert (method.num_tokens, method.num_kept) == (750, 74)


def test_moving_tokens_are_hidden_more_often() -> None:
    """One joint moves: the chance that it is hidden exceeds that of the others by about exp(1/tau)."""
    tracks = torch.zeros(4000, 8, 5, 3)
    tracks[:, 4:, 2] = 1.0
    uniform = torch.rand(4000, 10, generator=torch.Generator().manual_seed(0))
    for masking, tau, low, high in (
        (Masking.motion_aware, 0.8, 3.1, 3.9),
        (Masking.motion_aware, 0.0, 0.85, 1.15),
        (Masking.random, 0.8, 0.85, 1.15),
    ):
        config = MaskedModellingConfig(masking=masking, tau=tau)
        last = mask_order(tracks, 4, uniform, config)[:, -1]  # the token most surely hidden
        counts = torch.bincount(last % 5, minlength=5).double()
        assert low < counts[2] / counts[[0, 1, 3, 4]].mean() < high


def test_targets_without_normalisation_are_the_values() -> None:
    clip = clip_spec()
    method = build(clip, normalise_target=False, target=Signal.joint)
    tracks = Batch.from_dense(dense(clip)).tracks
    ids = torch.arange(10).expand(len(tracks), -1)
    assert torch.equal(method.targets(tracks, ids), patchify(tracks, 4))


def test_loss_counts_hidden_tokens_of_present_persons() -> None:
    clip = clip_spec()
    batch = Batch.from_dense(dense(clip))
    hidden = 10 - build(clip).num_kept
    assert float(step(build(clip), batch).terms["masked"].count) == 7 * hidden
    reference = build(clip, empty_bodies=EmptyBodies.reference)
    assert float(step(reference, batch).terms["masked"].count) == 8 * hidden
