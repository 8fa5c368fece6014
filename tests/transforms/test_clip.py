"""Transforms against recorded outputs of the released code, and properties that need no recording."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from recorded import Recorded
from stored_clips import NTU, dense_clip, stored

from sslskel.api.batch import Batch
from sslskel.api.dataset import DatasetInfo
from sslskel.api.noise import Noise, ReplayNoise
from sslskel.api.skeleton import NTU25
from sslskel.api.view import ViewSpec
from sslskel.config.groups import ClipConfig, Stream
from sslskel.data.loader import ClipSource
from sslskel.transforms.clip import (
    BoneStream,
    CentreCrop,
    MotionStream,
    RandomCrop,
    RandomRotation,
    bone,
    clip_spec,
    motion,
    rotation_matrices,
    transformed,
)


def worst(ours: torch.Tensor, expected: np.ndarray) -> float:
    """Largest difference relative to the largest value."""
    expected_tensor = torch.from_numpy(expected).to(ours.dtype)
    return float((ours - expected_tensor).abs().max() / expected_tensor.abs().max())


@pytest.fixture(scope="module")
def tools(shared: Path) -> Recorded:
    return Recorded(shared / "golden" / "feeder_tools.npz")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_crop_resize_and_rotation_equal_the_released_code(tools: Recorded, tmp_path: Path, dtype: torch.dtype) -> None:
    params = json.loads(str(tools["params_json"]))
    cases = tools.beginnings("case")
    dataset = stored(
        tmp_path / "d", [dense_clip(c, tools[f"{c}/x"].transpose(1, 2, 3, 0).swapaxes(2, 3)) for c in cases]
    )
    assert len(dataset) == 6
    low, high = params["p_interval_train"]
    draws = {
        "crop.share": torch.tensor([float(tools[f"{c}/u_rand"]) for c in cases], dtype=torch.float64),
        "crop.start": torch.tensor([int(tools[f"{c}/bias_randint"]) for c in cases]),
        "rotation.angles": torch.tensor(np.stack([tools[f"{c}/rot_angles"] for c in cases])).double() / 0.6 + 0.5,
    }
    spec = clip_spec(NTU, ClipConfig(frames=params["window"], min_frames=params["min_crop"]))
    source = ClipSource(dataset, np.arange(6), spec, dtype=dtype)
    crop = RandomCrop(low, high, params["min_crop"])
    everything = torch.arange(6)
    for case in cases:
        start, length = int(tools[f"{case}/test_bias"]), int(tools[f"{case}/test_length"])
        assert length == int(tools[f"{case}/valid_frames"]) - 2 * start
        read = CentreCrop(params["p_interval_test"][0])(torch.tensor([length + 2 * start]), length, Noise(0))
        assert torch.equal(read, torch.arange(start, start + length)[None].double())
    trained = source.batch(everything, ViewSpec(crop), ReplayNoise(draws)).dense(2)
    tested = source.batch(everything, ViewSpec(CentreCrop(params["p_interval_test"][0])), Noise(0)).dense(2)
    turned = source.batch(everything, ViewSpec(crop, (RandomRotation(params["theta"]),)), ReplayNoise(draws)).dense(2)
    for row, case in enumerate(cases):
        assert worst(trained[row], tools[f"{case}/out_train"]) < 4e-7
        assert worst(tested[row], tools[f"{case}/out_test"]) < 4e-7
        assert worst(turned[row], tools[f"{case}/out_rot"]) < 4e-7


def test_start_draw_covers_the_released_range(tools: Recorded) -> None:
    """The exclusive upper end of the start, and the crop's length, are those of the released code."""

    class Spy(ReplayNoise):
        high = torch.empty(0)

        def integers(self, site, high, shape=(), per="person"):  # type: ignore[no-untyped-def]
            Spy.high = high
            return super().integers(site, high, shape, per)

    for case in (f"case{i}" for i in range(6)):
        length = torch.tensor([int(tools[f"{case}/valid_frames"])])
        noise = Spy(
            {
                "crop.share": torch.tensor([float(tools[f"{case}/u_rand"])], dtype=torch.float64),
                "crop.start": torch.zeros(1),
            }
        )
        RandomCrop(0.5, 1.0, 64)(length, 120, noise)
        assert int(Spy.high) == int(tools[f"{case}/bias_high_exclusive"])
        assert int(length + 1 - Spy.high) == int(tools[f"{case}/cropped_length"])


