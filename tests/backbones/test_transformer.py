"""The transformer backbone: shapes, initialisation, refusals, drop path, precisions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from undrawn_clips import star, undrawn

from sslskel.api.backbone import LayeredTokenBackbone, TokenBackbone
from sslskel.api.batch import Batch
from sslskel.api.encoder import PooledEncoder
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec
from sslskel.backbones.transformer import Transformer, TransformerConfig
from sslskel.errors import UsageError
from sslskel.nn.transformer_blocks import take_tokens


def clip_spec(frames: int = 8, joints: int = 5, coordinates: int = 3, persons: int = 2) -> ClipSpec:
    return undrawn(star(joints), frames, persons, coordinates)


def small(**changes: object) -> TransformerConfig:
    return TransformerConfig(**{"dim": 16, "depth": 2, "heads": 4, **changes})  # type: ignore[arg-type]


def build(clip: ClipSpec, seed: int = 0, **changes: object) -> Transformer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Transformer(small(**changes), clip)


def rows(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("frames", "joints", "coordinates", "segment"), [(8, 5, 3, 4), (6, 7, 2, 2), (3, 1, 3, 3)])
def test_shapes_of_other_clips(frames: int, joints: int, coordinates: int, segment: int) -> None:
    backbone = build(clip_spec(frames, joints, coordinates), segment=segment)
    assert isinstance(backbone, TokenBackbone)
    out = backbone(rows(3, frames, joints, coordinates))
    assert out.shape == (3, frames // segment, joints, 16)
    assert backbone(rows(0, frames, joints, coordinates)).shape == (0, frames // segment, joints, 16)


def test_encoding_all_ids_equals_encoding_without() -> None:
    backbone = build(clip_spec())
    tokens = backbone.tokens(rows(2, 8, 5, 3))
    order = torch.stack([torch.randperm(10, generator=torch.Generator().manual_seed(s)) for s in (1, 2)])
    shuffled = backbone.encode(tokens, order)
    torch.testing.assert_close(shuffled, take_tokens(backbone.encode(tokens), order), rtol=0, atol=1e-5)


def test_kept_tokens_are_rows_of_all_tokens() -> None:
    backbone = build(clip_spec()).double()
    tracks, keep = rows(3, 8, 5, 3).double(), torch.tensor([[9, 0, 4], [1, 2, 3], [7, 7, 0]])
    torch.testing.assert_close(
        backbone.kept_tokens(tracks, keep), take_tokens(backbone.tokens(tracks), keep), rtol=0, atol=1e-12
    )


def test_every_layer_of_an_encoding() -> None:
    backbone = build(clip_spec(), depth=3)
    assert isinstance(backbone, LayeredTokenBackbone)
    tokens = backbone.tokens(rows(2, 8, 5, 3))
    layers = backbone.encode_layers(tokens)
    assert len(layers) == 4
    assert torch.equal(layers[0], tokens)
    assert torch.equal(layers[1], backbone.blocks[0](tokens))
    assert torch.equal(backbone.norm(layers[-1]), backbone.encode(tokens))
    assert not torch.equal(layers[2], layers[3])


def test_layer_scale_and_the_constant_of_norms() -> None:
    backbone = build(clip_spec(), layer_scale=0.1, norm_eps=1e-6)
    norms = [part for part in backbone.modules() if isinstance(part, torch.nn.LayerNorm)]
    assert len(norms) == 5
    assert {norm.eps for norm in norms} == {1e-6}
    scales = {name: p for name, p in backbone.named_parameters() if "scale" in name}
    assert len(scales) == 4
    assert all(torch.equal(p.detach(), torch.full((16,), 0.1)) for p in scales.values())
    assert not [name for name in build(clip_spec()).state_dict() if "scale" in name]


def test_embedding_equals_a_strided_convolution() -> None:
    backbone = build(clip_spec())
    tracks = rows(2, 8, 5, 3)
    kernel = backbone.embed.weight.unflatten(1, (4, 3)).transpose(1, 2)[..., None]
    convolved = torch.nn.functional.conv2d(tracks.permute(0, 3, 1, 2), kernel, backbone.embed.bias, stride=(4, 1))
    positions = backbone.time_table[:, None] + backbone.joint_table
    torch.testing.assert_close(
        backbone.tokens(tracks), (convolved.permute(0, 2, 3, 1) + positions).flatten(1, 2), rtol=0, atol=1e-6
    )


def test_initialisation_follows_the_release() -> None:
    backbone = build(clip_spec(frames=64, joints=25), dim=64)
    bound = (6 / (64 + 192)) ** 0.5
    qkv = backbone.get_submodule("blocks.0.attn.qkv")
    assert isinstance(qkv, torch.nn.Linear)
    assert 0.99 * bound < float(qkv.weight.detach().abs().max()) <= bound
    assert not qkv.bias.any()
    embedding = float(backbone.embed.weight.detach().abs().max())
    assert 0.97 * 12**-0.5 < embedding <= 12**-0.5, "torch's own uniform initialisation, fan-in 12"
    assert backbone.embed.bias.any()
    assert float(backbone.joint_table.detach().std()) == pytest.approx(0.02, rel=0.1)
    assert float(backbone.time_table.detach().std()) == pytest.approx(0.02, rel=0.1)


def test_parameter_count_of_the_released_size() -> None:
    with torch.device("meta"):
        backbone = Transformer(TransformerConfig(), clip_spec(frames=120, joints=25))
    assert sum(p.numel() for p in backbone.parameters()) == 6_336_000


def test_seed_alone_decides_the_weights() -> None:
    first, second, other = (build(clip_spec(), seed) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.joint_table, other.joint_table)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dim": 10}, ("backbone.dim=10", "backbone.heads=4")),
        ({"depth": 0}, ("backbone.depth is 0",)),
        ({"mlp_ratio": 0.0}, ("backbone.mlp_ratio is 0.0",)),
        ({"drop_path": 1.0}, ("backbone.drop_path is 1.0",)),
        ({"segment": 0}, ("backbone.segment is 0",)),
        ({"layer_scale": -1.0}, ("backbone.layer_scale is -1.0",)),
        ({"norm_eps": 0.0}, ("backbone.norm_eps is 0.0",)),
    ],
)
def test_bad_values_are_named(changes: dict[str, object], words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        small(**changes)
    assert all(word in str(caught.value) for word in words)


def test_frames_that_do_not_divide_are_refused() -> None:
    with pytest.raises(UsageError, match=r"clip\.frames=50 .* backbone\.segment=4.* 48"):
        build(clip_spec(frames=50))


def test_tracks_of_another_shape_are_refused() -> None:
    with pytest.raises(UsageError, match=r"8 x 5 x 3 .* but was given 8 x 6 x 3"):
        build(clip_spec())(rows(2, 8, 6, 3))


def test_float64_and_bf16() -> None:
    backbone = build(clip_spec())
    tracks = rows(2, 8, 5, 3)
    reference = backbone(tracks)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = backbone(tracks)
    torch.testing.assert_close(mixed.float(), reference, rtol=0, atol=0.1)
    double = backbone.double()(tracks.double())
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), reference, rtol=0, atol=1e-5)


def batch_of(persons: int) -> Batch:
    return Batch.from_dense(rows(persons, 3, 8, 5, 1))


def test_drop_path_is_keyed_and_only_for_training() -> None:
    backbone = build(clip_spec(persons=1), depth=6, drop_path=0.6)
    batch = batch_of(4)
    backbone.eval()
    still = backbone(batch.tracks)
    backbone.train()
    with pytest.raises(UsageError, match="keyed noise"):
        backbone(batch.tracks)
    backbone.bind(Noise(0, 1).on(batch))
    state = torch.random.get_rng_state()
    first, again = backbone(batch.tracks), backbone(batch.tracks)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.allclose(first, still)
    backbone.bind(Noise(0, 2).on(batch))
    assert not torch.equal(first, backbone(batch.tracks))
    with pytest.raises(UsageError, match="4 persons, but 5"):
        backbone(rows(5, 8, 5, 3))


def test_drop_path_keeps_the_expected_branch() -> None:
    backbone = build(clip_spec(persons=1), depth=3, drop_path=0.5)
    batch = batch_of(4000)
    backbone.bind(Noise(0).on(batch))
    reached: list[Tensor] = []
    for block in backbone.blocks:
        block.register_forward_pre_hook(lambda _, inputs: reached.append(inputs[1]))
    with torch.no_grad():
        backbone(batch.tracks)
    factors = torch.stack(reached)
    assert factors.shape == (3, 2, 4000, 1, 1)
    assert torch.equal(factors[0], torch.ones_like(factors[0]))
    assert set(factors[2].unique().tolist()) == {0.0, 2.0}
    assert float(factors[1].mean()) == pytest.approx(1, abs=0.05)
    assert float(factors[2].mean()) == pytest.approx(1, abs=0.08)


def test_pooling_averages_the_empty_body_in_with_its_gradient() -> None:
    backbone = build(clip_spec())
    encoder = PooledEncoder(backbone, clip_spec())
    dense = rows(3, 3, 8, 5, 2)
    dense[0, ..., 1] = 0
    dense[2] = 0
    every = backbone(dense.permute(0, 4, 2, 3, 1).flatten(0, 1)).unflatten(0, (3, 2))
    pooled = encoder(dense)
    torch.testing.assert_close(pooled, every.mean((1, 2, 3)), rtol=0, atol=1e-6)
    batch = Batch.from_dense(dense)
    assert torch.equal(encoder.clip(batch), pooled)
    torch.testing.assert_close(encoder.tokens(batch), every, rtol=0, atol=1e-6)
    torch.testing.assert_close(encoder.steps(batch), every.mean((1, 3)), rtol=0, atol=1e-6)
    short, full = (
        torch.autograd.grad(f.square().sum(), backbone.embed.bias)[0] for f in (pooled, every.mean((1, 2, 3)))
    )
    torch.testing.assert_close(short, full, rtol=1e-4, atol=1e-5)


def test_a_dense_tensor_is_averaged_over_its_own_slots() -> None:
    encoder = PooledEncoder(build(clip_spec()), clip_spec(persons=2))
    one = rows(2, 3, 8, 5, 1)
    torch.testing.assert_close(encoder(one), encoder.backbone(one[..., 0].permute(0, 2, 3, 1)).mean((1, 2)))
