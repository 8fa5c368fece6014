"""An encoder filled with the weights of a checkpoint, as a method's ``load_start`` fills its teacher."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sslskel import CheckpointError, GridRequest, fill_encoder, load_encoder
from sslskel.grid.run import pretrain


@pytest.fixture
def runs(tiny: str, tmp_path: Path) -> list[Path]:
    for seed, dim in ((0, 16), (1, 16), (2, 32)):
        options = (f"backbone.dim={dim}", "backbone.depth=1")
        asked = {"methods": ("random_init",), "benchmarks": (tiny,), "seeds": (seed,), "output": tmp_path}
        pretrain(GridRequest(**asked, overrides=options))  # type: ignore[arg-type]
    return [run for seed in range(3) for run in (tmp_path / "pretrain").glob(f"*-s{seed}-*")]


def test_it_has_the_features_of_the_checkpoint_afterwards(runs: list[Path]) -> None:
    first, second = load_encoder(runs[0]), load_encoder(runs[1])
    clips = torch.randn(2, first.spec.coordinates, first.spec.frames, first.spec.layout.num_joints, 1)
    with torch.no_grad():
        assert not torch.equal(first(clips), second(clips))
        fill_encoder(first, runs[1])
        assert torch.equal(first(clips), second(clips))


def test_another_network_is_refused_with_what_does_not_fit(runs: list[Path]) -> None:
    own = load_encoder(runs[0])
    before = [value.clone() for value in own.state_dict().values()]
    with pytest.raises(CheckpointError, match=r"does not fit: .*32.*not .*16"):
        fill_encoder(own, runs[2])
    assert all(torch.equal(value, old) for value, old in zip(own.state_dict().values(), before, strict=True))
    with pytest.raises(CheckpointError):
        fill_encoder(own, runs[0] / "nowhere")
