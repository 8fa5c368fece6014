"""What contrastive methods refuse, each in one sentence, and what presets and recipes give them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sslskel.api.method import PretextMethod
from sslskel.api.skeleton import NTU25, SkeletonLayout
from sslskel.api.view import ClipSpec
from sslskel.backbones.gru_stepped import GruStepped
from sslskel.backbones.st_gcn import StGcn, StGcnConfig
from sslskel.backbones.transformer import Transformer, TransformerConfig
from sslskel.checks.fixtures import dataset_info, make_source, make_spec
from sslskel.config.compose import compose
from sslskel.config.groups import EngineConfig, Optimiser, TrainConfig
from sslskel.engine.train import pretrain
from sslskel.errors import UsageError
from sslskel.nn.gru import GruConfig
from sslskel.plugins.registry import METHODS

CONTRASTIVE = ("actclr", "aimclr", "cmd", "crossclr", "hiclr", "isc", "pcm3", "pstl", "skeletonclr")
LONE_JOINTS = SkeletonLayout("lone", ("a", "b", "c"), (-1, -1, -1), 0)
BARE = SkeletonLayout("bare", NTU25.joints, NTU25.parents, NTU25.centre)
"""A body without sides and parts."""


def small(name: str, layout: SkeletonLayout = NTU25, frames: int = 16, **options: Any) -> PretextMethod:
    plugin = METHODS.get(name)
    spec = make_spec(dataset_info(layout), frames)

    def graph(clip: ClipSpec) -> StGcn:
        return StGcn(StGcnConfig(width=2, dim=4), clip)

    def recurrent(clip: ClipSpec) -> GruStepped:
        return GruStepped(GruConfig(hidden=4, layers=1), clip)

    build = graph if plugin.default_backbone == "st_gcn" else recurrent
    return plugin(plugin.Config(**options), build, spec)


@pytest.mark.parametrize(
    ("name", "layout", "options", "words"),
    [
        ("cmd", LONE_JOINTS, {}, "stream 'bone' needs bones, but no joint of layout 'lone' has a parent"),
        ("pcm3", BARE, {}, "layout 'bare' does not define the body part 'torso'"),
        ("aimclr", BARE, {}, "layout 'bare' names no pairs"),
        ("hiclr", BARE, {}, "layout 'bare' names no pairs"),
        ("hiclr", NTU25, {"mask_ratio": 1.5}, "method.mask_ratio is 1.5; it must be in [0, 1]"),
        ("pstl", BARE, {"mask_frames": 2}, "layout 'bare' names no pairs"),
        ("pstl", NTU25, {}, "method.mask_frames is 10, but clips like these can lose 7 at most"),
        ("crossclr", NTU25, {"streams": []}, "method.streams names none"),
        ("skeletonclr", NTU25, {"temperature": 0.0}, "method.temperature is 0.0; it must be a positive number"),
    ],
)
def test_what_clips_cannot_give_is_refused(
    name: str, layout: SkeletonLayout, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError) as fault:
        small(name, layout, **options).views()
    assert words in str(fault.value)
    assert "\n" not in str(fault.value)


def test_frames_that_do_not_fit_chunks_are_refused_with_the_nearest_number_that_does() -> None:
    with pytest.raises(UsageError, match=r"clip.frames=20 is not a multiple of 8; the nearest that is: "):
        small("pcm3", frames=20)


@pytest.mark.parametrize(
    ("name", "batch", "words"),
    [
        ("skeletonclr", 8, "method.queue=6 is shorter than the 8 clips of a step"),
        ("cmd", 8, "method.queue=6 is shorter than the 8 clips of a step"),
        ("skeletonclr", 1, "a batch of one clip has no batch statistics"),
        ("pcm3", 2, "pcm3 mixes clips and needs 3 in a step, but one has 2"),
    ],
)
def test_batches_that_cannot_be_trained_on_are_refused_before_the_first_step(
    tmp_path: Path, name: str, batch: int, words: str
) -> None:
    method = small(name, queue=6)
    source = make_source(dataset_info(), 8, method.clip)
    train = TrainConfig(epochs=1, batch_size=batch, optimiser=Optimiser.sgd, warmup_epochs=0)
    with pytest.raises(UsageError) as fault:
        pretrain(method, source, train, EngineConfig(device="cpu"), 0, tmp_path, {"identity": "x"})
    assert words in str(fault.value)
    assert not list(tmp_path.glob("step-*"))


@pytest.mark.parametrize("name", ["aimclr", "pcm3", "pstl"])
def test_backbones_that_a_method_cannot_use_are_refused(name: str) -> None:
    spec = make_spec(dataset_info(), 16)

    def unfit(clip: ClipSpec) -> Transformer | GruStepped:
        if name == "aimclr":
            return GruStepped(GruConfig(hidden=4, layers=1), clip)
        return Transformer(TransformerConfig(dim=8, depth=1, heads=2), clip)

    plugin = METHODS.get(name)
    options = {"mask_frames": 2} if name == "pstl" else {}
    with pytest.raises(UsageError, match=r"use st_gcn|gru_stepped or bigru"):
        plugin(plugin.Config(**options), unfit, spec)


@pytest.mark.parametrize("preset", ["released", "cpu", "quick"])
@pytest.mark.parametrize("name", CONTRASTIVE)
def test_presets_fit_every_method(name: str, preset: str) -> None:
    plugin = METHODS.get(name)
    resolved = compose(name, backbone=plugin.default_backbone, preset=preset)
    if preset == "released":
        assert resolved.train.epochs >= 150
        backbone = resolved.backbone
        assert backbone.dropout == 0.5 if plugin.default_backbone == "st_gcn" else backbone.hidden == 1024
    else:
        assert resolved.train.batch_size <= 32
        # A queue longer than an epoch of a small set would hold the clip itself as its own negative.
        assert getattr(resolved.method, "queue", 0) <= 256
    # Options of its own backbone are none of another one's business.
    compose(name, backbone="transformer", preset=preset)
