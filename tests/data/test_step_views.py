"""Views that lie inside others: their frames, their draws, other lengths, several datasets, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from local_views import LOCAL_FRAMES, LocalViews
from sound_method import failed
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.view import ViewSpec
from sslskel.checks import check_method
from sslskel.checks.fixtures import dataset_info, make_clips, make_spec
from sslskel.data.loader import ClipSource
from sslskel.data.memory import MemoryDataset
from sslskel.data.mixture import Mixture
from sslskel.data.step_views import step_views
from sslskel.errors import UsageError
from sslskel.transforms.clip import CentreCrop, RandomCrop

INFO = dataset_info(persons=1)
SPEC = make_spec(INFO)
CLIPS = 20
OUTER = ViewSpec(RandomCrop(0.3, 0.8, 10))
VIEWS = (
    OUTER,
    ViewSpec(RandomCrop(0.2, 0.6, 3), frames=5, within=0),
    OUTER,
    ViewSpec(RandomCrop(0.2, 0.9, 2), within=1),
    ViewSpec(CentreCrop(1.0), frames=40, within=2),
)


def numbered(prefix: str = "") -> MemoryDataset:
    """Clips whose every coordinate is the number of the frame."""
    clips = []
    for clip in make_clips(INFO, CLIPS):
        [track] = clip.tracks
        frames = np.arange(clip.length, dtype=np.float32)[:, None, None]
        joints = np.broadcast_to(frames + 1, track.joints.shape).astype(np.float32)
        clips.append(replace(clip, name=prefix + clip.name, tracks=(track._replace(joints=joints),)))
    return MemoryDataset(INFO, clips)


def source(prefix: str = "") -> ClipSource:
    return ClipSource(numbered(prefix), np.arange(CLIPS), SPEC, dtype=torch.float64)


def drawn(views: tuple[ViewSpec, ...] = VIEWS, rows: Tensor | None = None, **options: Any) -> tuple[Batch, ...]:
    every = torch.arange(CLIPS) if rows is None else rows
    return step_views(options.get("source") or source(), every, views, Noise(5, options.get("step", 0)))


def places(view: Batch) -> Tensor:
    """(N, T): where in the clip each frame was read."""
    return view.tracks[:, :, 0, 0] - 1


def test_the_frames_of_a_view_lie_inside_those_of_the_view_around_it() -> None:
    for step in range(20):
        batches = drawn(step=step)
        for number, view in enumerate(VIEWS):
            if view.within is not None:
                inner, outer = places(batches[number]), places(batches[view.within])
                assert (inner.amin(1) >= outer.amin(1).floor()).all()
                assert (inner.amax(1) <= outer.amax(1).ceil()).all()


def test_a_view_is_cut_from_its_outer_view_as_from_a_clip() -> None:
    whole, inner = drawn((OUTER, ViewSpec(CentreCrop(1.0), frames=60, within=0)))
    first, last = places(whole).amin(1).floor(), places(whole).amax(1).ceil()
    assert torch.equal(places(inner)[:, 0], first)
    assert torch.equal(places(inner)[:, -1], last)


def test_views_have_their_own_lengths_and_draws() -> None:
    batches = drawn()
    assert [batch.tracks.shape[1] for batch in batches] == [SPEC.frames, 5, SPEC.frames, SPEC.frames, 40]
    assert not torch.equal(places(batches[0]), places(batches[2])), "two outer views of one kind"
    assert all(torch.equal(batch.position, torch.arange(CLIPS)) for batch in batches)
    again = drawn()
    assert all(torch.equal(one.tracks, other.tracks) for one, other in zip(batches, again, strict=True))


def test_a_clip_has_the_same_views_whatever_is_beside_it_and_whatever_dataset_it_is_of() -> None:
    some = torch.tensor([7, 2, 11])
    mixed = drawn(rows=torch.tensor([7, CLIPS + 3, 2, 11]), source=Mixture([source(), source("other ")]))
    for whole, alone, among in zip(drawn(), drawn(rows=some), mixed, strict=True):
        assert torch.equal(whole.tracks[some], alone.tracks)
        assert torch.equal(among.tracks[[0, 2, 3]], alone.tracks)


def test_padding_stays_padding_inside_another_view() -> None:
    def late(lengths: Tensor, frames: int, noise: Noise) -> Tensor:
        return torch.arange(-1, frames - 1, dtype=torch.float64).expand(len(lengths), -1)

    whole, inner = drawn((OUTER, ViewSpec(late, frames=4, within=0)))
    assert not inner.valid[:, 0].any()
    assert torch.equal(places(inner)[:, 1], places(whole).amin(1).floor())


@pytest.mark.parametrize(("within", "sentence"), [(1, "view 0 before it"), (2, "view 0"), (-1, "view 0 before it")])
def test_a_view_lies_within_an_earlier_one_alone(within: int, sentence: str) -> None:
    with pytest.raises(UsageError, match=rf"view 1 is to lie within view {within}, but there is .*{sentence}"):
        drawn((OUTER, ViewSpec(CentreCrop(), within=within)))
    with pytest.raises(UsageError, match="view 0 is to lie within view 0, but there is no view before it"):
        drawn((ViewSpec(CentreCrop(), within=0),))


def test_a_view_within_another_is_not_drawn_alone() -> None:
    with pytest.raises(UsageError, match="within view 0 is drawn beside it"):
        source().batch(torch.arange(3), VIEWS[1], Noise(0))


def test_kept_features_know_views_as_before() -> None:
    assert repr(ViewSpec(CentreCrop(0.5))) == "ViewSpec(sample=CentreCrop(share=0.5), augment=())"
    assert repr(VIEWS[1]).endswith("augment=(), frames=5, within=0)")


@pytest.mark.long
def test_a_method_with_local_views_and_spread_masks_keeps_the_contract() -> None:
    results = check_method(LocalViews)
    assert not failed(results)
    assert {"processes_train_as_one", "views_do_not_depend_on_the_batch", "halves_make_the_whole"} <= {
        result.name for result in results if result.passed
    }
    assert len(LOCAL_FRAMES) == 3
