"""The network over point clouds: its formula point by point, and what must not matter to it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from undrawn_clips import star, undrawn

from sslskel.backbones.dgcnn import Dgcnn, DgcnnConfig, EdgeConv

FRAMES, JOINTS = 3, 4


def built(seed: int = 0) -> Dgcnn:
    torch.manual_seed(seed)
    return Dgcnn(DgcnnConfig(width=4, dim=6, neighbours=3), undrawn(star(JOINTS), FRAMES)).double().eval()


def clouds(clips: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    tracks = torch.randn(clips, FRAMES, 2 * JOINTS, 3, generator=generator, dtype=torch.float64)
    return tracks, torch.ones(clips, FRAMES, 2, dtype=torch.bool)


def test_an_edge_convolution_is_the_papers_formula() -> None:
    torch.manual_seed(0)
    conv = EdgeConv(3, 5, neighbours=3).double().eval()
    points = torch.randn(2, 7, 3, dtype=torch.float64)
    out = conv(points, torch.ones(2, 7, dtype=torch.bool), torch.arange(14))
    for clip in range(2):
        for i in range(7):
            nearest = (points[clip] - points[clip, i]).norm(dim=1).argsort()[:3]
            edges = torch.stack([torch.cat([points[clip, j] - points[clip, i], points[clip, i]]) for j in nearest])
            wanted = functional.leaky_relu(conv.shared.norm(conv.shared.linear(edges)), 0.2).max(0).values
            torch.testing.assert_close(out[clip, i], wanted, rtol=0, atol=1e-12)


def test_the_codeword_knows_no_order_of_points() -> None:
    net, (tracks, valid) = built(), clouds()
    order = torch.randperm(FRAMES * 2 * JOINTS, generator=torch.Generator().manual_seed(3))
    mixed = tracks.flatten(1, 2)[:, order].unflatten(1, (FRAMES, 2 * JOINTS))
    one, other = net.read(tracks, valid), net.read(mixed, valid)
    assert one.token is not None
    torch.testing.assert_close(one.token, other.token, rtol=0, atol=1e-12)
    torch.testing.assert_close(one.grid.flatten(1, 2)[:, order], other.grid.flatten(1, 2), rtol=0, atol=1e-12)
    torch.testing.assert_close(one.token, one.grid.flatten(1, 2).amax(1), rtol=0, atol=0)


def test_what_is_not_there_is_no_point() -> None:
    net, (tracks, valid) = built(), clouds()
    valid[:, :, 1], valid[1] = False, False
    read = net.read(tracks, valid)
    alone = tracks[:1, :, :JOINTS]
    expected = net.read(alone, valid[:1, :, :1])
    torch.testing.assert_close(read.token[:1], expected.token, rtol=0, atol=1e-12)  # type: ignore[index]
    assert not read.token[1].any()  # type: ignore[index]
    assert not read.grid[0, :, JOINTS:].any()


def test_a_cloud_of_fewer_points_than_neighbours_still_has_a_codeword() -> None:
    net, (tracks, valid) = built(), clouds()
    valid[0], valid[0, 0, 0] = False, True
    net.edges[0].neighbours = 5
    token = net.read(tracks, valid).token
    assert token is not None
    assert torch.isfinite(token).all()
    assert token[0].any()
