"""PoseC3D beyond its recordings: planes of 3D joints, who is drawn, and what chance does in training."""

from __future__ import annotations

import pytest
import torch
from undrawn_clips import star, undrawn

from sslskel.api.batch import Batch
from sslskel.api.encoder import PooledEncoder
from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25
from sslskel.api.unbound import Unbound
from sslskel.backbones.posec3d import Plane, PoseC3D, PoseC3DConfig, Shows
from sslskel.errors import DataError

CUT = 0.012
"""More than what is left of a spot where it is cut off; which pixel that is, rounding decides."""
SMALL = {"width": 2, "blocks": [1], "pixels": 12, "test_pixels": 14}


def clips() -> Batch:
    torch.manual_seed(0)
    return Batch.from_dense(torch.randn(3, 3, 8, 25, 2))


def built(**options: object) -> PoseC3D:
    torch.manual_seed(0)
    return PoseC3D(PoseC3DConfig(**(SMALL | options)), undrawn(NTU25))  # type: ignore[arg-type]


def maps(backbone: PoseC3D, batch: Batch) -> torch.Tensor:
    return backbone.maps(batch.joined(2), batch.joined_valid(2))


@pytest.mark.parametrize(("plane", "depth"), [(Plane.xy, 2), (Plane.zy, 0), (Plane.xz, 1)])
def test_depth_and_place_are_not_seen(plane: Plane, depth: int) -> None:
    backbone, batch = built(plane=plane).eval(), clips()
    seen = maps(backbone, batch)
    other = batch.tracks.clone()
    other[..., depth] = torch.randn_like(other[..., depth])
    torch.testing.assert_close(maps(backbone, batch._replace(tracks=other)), seen, rtol=0, atol=0)
    moved = batch._replace(tracks=batch.tracks + torch.tensor([7.3, -2.1, 5.5]))
    torch.testing.assert_close(maps(backbone, moved), seen, rtol=0, atol=CUT)
    turned = batch.tracks.clone()
    turned[..., "xyz".index(plane.value[0])] *= -1
    mirrored = maps(backbone, batch._replace(tracks=turned))[..., 1:]
    torch.testing.assert_close(mirrored, seen[..., 1:].flip(-1), rtol=0, atol=CUT)


def test_a_joint_at_the_origin_is_drawn() -> None:
    batch = clips()
    tracks = batch.tracks.clone()
    tracks[:, :, 0] = 0
    seen = maps(built().eval(), batch._replace(tracks=tracks))
    assert bool((seen[:, 0].amax((2, 3)) > 0.2).all())


def test_training_draws_parts_and_mirror_images_of_each_clip() -> None:
    backbone, batch = built().train(), clips()
    with pytest.raises(Unbound, match=r"backbone\.augment"):
        maps(backbone, batch)
    drawn = []
    for step in range(8):
        backbone.bind(Noise(0, step).on(batch))
        drawn.append(maps(backbone, batch))
    assert drawn[0].shape == (3, 25, 8, 12, 12)
    assert all(not torch.equal(drawn[0], other) for other in drawn[1:])
    backbone.bind(Noise(0, 0).on(batch))
    assert torch.equal(maps(backbone, batch), drawn[0])
    plain = built(augment=False).train()
    torch.testing.assert_close(maps(plain, batch), maps(built().eval(), batch), rtol=0, atol=0)


def test_an_encoder_binds_it() -> None:
    batch, spec = clips(), undrawn(NTU25)
    encoder = PooledEncoder(built().train(), spec)
    assert encoder(batch, Noise(0)).shape == (3, encoder.dim)


def test_limbs_need_bones() -> None:
    with pytest.raises(DataError, match=r"'posec3d' builds its graph from bones"):
        PoseC3D(PoseC3DConfig(shows=Shows.limbs), undrawn(star(1)))
