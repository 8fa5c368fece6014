"""The common body: which joints of real and made-up bodies meet in it; a joint that is missing adds nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_masked import PROGRESS

from sslskel import BENCHMARKS, Batch, PooledEncoder
from sslskel.api.common_body import COMMON_BODY
from sslskel.api.dataset import Clip, DatasetInfo, Track
from sslskel.api.noise import Noise
from sslskel.api.skeleton import COCO17, NTU25, SkeletonLayout, layout
from sslskel.api.view import ClipSpec
from sslskel.backbones.transformer import Transformer, TransformerConfig
from sslskel.config.groups import Body, ClipConfig
from sslskel.data.loader import ClipSource
from sslskel.data.mixture import Mixture
from sslskel.data.store.store import StoredDataset, open_dataset, write_dataset
from sslskel.encoders.adapt import reading_of
from sslskel.encoders.joint_map import map_joints
from sslskel.errors import UsageError
from sslskel.transforms.clip import clip_spec

HALF = layout(
    "half",
    {
        "hips": None,
        "neck": "hips",
        "left_shoulder": "neck",
        "left_elbow": "left_shoulder",
        "left_wrist": "left_elbow",
        "right_shoulder": "neck",
        "right_elbow": "right_shoulder",
        "right_wrist": "right_elbow",
        "tail": "hips",
    },
    centre="hips",
    parts={},
)
"""An upper body, and a joint that no other body has."""

LACKS = {
    "isl30": (),
    "utd_mhad": (),
    "nw_ucla": (),
    "hdm05_11": (),
    "bandai2": ("hand",),
    "cad60": ("wrist", "ankle", "pelvis"),
    "kard": ("wrist", "ankle", "pelvis"),
    "nuisi": ("wrist", "hip", "knee", "ankle", "foot"),
}


def read(name: str) -> dict[str, str]:
    """Joint of the common body -> joint of the benchmark's body, of those that it has."""
    return read_of(BENCHMARKS.get(name).info.layout)


def read_of(body: SkeletonLayout) -> dict[str, str]:
    found = map_joints(COMMON_BODY, body)
    pairs = zip(COMMON_BODY.joints, found.read, found.known, strict=True)
    return {joint: body.joints[at] for joint, at, known in pairs if known}


@pytest.mark.parametrize("name", LACKS)
def test_the_open_datasets_meet(name: str) -> None:
    joints = read(name)
    missing = {
        joint.removeprefix("left_").removeprefix("right_") for joint in COMMON_BODY.joints if joint not in joints
    }
    assert missing == set(LACKS[name])


def test_pose_estimators_and_kinect_2_meet_it_too() -> None:
    assert len(read_of(NTU25)) == 20
    assert read_of(NTU25)["shoulder_middle"] == "spine_shoulder"
    lacks = {"pelvis", "spine", "shoulder_middle", "head", *(f"{s}_{j}" for s in ("left", "right") for j in FAR)}
    assert set(COMMON_BODY.joints) - read_of(COCO17).keys() == lacks


FAR = ("hand", "foot")


def stored(folder: Path, body: SkeletonLayout, count: int = 6, fps: float = 30.0, **other: object) -> StoredDataset:
    """Clips of one to two persons, by name of the body."""
    made = []
    for number in range(count):
        generator = np.random.default_rng(number)
        shape = (14 + number % 5, body.num_joints, 3)
        persons = range(1 + number % 2)
        tracks = [
            Track(slot, 0, generator.normal(size=shape).astype(np.float32), np.ones(shape[0], bool)) for slot in persons
        ]
        made.append(Clip(f"{body.name}{number}", number % 2, shape[0], tuple(tracks), subject=number))
    info = DatasetInfo(body.name, 1, body, ("a", "b"), fps, persons=2, **other)  # type: ignore[arg-type]
    write_dataset(folder / body.name, info, made)
    return open_dataset(folder / body.name)


CONFIG = ClipConfig(frames=8, min_frames=4, body=Body.common, align_root=True, align_heading=True, align_size=True)


def source(dataset: StoredDataset) -> ClipSource:
    spec = clip_spec(dataset.info, CONFIG)
    joints = reading_of(spec, dataset.info).read
    return ClipSource(dataset, np.arange(len(dataset)), spec, dtype=torch.float64, joints=joints)