def test_rotation_matrices_equal_the_released_code(tools: Recorded) -> None:
    ours = rotation_matrices(torch.from_numpy(tools["fixed/angles"]))
    assert float((ours - torch.from_numpy(tools["fixed/matrices"])).abs().max()) < 1e-6
    for case in (f"case{i}" for i in range(6)):
        ours = rotation_matrices(torch.from_numpy(tools[f"{case}/rot_angles"])[None])[0]
        assert float((ours - torch.from_numpy(tools[f"{case}/rot_matrix"])).abs().max()) < 1e-6


@pytest.fixture(scope="module")
def feeder(shared: Path) -> Recorded:
    return Recorded(shared / "golden" / "feeder_ntu.npz")


@pytest.mark.parametrize(
    ("name", "augment"),
    [
        ("joint", ()),
        ("bone", (BoneStream(),)),
        ("motion", (MotionStream(),)),
        ("bone_motion", (BoneStream(), MotionStream())),
    ],
)
def test_streams_equal_the_released_feeder(feeder, tmp_path: Path, name: str, augment: tuple) -> None:  # type: ignore[no-untyped-def, type-arg]
    clips = []
    for row, padded in enumerate(feeder["x_padded"]):
        frames = int((padded.sum(1) != 0).sum())
        # One clip has a frame of zeros in its middle, for which the released code cuts one off its end.
        assert int(feeder["lengths"][row]) - frames in (0, 1)
        assert frames == feeder["valid_frame_num"][row]
        rows = padded[:frames].reshape(frames, 2, 25, 3).transpose(0, 2, 3, 1)
        clips.append(dense_clip(f"clip{row}", rows, int(feeder["y_onehot"][row].argmax())))
    source = ClipSource(stored(tmp_path / "d", clips), np.arange(6), clip_spec(NTU, ClipConfig()))
    view = source.spec.test_view
    batch = source.batch(torch.arange(6), ViewSpec(view.sample, (*view.augment, *augment)), Noise(0))
    expected = feeder[f"test_{name}/out"]
    assert float((batch.dense(2) - torch.from_numpy(expected)).abs().max()) < 4e-7
    assert batch.label.tolist() == feeder[f"test_{name}/label"].tolist()


def test_positions_stay_inside_and_exact() -> None:
    lengths = torch.arange(1, 400)
    noise = Noise(3).on(Batch(*(torch.zeros(0),) * 4, key=torch.arange(399), label=lengths, position=lengths))
    for sampler in (RandomCrop(0.1, 1.0, 8), RandomCrop(0.5, 1.0, 64), CentreCrop(0.95), CentreCrop(1.0)):
        for frames in (1, 7, 64, 120):
            positions = sampler(lengths, frames, noise)
            assert positions.shape == (399, frames)
            assert positions.dtype == torch.float64
            assert bool((positions >= 0).all())
            assert bool((positions <= lengths[:, None] - 1).all())
            assert bool((positions.diff(dim=1) >= 0).all())
    same = CentreCrop(1.0)(torch.tensor([64]), 64, noise)
    assert torch.equal(same[0], torch.arange(64, dtype=torch.float64))


