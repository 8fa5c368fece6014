"""Samplers of one frame out of each piece of a clip."""

from __future__ import annotations

import torch

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
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
