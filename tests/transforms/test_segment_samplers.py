"""Samplers of one frame out of each piece of a clip."""

from __future__ import annotations

import pytest
import torch
from toy_clips import described
from undrawn_clips import undrawn

from sslskel.api.batch import Batch
from sslskel.api.dataset import DatasetInfo
from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25
from sslskel.config.groups import ClipConfig, Sampling
from sslskel.errors import DataError, UsageError
from sslskel.transforms.clip import Mirror, MotionStream, clip_spec
from sslskel.transforms.segments import SeededSegments, UniformSegments

FRAMES = 8
LENGTHS = torch.tensor([1, 3, 7, 8, 11, 15, 16, 40, 100] * 30)


def read() -> torch.Tensor:
    batch = Batch.from_dense(torch.ones(len(LENGTHS), 2, 1, 1, 1))
    return UniformSegments()(LENGTHS, FRAMES, Noise(0).on(batch)).long()


def test_a_long_clip_gives_a_frame_of_each_piece() -> None:
    frames = read()
    for length in (16, 40, 100):
        some = frames[length == LENGTHS]
        borders = torch.arange(FRAMES + 1) * length // FRAMES
        assert bool((some >= borders[:-1]).all())
        assert bool((some < borders[1:]).all())
        assert len(some.unique(dim=0)) > 20


def test_a_middling_clip_leaves_frames_out_one_at_a_time() -> None:
    frames = read()
    for length in (8, 11, 15):
        some = frames[length == LENGTHS]
        steps = some.diff(dim=1)
        assert bool(((steps == 1) | (steps == 2)).all())
        assert int(some.min()) in (0, 1)
        assert int(some.max()) < length
        assert len(some.unique(dim=0)) > (1 if length > FRAMES else 0)
    assert torch.equal(frames[LENGTHS == 8][0], torch.arange(8))


def test_a_short_clip_is_read_in_a_circle() -> None:
    frames = read()
    for length in (1, 3, 7):
        some = frames[length == LENGTHS]
        assert bool(((some - some[:, :1]) % length == torch.arange(FRAMES) % length).all())
        assert set(some[:, 0].tolist()) == set(range(length))


def test_seeded_readings_differ_by_number_alone() -> None:
    lengths = torch.tensor([40, 11, 40])
    first, second = (SeededSegments(number, 10)(lengths, FRAMES, Noise(number)) for number in (0, 1))
    assert torch.equal(first[0], first[2])
    assert not torch.equal(first, second)
    assert torch.equal(SeededSegments(0, 10)(lengths, FRAMES, Noise(5)), first)


def test_a_run_reads_a_test_clip_as_often_as_it_is_told() -> None:
    info = DatasetInfo("toy", 1, NTU25, (), fps=30.0, persons=2)
    plain = clip_spec(info, ClipConfig())
    assert plain.more_test_views == ()
    config = ClipConfig(frames=8, sampling=Sampling.segments, test_views=3, test_mirrored=True)
    spec = clip_spec(info, config)
    assert spec.train_view.sample == UniformSegments()
    views = (spec.test_view, *spec.more_test_views)
    assert [view.sample for view in views] == [SeededSegments(number, 3) for number in range(3)] * 2
    assert [Mirror() in view.augment for view in views] == [False] * 3 + [True] * 3
    assert len(set(map(repr, views))) == 6


def test_streams_are_taken_of_the_mirror_image() -> None:
    info = DatasetInfo("toy", 1, NTU25, (), fps=30.0, persons=2)
    config = ClipConfig(sampling=Sampling.segments, test_mirrored=True)
    config.stream = type(config.stream).motion
    [mirrored] = clip_spec(info, config).more_test_views
    assert mirrored.augment == (Mirror(), MotionStream())


def test_a_mirror_image_turns_x_and_exchanges_left_and_right() -> None:
    batch = Batch.from_dense(torch.randn(2, 3, 4, 25, 1))
    once = Mirror()(batch, Noise(0), undrawn(NTU25))
    left, right = NTU25.swaps[0]
    torch.testing.assert_close(once.tracks[:, :, left, 0], -batch.tracks[:, :, right, 0])
    torch.testing.assert_close(once.tracks[:, :, left, 1:], batch.tracks[:, :, right, 1:])
    torch.testing.assert_close(Mirror()(once, Noise(0), undrawn(NTU25)).tracks, batch.tracks)


def test_what_cannot_be_averaged_is_refused() -> None:
    with pytest.raises(UsageError, match=r"clip\.test_views=10 needs clip\.sampling=segments"):
        ClipConfig(test_views=10)
    with pytest.raises(DataError, match=r"clip\.test_mirrored=true .* layout 'chain3' names no pairs"):
        clip_spec(described(), ClipConfig(test_mirrored=True))
