"""ActCLR beyond what was recorded: its augmentations by epoch, bones of other clips, mixes, and the later release."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from replays import contrasts, made, spied
from small_methods import small
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.method import Progress
from sslskel.api.noise import Noise, ReplayNoise
from sslskel.api.skeleton import NTU25, SkeletonLayout
from sslskel.backbones.gru_stepped import GruStepped
from sslskel.backbones.st_gcn import StGcn, StGcnConfig
from sslskel.checks.fixtures import dataset_info, make_source, make_spec
from sslskel.config.groups import EngineConfig, Optimiser, Stream, TrainConfig
from sslskel.config.stages import stages_of
from sslskel.engine.train import pretrain
from sslskel.errors import UsageError
from sslskel.grid.initial import take_part
from sslskel.methods.actclr import ActCLR
from sslskel.methods.actclr.actionlets import mean_clip
from sslskel.methods.actclr.changes import COUNTS, drawn_changes
from sslskel.methods.actclr.config import ActCLRConfig, Release
from sslskel.methods.actclr.mixing import NARROW, WIDE, actionlet_share, transformed
from sslskel.nn.gru import GruConfig
from sslskel.transforms.body_parts import MixPlan, mix_plan
from sslskel.transforms.clip import bone

BARE = SkeletonLayout("bare", NTU25.joints, NTU25.parents, NTU25.centre)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def actclr(layout: SkeletonLayout, frames: int, **options: Any) -> ActCLR:
    config = ActCLRConfig(**{"queue": 16, **options})
    spec = dataclasses.replace(make_spec(dataset_info(layout), 16), frames=frames)
    return ActCLR(config, lambda clip: StGcn(StGcnConfig(width=2, dim=4), clip), spec)


def test_the_later_release_has_no_actionlets(monkeypatch: pytest.MonkeyPatch) -> None:
    made = small("actclr", fidelity=Release.head)
    method = made.method
    assert isinstance(method, ActCLR)
    inputs = spied(monkeypatch, method, "maps")
    made.output()
    strong = made.views[0]
    fed = inputs.taken()[-3][0][1]
    assert torch.equal(fed.permute(0, 4, 2, 3, 1), strong.dense(method.clip.persons))


def test_the_mean_clip_has_the_persons_that_are_there() -> None:
    dense = randn(3, 3, 24, 25, 3)
    dense[..., 2] = 0
    dense[1, ..., 1] = 0
    batch = Batch.from_dense(dense)
    mean = mean_clip(batch.tracks, batch, 3)
    assert (mean.num_clips, mean.slot.tolist()) == (1, [0, 1])
    wanted = torch.stack([dense[..., 0].mean(0), dense[[0, 2], ..., 1].mean(0)]).permute(0, 2, 3, 1)
    torch.testing.assert_close(mean.tracks, wanted)
    filled = batch.filled(3)
    torch.testing.assert_close(mean_clip(filled.tracks, filled, 3).dense(3)[0], dense.mean(0))


def test_augmentations_become_fewer() -> None:
    for stage, counts in enumerate(COUNTS):
        picked = drawn_changes(stage, Noise(stage))
        assert tuple(picked.sum(1).tolist()) == counts
        assert not picked[0, 5:].any(), "the query's list is shorter"
    method = small("actclr").method
    source: Any = None
    kinds = []
    for epoch in (0, 99, 100, 200, 299, 300):
        method.on_epoch_start(source, Noise(epoch), Progress(epoch, 1, 350))
        views = method.views()
        kinds.append([len(view.augment) for view in views])
        assert repr(views[2]) == repr(views[3])
    weak = kinds[0][2]
    # Of all persons' slots, and then what was drawn.
    assert [(strong - weak - 1, query - weak - 1) for strong, query, _, _ in kinds[:5]] == [
        (7, 5),
        (7, 5),
        (5, 3),
        (3, 1),
        (3, 1),
    ]
    assert kinds[5] == [weak - 1] * 4, "nor crop and shear"


@pytest.mark.parametrize("stream", [Stream.joint, Stream.bone])
def test_a_clip_takes_the_bone_lengths_of_another(stream: Stream) -> None:
    own, partner = randn(1, 1, 24, 25, 3), 3 * randn(1, 1, 24, 25, 3, seed=1)
    after = transformed(own, partner, stream, NTU25)
    ours, theirs = (bone(one, NTU25) if stream is Stream.joint else one for one in (after, partner))
    torch.testing.assert_close(ours.norm(dim=-1), theirs.norm(dim=-1), rtol=1e-3, atol=1e-2)


def mix_of(kind: float, **more: float) -> MixPlan:
    sites = {"shift": 0, "count": 0, "units": 0, "start": 2, "kind": kind, "blend": 0.3} | more
    draws = {f"mix.{site}": torch.tensor(value) for site, value in sites.items()}
    return mix_plan(NTU25, 32, 5, WIDE, ReplayNoise({**draws, "mix.parts": torch.tensor([3, 4, 0, 1, 2])}))


def test_mixes_cut_resize_and_blend() -> None:
    own, partner = torch.zeros(1, 1, 32, 25, 3), torch.arange(32.0)[None, None, :, None, None].expand(1, 1, 32, 25, 3)
    legs = [*NTU25.part("left_leg"), *NTU25.part("right_leg")]
    cut, resized, blend = mix_of(0.9), mix_of(0.4), mix_of(0.1)
    for mix, frames in ((cut, range(8, 20)), (resized, range(0, 24, 2))):
        made = mix.apply(own, partner)[0, 0, :, :, 0]
        assert made[8:20, legs[0]].tolist() == list(frames)
        rest = made.clone()
        rest[8:20, legs] = 0
        assert not rest.any()
    torch.testing.assert_close(blend.apply(own, partner), 0.3 * partner)
    assert cut.partner.tolist() == [1, 2, 3, 4, 0]
    weight = torch.ones(1, 1, 8, 25)
    inside, lent = 3 * len(legs) / 200, len(legs) / 25
    assert float(actionlet_share(cut, weight, weight)) == pytest.approx(inside, rel=1e-3)
    assert float(actionlet_share(resized, weight, weight)) == pytest.approx(lent / (lent + 1 - inside), rel=1e-3)
    assert float(actionlet_share(blend, weight, weight)) == pytest.approx(0.3, rel=1e-3)


def test_no_mix_is_longer_than_the_clip() -> None:
    mix = mix_plan(NTU25, 16, 5, WIDE, Noise(0))
    assert mix.weight.shape == (16, 25)


def test_narrow_mixes_are_smaller() -> None:
    sizes = {
        extent: [int((mix_plan(NTU25, 32, 5, extent, Noise(seed)).weight == 1).sum()) for seed in range(12)]
        for extent in (WIDE, NARROW)
    }
    assert max(sizes[NARROW]) < max(sizes[WIDE])


@pytest.mark.parametrize(
    ("layout", "frames", "options", "words"),
    [
        (BARE, 24, {}, "layout 'bare' does not define the body part 'torso'"),
        (NTU25, 3, {}, "actclr mixes 4 frames and more, but clip.frames=3"),
        (NTU25, 24, {"neighbours": 0}, "method.neighbours is 0; it must be at least 1"),
        (NTU25, 24, {"stage_epochs": [3, 1, 2]}, "method.stage_epochs is [3, 1, 2]; it must be three epochs"),
        (NTU25, 24, {"narrow_epoch": -1}, "method.narrow_epoch is -1; it must be an epoch from 0"),
    ],
)
def test_what_cannot_be_is_refused(layout: SkeletonLayout, frames: int, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as fault:
        actclr(layout, frames, **options)
    assert words in str(fault.value)


def test_backbones_without_joints_are_refused() -> None:
    spec = make_spec(dataset_info(NTU25), 24)
    config = ActCLRConfig(queue=16)
    with pytest.raises(UsageError, match="use st_gcn"):
        ActCLR(config, lambda clip: GruStepped(GruConfig(hidden=4, layers=1), clip), spec)


def test_two_clips_are_too_few(tmp_path: Path) -> None:
    method = small("actclr").method
    train = TrainConfig(epochs=1, batch_size=2, optimiser=Optimiser.sgd, warmup_epochs=0)
    source = make_source(dataset_info(), 8, method.clip)
    with pytest.raises(UsageError, match="actclr mixes clips and needs 3 in a step, but one has 2"):
        pretrain(method, source, train, EngineConfig(device="cpu"), 0, tmp_path, {"identity": "x"})


def test_it_starts_from_the_encoder_and_the_head_of_aimclr() -> None:
    first, second = stages_of("actclr_from_aimclr")
    assert (first.method, second.method, second.part) == ("aimclr", "actclr", "contrast.query")
    sizes = ("method.queue=8", "method.dim=4", "backbone.width=2", "backbone.dim=4")
    other, own = (made(name, *sizes).method for name in (first.method, second.method))
    queue = contrasts(own)["contrast"].queue.entries.clone()
    take_part(own, other, second.part, "aimclr")
    wanted = contrasts(other)["contrast"].query.state_dict()
    for tower in (contrasts(own)["contrast"].query, contrasts(own)["contrast"].key):
        assert tower.state_dict().keys() == wanted.keys()
        assert all(torch.equal(value, wanted[name]) for name, value in tower.state_dict().items())
    assert torch.equal(contrasts(own)["contrast"].queue.entries, queue)
