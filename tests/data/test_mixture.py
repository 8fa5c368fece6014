"""Several prepared datasets as one: the same clips, bodies mapped, in whatever batches; shards equal the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sslskel.api.dataset import Clip, DatasetInfo, Track
from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25, SkeletonLayout
from sslskel.config.groups import ClipConfig
from sslskel.data.loader import ClipSource
from sslskel.data.mixture import Mixture
from sslskel.data.store.store import StoredDataset, open_dataset, write_dataset
from sslskel.errors import UsageError
from sslskel.grid.extra_data import ExtraDataset, extra_datasets, read_by
from sslskel.transforms.clip import clip_spec

SMALL = SkeletonLayout(
    "five", ("hip_centre", "neck", "head", "left_elbow", "right_knee"), (-1, 0, 1, 1, 0), 0, parts={"torso": (0, 1)}
)


def clips(count: int, joints: int, first: int = 0) -> list[Clip]:
    made = []
    for number in range(first, first + count):
        generator = np.random.default_rng(number)
        length = 9 + number % 5
        tracks = tuple(
            Track(slot, 0, generator.normal(size=(length, joints, 3)).astype(np.float32), np.ones(length, bool))
            for slot in range(1 + number % 2)
        )
        made.append(Clip(f"clip{number:03d}", 0, length, tracks, subject=number))
    return made


def stored(folder: Path, name: str, layout: SkeletonLayout, made: list[Clip], **other: object) -> StoredDataset:
    info = DatasetInfo(name, 1, layout, ("a", "b"), 30.0, persons=2, **other)  # type: ignore[arg-type]
    write_dataset(folder, info, made)
    return open_dataset(folder)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> tuple[ClipSource, Mixture]:
    """Twenty clips in one store, and the same in three."""
    folder = tmp_path_factory.mktemp("shards")
    made = clips(20, 25)
    whole = stored(folder / "whole", "toy", NTU25, made)
    parts = [stored(folder / f"part{i}", "toy", NTU25, made[a:b]) for i, (a, b) in enumerate([(0, 3), (3, 4), (4, 20)])]
    spec = clip_spec(whole.info, ClipConfig(frames=8, min_frames=4))
    return (
        ClipSource(whole, np.arange(20), spec),
        Mixture([ClipSource(part, np.arange(len(part)), spec) for part in parts]),
    )


@settings(max_examples=30, deadline=None)
@given(positions=st.lists(st.integers(0, 19), min_size=1, max_size=12), seed=st.integers(0, 9))
def test_shards_give_the_batches_of_the_whole(
    shards: tuple[ClipSource, Mixture], positions: list[int], seed: int
) -> None:
    whole, mixture = shards
    at = torch.tensor(positions)
    noise = Noise(seed).view(0)
    one, other = (source.batch(at, whole.spec.train_view, noise) for source in (whole, mixture))
    for name, value in one._asdict().items():
        assert torch.equal(getattr(other, name), value), name
    assert mixture.names(at) == whole.names(at)


def test_another_body_is_read_in_the_first_one_s(tmp_path: Path) -> None:
    home = stored(tmp_path / "home", "home", NTU25, clips(4, 25))
    other = stored(tmp_path / "other", "other", SMALL, clips(3, 5, first=50))
    extra = ExtraDataset("other", other, np.arange(3), "", None)
    config = ClipConfig(frames=8, min_frames=4, rotation=0)
    joints = read_by(extra, home.info, config).read
    assert joints is not None
    spec = clip_spec(home.info, config)
    mixture = Mixture([ClipSource(home, np.arange(4), spec), ClipSource(other, np.arange(3), spec, joints=joints)])
    batch = mixture.batch(torch.tensor([5, 0, 6]), spec.test_view, Noise(0))
    assert batch.tracks.shape[1:] == (8, 25, 3)
    assert batch.owner.tolist() == sorted(batch.owner.tolist())
    head, neck = NTU25.joint("head"), NTU25.joint("neck")
    assert not torch.equal(batch.tracks[0, :, head], batch.tracks[0, :, neck])


def test_what_cannot_be_mixed_is_one_sentence(tmp_path: Path, shards: tuple[ClipSource, Mixture]) -> None:
    whole, mixture = shards
    with pytest.raises(UsageError, match=r"'clip00[0-9]' is in two"):
        Mixture([whole, mixture.parts[0]])
    with pytest.raises(UsageError, match=r"positions are 0 to 19"):
        mixture.batch(torch.tensor([20]), whole.spec.test_view, Noise(0))
    feet = stored(tmp_path / "feet", "feet", NTU25, clips(2, 25, 70), unit="foot")
    extra = ExtraDataset("feet", feet, np.arange(2), "", None)
    with pytest.raises(UsageError, match=r"clip\.centre=sized"):
        read_by(extra, whole.dataset.info, ClipConfig())
    with pytest.raises(UsageError, match="no benchmark 'nothing'"):
        extra_datasets(["nothing"])


def test_a_mixture_is_pretrained_on_and_part_of_the_identity(tiny: str, tmp_path: Path) -> None:
    from sslskel.data.prepare import open_benchmark
    from sslskel.engine.checkpoint import read_meta
    from sslskel.grid.request import GridRequest
    from sslskel.grid.run import pretrain
    from sslskel.plugins.registry import BENCHMARKS

    made = clips(7, 25, first=100)
    stored(tmp_path / "part", "more", NTU25, made)
    common = ["train.epochs=1", "train.warmup_epochs=0", "train.drop_last=false"]
    overrides = [*common, f"train.also=[{tmp_path}/part]"]

    def request(options: list[str]) -> GridRequest:
        return GridRequest(methods=("mamp",), benchmarks=(tiny,), output=tmp_path, overrides=tuple(options))

    mixed, trained = pretrain(request(overrides))
    assert trained.steps == 5, "18 clips of the benchmark and 7 of the folder, in batches of 6"
    seen = read_meta(mixed)["seen"]
    assert [(entry["dataset"], entry["clips"]) for entry in seen] == [("tiny", 18), ("more", 7)]
    home = open_benchmark(BENCHMARKS.get(tiny))
    ids = [request(one).cells()[0].pretrain_identity(home) for one in (common, overrides)]
    assert ids[0] != ids[1]