def test_missing_joints_are_marked_and_are_no_zeros(tmp_path: Path) -> None:
    clips = source(stored(tmp_path, HALF))
    batch = clips.batch(torch.arange(6), clips.spec.test_view, Noise(0))
    assert batch.tracks.shape[2] == batch.known.shape[1] == 20
    assert {COMMON_BODY.joints[at] for at in (~batch.known[0]).nonzero()[:, 0].tolist()} == {
        *("spine", "head"),
        *(f"{side}_{joint}" for side in ("left", "right") for joint in ("hand", "hip", "knee", "ankle", "foot")),
    }
    hand, wrist = COMMON_BODY.joint("left_hand"), COMMON_BODY.joint("left_wrist")
    assert torch.equal(batch.tracks[:, :, hand], batch.tracks[:, :, wrist])
    filled = batch.filled(3)
    assert filled.known[[0, 3, 4]].equal(batch.known[:3])
    assert filled.known[1:3].all()


def test_a_mixture_knows_whose_joints_are_missing(tmp_path: Path) -> None:
    whole, half = source(stored(tmp_path, NTU25)), source(stored(tmp_path, HALF))
    mixture = Mixture([whole, half])
    order = torch.tensor([7, 0, 3, 10])
    batch = mixture.batch(order, whole.spec.test_view, Noise(0))
    complete = batch.known.all(1)
    assert complete.tolist() == [bool(order[owner] < 6) for owner in batch.owner]
    alone = mixture.batch(torch.tensor([0, 1]), whole.spec.test_view, Noise(0))
    assert not alone.lacks_joints


def with_others(batch: Batch) -> Batch:
    """The same clips, with other values where a joint is missing."""
    other = torch.full_like(batch.tracks, 1e3)
    return batch._replace(tracks=torch.where(batch.known[:, None, :, None], batch.tracks, other))


def encoder(spec: ClipSpec) -> PooledEncoder:
    torch.manual_seed(0)
    network = Transformer(TransformerConfig(dim=16, depth=2, heads=2), spec).double().eval()
    return PooledEncoder(network, spec)


def test_what_a_missing_joint_holds_changes_no_feature(tmp_path: Path) -> None:
    clips = source(stored(tmp_path, HALF))
    batch = clips.batch(torch.arange(6), clips.spec.test_view, Noise(0))
    other = with_others(batch)
    network = encoder(clips.spec)
    reads = [network.clip, network.steps, network.tokens]
    reads += [lambda some, name=name: network.level(name, some) for name in network.levels]  # type: ignore[misc]
    with torch.no_grad():
        for read_by in reads:
            assert torch.allclose(read_by(batch), read_by(other), rtol=0, atol=1e-12)
        unmasked = network.clip(batch._replace(known=Batch.from_dense(batch.dense(2)).known))
    assert not torch.allclose(unmasked, network.clip(batch), atol=1e-3)


def test_a_clip_has_the_same_features_beside_other_bodies(tmp_path: Path) -> None:
    whole, half = source(stored(tmp_path, NTU25)), source(stored(tmp_path, HALF))
    network = encoder(whole.spec)
    mixed = Mixture([whole, half]).batch(torch.arange(12), whole.spec.test_view, Noise(0))
    with torch.no_grad():
        together = network.clip(mixed)
        apart = [network.clip(one.batch(torch.arange(6), one.spec.test_view, Noise(0))) for one in (whole, half)]
    assert torch.allclose(together, torch.cat(apart), rtol=0, atol=1e-12)


def test_masked_modelling_neither_shows_nor_asks_for_missing_joints(tmp_path: Path) -> None:
    from sslskel.methods.masked_modelling import MaskedModelling, MaskedModellingConfig

    clips = source(stored(tmp_path, HALF))
    batch = clips.batch(torch.arange(6), clips.spec.train_view, Noise(0))
    method = MaskedModelling(
        MaskedModellingConfig(decoder_depth=1, decoder_dim=16, decoder_heads=2),
        lambda spec: Transformer(TransformerConfig(dim=16, depth=1, heads=2), spec),
        clips.spec,
    ).double()
    other = with_others(batch)
    [one], [two] = (method([some], Noise(1), PROGRESS).terms.values() for some in (batch, other))
    assert one.total.item() == pytest.approx(two.total.item(), rel=1e-12)
    segments, known = 2, int(batch.known.sum())
    assert float(one.count) == segments * known - len(batch.owner) * method.num_kept
    loose = MaskedModelling(
        MaskedModellingConfig(mask_ratio=0.1),
        lambda spec: Transformer(TransformerConfig(dim=16, heads=2), spec),
        clips.spec,
    )
    with pytest.raises(UsageError, match=r"mask_ratio=0.1 keeps 36 tokens, but the body that lacks most joints has 16"):
        loose([batch.to(torch.float32)], Noise(1), PROGRESS)
