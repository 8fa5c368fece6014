"""Clips read at one rate whatever they were recorded at: the same movement at two rates is the same clip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sslskel.api.dataset import Clip, DatasetInfo, Track
from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25
from sslskel.api.view import ViewSpec
from sslskel.config.groups import ClipConfig
from sslskel.data.loader import ClipSource
from sslskel.data.store.store import open_dataset, write_dataset
from sslskel.transforms.clip import CentreCrop, RandomCrop, clip_spec

SECONDS = 2.0


def source(folder: Path, recorded: float, **options: object) -> ClipSource:
    """One movement along a line that bends at every tenth of a second, recorded at a rate."""
    times = np.arange(round(SECONDS * recorded) + 1) / recorded
    path = np.interp(times, np.arange(21) / 10, np.sin(np.arange(21.0)))
    joints = np.repeat(path.astype(np.float32)[:, None, None], 25, 1).repeat(3, 2)
    clips = [
        Clip(name, 0, len(joints), (Track(0, begin, joints[begin:], np.ones(len(joints) - begin, bool)),))
        for name, begin in (("whole", 0), ("late", round(recorded)))
    ]
    info = DatasetInfo("line", 1, NTU25, ("a", "b"), recorded)
    write_dataset(folder / f"{recorded:g}", info, clips)
    config = ClipConfig(frames=12, min_frames=8, rotation=0, **options)  # type: ignore[arg-type]
    return ClipSource(
        open_dataset(folder / f"{recorded:g}"), np.arange(2), clip_spec(info, config), dtype=torch.float64
    )


def test_a_movement_recorded_at_another_rate_is_read_alike(tmp_path: Path) -> None:
    sources = [source(tmp_path, fps, fps=20) for fps in (20, 60, 30, 120)]
    assert [one.lengths.tolist() for one in sources] == [[41, 41]] * 4
    for view in (sources[0].spec.train_view, sources[0].spec.test_view):
        batches = [one.batch(torch.arange(2), view, Noise(5)) for one in sources]
        first, *others = batches
        for other in others:
            # The track that begins within the clip does so between two frames of the slowest recording.
            both = other.valid & first.valid
            assert both.sum() >= first.valid.sum() - 1
            assert torch.allclose(other.tracks[both], first.tracks[both], rtol=0, atol=1e-5)


def test_without_a_common_rate_every_stored_frame_is_a_frame(tmp_path: Path) -> None:
    plain, resampled = source(tmp_path, 60), source(tmp_path, 60, fps=60)
    assert plain.lengths.tolist() == [121, 121]
    one, other = (s.batch(torch.arange(2), s.spec.train_view, Noise(1)) for s in (plain, resampled))
    assert torch.equal(one.tracks, other.tracks)
    assert not plain.spec.resampled
    assert plain.spec.fps == 60


@pytest.mark.parametrize("fps", [7.5, 50.0, 200.0])
def test_positions_stay_inside_the_clip(tmp_path: Path, fps: float) -> None:
    clips = source(tmp_path, 60, fps=fps)
    last = replace(clips.spec, frames=int(clips.lengths[0]))
    whole = ViewSpec(CentreCrop(1.0), frames=last.frames)
    batch = clips.batch(torch.tensor([0]), whole, Noise(0))
    stored = torch.from_numpy(np.asarray(clips.dataset.joints[:121, 0, 0])).double()
    assert batch.tracks[0, 0, 0, 0] == stored[0]
    at = (last.frames - 1) * 60 / fps
    low, share = int(at), at - int(at)
    expected = stored[low] * (1 - share) + (share * stored[low + 1] if share > 1e-9 else 0)
    assert float(batch.tracks[0, -1, 0, 0]) == pytest.approx(float(expected), abs=1e-5)


def test_a_view_within_a_view_lies_in_it(tmp_path: Path) -> None:
    slow, fast = (source(tmp_path, fps, fps=20) for fps in (20, 120))
    outer, inner = ViewSpec(RandomCrop(0.5, 0.6, 4), frames=10), ViewSpec(RandomCrop(0.3, 0.4, 2), frames=5, within=0)
    noise = Noise(3)
    one, other = (s.batch(torch.tensor([0]), inner, noise.view(1), [(outer, noise.view(0))]) for s in (slow, fast))
    assert torch.allclose(one.tracks, other.tracks, rtol=0, atol=1e-5)


def test_a_subset_is_read_alike(tmp_path: Path) -> None:
    clips = source(tmp_path, 120, fps=20)
    part = clips.subset(torch.tensor([1]))
    assert part.lengths.tolist() == [41]
    view = clips.spec.test_view
    assert torch.equal(
        part.batch(torch.tensor([0]), view, Noise(0)).tracks, clips.batch(torch.tensor([1]), view, Noise(0)).tracks
    )
