"""Sets of any layout, 2D or 3D, of one to four persons go through every method, or are refused by name."""

from __future__ import annotations

import tempfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_sets import Shape, opened, shapes, write_set

from sslskel.api.backbone import Backbone
from sslskel.api.method import PretextMethod, Progress
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec
from sslskel.checks.fixtures import small_config
from sslskel.config.groups import Centre, ClipConfig
from sslskel.data.loader import ClipSource
from sslskel.data.own.importing import import_dataset
from sslskel.data.step_views import step_views
from sslskel.data.store.store import StoredDataset
from sslskel.errors import UsageError
from sslskel.plugins.registry import BACKBONES, METHODS
from sslskel.transforms.clip import clip_spec

FRAMES = 8


def built_in() -> list[str]:
    return [entry.name for entry in METHODS.entries() if entry.source == "built-in"]


def frames_are_cut(config: type) -> bool:
    """Whether a network reads windows or segments of several frames."""
    return bool({"segment", "dilation"} & {field.name for field in fields(config)})


def build(name: str, spec: ClipSpec) -> PretextMethod:
    """A small instance with a small backbone of its own default kind."""
    plugin = METHODS.get(name)

    def backbone(clip: ClipSpec) -> Backbone:
        kind = BACKBONES.get(plugin.default_backbone)
        # Segments and windows of which clips of so few frames have several.
        short = {"segment": 4, "window": 3, "stride": 2, "dilation": 1} if frames_are_cut(kind.Config) else {}
        options = small_config(kind.Config, **short)
        return kind(options, clip)

    config = small_config(plugin.Config)
    if hasattr(config, "mask_frames"):
        # As many as clips of so few frames can lose.
        config.mask_frames = 2
    return plugin(config, backbone, spec).train()


def trained(name: str, dataset: StoredDataset) -> None:
    """One step and the features of all clips; both must be finite."""
    config = ClipConfig(frames=FRAMES, min_frames=4, centre=Centre.sized)
    refusal = ""
    try:
        method = build(name, clip_spec(dataset.info, config))
        source = ClipSource(dataset, np.arange(len(dataset)), method.clip)
        noise = Noise(0, 0).over(source.keys)
        views = step_views(source, torch.arange(len(dataset)), method.views(), noise)
    except UsageError as fault:
        refusal = str(fault)
    if refusal:
        # It says which joint, part or dimension is missing.
        assert any(word in refusal for word in (f"layout '{dataset.info.layout.name}'", "joint", "part", "2D", "3D"))
        return
    if method.trains:
        progress = Progress(0, 1, 10)
        method.on_step_start(progress, noise)
        loss = method(views, noise, progress).loss()
        loss.backward()
        assert torch.isfinite(loss), name
    for encoder in method.encoders().values():
        features = encoder.eval().clip(source.batch(torch.arange(len(dataset)), method.clip.test_view, noise.view(0)))
        assert features.shape == (len(dataset), encoder.dim)
        assert torch.isfinite(features).all(), name


def check_every_method(shape: Shape) -> None:
    """Import a set of this shape and train every method on it."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSLSKEL_DATA", f"{folder}/data")
        import_dataset("mine", **write_set(Path(folder), shape, coordinates="xy" + "z" * (shape.coordinates - 2)))
        dataset = opened()[1]
        for name in built_in():
            trained(name, dataset)


@pytest.mark.parametrize("coordinates", [2, 3])
def test_every_method_takes_a_set_whose_layout_names_neither_parts_nor_sides(coordinates: int) -> None:
    check_every_method(Shape((0,) * 12, coordinates, 2, (1, 9, 4, 30)))


@pytest.mark.long
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shape=shapes())
def test_every_method_takes_every_set(shape: Shape) -> None:
    check_every_method(replace(shape, lengths=shape.lengths[:4]))


@settings(max_examples=6, deadline=None)
@given(scale=st.sampled_from([1e-3, 1.0, 1e3]), shift=st.floats(-1e3, 1e3), coordinates=st.sampled_from([2, 3]))
def test_measured_in_bodies_neither_unit_nor_place_matters(scale: float, shift: float, coordinates: int) -> None:
    shape = Shape(tuple(range(12)), coordinates, 2, (30, 30, 30, 30))
    batches = []
    for factor, offset in ((1.0, 0.0), (scale, shift * scale)):
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setenv("SSLSKEL_DATA", f"{folder}/data")
            arguments = write_set(Path(folder), shape, coordinates="xyz"[:coordinates])
            for number, array in enumerate(shape.arrays()):
                there = (array != 0).any((2, 3), keepdims=True)
                np.save(Path(folder) / f"c{number}.npy", np.where(there, array * factor + offset, 0))
            import_dataset("mine", **arguments)
            dataset = opened()[1]
            spec = clip_spec(dataset.info, ClipConfig(frames=FRAMES, min_frames=4, centre=Centre.sized))
            batches.append(ClipSource(dataset, np.arange(4), spec).batch(torch.arange(4), spec.test_view, Noise(0, 0)))
    assert spec.unit == "body"
    assert torch.allclose(batches[0].tracks, batches[1].tracks, atol=5e-3)
    with pytest.raises(UsageError, match="metres"):
        spec.require_metres("an error in millimetres")