@pytest.mark.parametrize(
    ("length", "frames"), [(1, 5), (2, 120), (47, 120), (64, 64), (119, 120), (300, 120), (286, 33)]
)
def test_resize_equals_torch_interpolate(length: int, frames: int, tmp_path: Path) -> None:
    generator = np.random.default_rng(length)
    rows = generator.normal(size=(length, 25, 3, 1)).astype(np.float32)
    info = DatasetInfo("one", 1, NTU25, ("a",), fps=30.0)
    dataset = stored(tmp_path / "d", [dense_clip("c", rows)], info)
    source = ClipSource(dataset, np.arange(1), clip_spec(info, ClipConfig(frames=frames)))
    ours = source.batch(torch.arange(1), ViewSpec(CentreCrop(1.0)), Noise(0)).dense(1)[0]
    flat = torch.from_numpy(rows[..., 0]).flatten(1).T[None]
    expected = torch.nn.functional.interpolate(flat, frames, mode="linear", align_corners=False)
    expected = expected[0].T.reshape(frames, 25, 3).permute(2, 0, 1)[..., None]
    assert float((ours - expected).abs().max()) < 2e-6


def test_rotation_keeps_distances_and_is_one_per_clip() -> None:
    tracks = torch.randn(3, 4, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    tracks[1] = tracks[0]
    batch = Batch(
        tracks, torch.ones(3, 4, dtype=torch.bool), torch.tensor([0, 0, 1]), torch.tensor([0, 1, 0]),
        torch.tensor([7, 8]), torch.tensor([0, 0]), torch.tensor([0, 1]),
    )  # fmt: skip
    turned = RandomRotation(0.3)(batch, Noise(5), clip_spec(NTU, ClipConfig()))
    assert torch.equal(turned.tracks[0], turned.tracks[1])
    assert not torch.allclose(turned.tracks, tracks)
    assert torch.allclose(turned.tracks.norm(dim=-1), tracks.norm(dim=-1))
    flat = batch._replace(tracks=tracks[..., :2])
    turned = RandomRotation(0.3)(flat, Noise(5), clip_spec(NTU, ClipConfig()))
    assert torch.allclose(turned.tracks.norm(dim=-1), flat.tracks.norm(dim=-1))
    assert not torch.allclose(turned.tracks, flat.tracks)


def test_transformed_is_the_matrix_product() -> None:
    generator = torch.Generator().manual_seed(1)
    tracks, matrices = torch.randn(4, 6, 5, 3, generator=generator), torch.randn(4, 3, 3, generator=generator)
    assert torch.allclose(transformed(tracks, matrices), torch.einsum("pij,ptvj->ptvi", matrices, tracks), atol=1e-5)


def test_bone_and_motion_of_a_known_body() -> None:
    tracks = torch.arange(2 * 3 * 25 * 3, dtype=torch.float64).reshape(2, 3, 25, 3)
    bones = bone(tracks, NTU25)
    assert torch.equal(bones[..., NTU25.joint("spine_shoulder"), :], torch.zeros(2, 3, 3, dtype=torch.float64))
    elbow, shoulder = NTU25.joint("left_elbow"), NTU25.joint("left_shoulder")
    assert torch.equal(bones[..., elbow, :], tracks[..., elbow, :] - tracks[..., shoulder, :])
    assert torch.equal(motion(tracks, 2)[:, 1:], torch.zeros(2, 2, 25, 3, dtype=torch.float64))
    assert torch.equal(motion(tracks)[:, :2], tracks[:, 1:] - tracks[:, :-1])
    assert torch.equal(motion(tracks, 5), torch.zeros_like(tracks))


def test_clip_spec_follows_the_config() -> None:
    plain = clip_spec(NTU, ClipConfig(rotation=0.0))
    assert plain.train_view == ViewSpec(RandomCrop(0.5, 1.0, 64))
    assert plain.test_view == ViewSpec(CentreCrop(0.95))
    assert (plain.frames, plain.persons, plain.coordinates, plain.fps, plain.unit) == (120, 2, 3, 30.0, "metre")
    moved = clip_spec(NTU, ClipConfig(stream=Stream.motion))
    assert moved.train_view.augment == (RandomRotation(0.3), MotionStream())
    assert moved.test_view.augment == (MotionStream(),)
