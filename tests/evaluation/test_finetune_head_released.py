"""Fine-tuning against recorded outputs of the released network: same weights and clips in, same logits out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from recorded import Recorded
from undrawn_clips import star

from sslskel.api.batch import Batch
from sslskel.api.dataset import DatasetInfo
from sslskel.api.encoder import PooledEncoder
from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25
from sslskel.backbones.transformer import Transformer, TransformerConfig
from sslskel.config.groups import ClipConfig
from sslskel.encoders.released import our_name, our_value
from sslskel.evaluation.finetune_head import FineTuneHead
from sslskel.evaluation.finetune_training import layer_groups
from sslskel.transforms.clip import clip_spec

SEEDS = (0, 1, 2)


def recorded(shared: Path, seed: int) -> Recorded:
    return Recorded(shared / "golden" / f"downstream_finetune_seed{seed}.npz")


def released_head(case: Recorded) -> FineTuneHead:
    joints, dim = case["out/feat_tokens"].shape[-2:]
    classes, hidden = case["state/head.fc2.weight"].shape
    head = FineTuneHead(joints, dim, hidden, classes, 0.3, Noise(0))
    head.load_state_dict(case.group("state/head."))
    return head


def released_encoder(case: Recorded) -> PooledEncoder:
    sizes = case.config
    body = NTU25 if sizes["V"] == 25 else star(sizes["V"])
    info = DatasetInfo("golden", 1, body, (), fps=30.0, persons=2)
    clip = clip_spec(info, ClipConfig(frames=sizes["T"]))
    config = TransformerConfig(dim=sizes["dim"], depth=sizes["depth"], heads=sizes["heads"], mlp_ratio=sizes["mlp"])
    backbone = Transformer(config, clip)
    names = (n for n in case if n.startswith("state/") and "head" not in n)
    inner = {n.removeprefix("state/"): case.tensor(n) for n in names}
    backbone.load_state_dict({our_name(name): our_value(name, value) for name, value in inner.items()})
    return PooledEncoder(backbone, clip)


def close(ours: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-5 * max(1.0, float(wanted.abs().max())))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_head_gives_the_released_logits(shared: Path, seed: int) -> None:
    case = recorded(shared, seed)
    close(released_head(case).eval()(case.tensor("out/feat_tokens")), case.tensor("out/logits"))


@pytest.mark.parametrize("seed", SEEDS)
def test_clips_in_give_the_released_tokens_and_logits_from_present_persons_alone(shared: Path, seed: int) -> None:
    case = recorded(shared, seed)
    encoder, batch = released_encoder(case).eval(), Batch.from_dense(case.tensor("in/x"))
    assert len(batch.tracks) < 2 * batch.num_clips
    with torch.no_grad():
        tokens = encoder.tokens(batch)
        close(tokens, case.tensor("out/feat_tokens"))
        close(encoder.clip(batch), case.tensor("out/feat_pooled"))
        close(released_head(case).eval()(tokens), case.tensor("out/logits"))


def test_layers_of_the_released_network_have_the_stated_rates() -> None:
    clip = clip_spec(DatasetInfo("ntu", 1, NTU25, (), fps=30.0, persons=2), ClipConfig())
    with torch.device("meta"):
        backbone = Transformer(TransformerConfig(), clip)
        head = FineTuneHead(25, 256, 2048, 60, 0.3, Noise(0))
    groups = layer_groups(backbone.layers(), list(head.parameters()), 0.8, 0.05)
    settings = {id(p): (g["lr_scale"], g["weight_decay"]) for g in groups for p in g["params"]}
    named = [*backbone.named_parameters(), *((f"head.{n}", p) for n, p in head.named_parameters())]
    assert len(settings) == len(named)
    for name, parameter in named:
        scale, decay = settings[id(parameter)]
        if name.startswith(("embed", "time_table", "joint_table")):
            layer = 0
        elif name.startswith("blocks"):
            layer = int(name.split(".")[1]) + 1
        else:
            layer = 9
        assert scale == pytest.approx(0.8 ** (9 - layer)), name
        assert decay == (0.05 if parameter.ndim > 1 else 0.0), name
    assert min(scale for scale, _ in settings.values()) == pytest.approx(0.134, abs=5e-4)


def test_one_rate_for_all_where_layers_do_not_decay() -> None:
    clip = clip_spec(DatasetInfo("ntu", 1, NTU25, (), fps=30.0, persons=2), ClipConfig(frames=8))
    backbone = Transformer(TransformerConfig(dim=8, depth=2, heads=2), clip)
    assert {g["lr_scale"] for g in layer_groups(backbone.layers(), [], 1.0, 0.05)} == {1.0}


def test_the_head_starts_from_keyed_noise_alone_and_drops_the_stated_share() -> None:
    state = torch.get_rng_state()
    first, again, other = (FineTuneHead(25, 16, 64, 7, 0.3, Noise(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.fc1.weight, again.fc1.weight)
    assert not torch.equal(first.fc1.weight, other.fc1.weight)
    bound = (6 / (25 * 16 + 64)) ** 0.5
    assert 0.99 * bound < float(first.fc1.weight.detach().abs().max()) <= bound
    assert not first.fc1.bias.any()
    batch = Batch.from_dense(torch.ones(64, 3, 4, 25, 2))
    seen: list[torch.Tensor] = []
    first.fc1.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    first.train()(torch.ones(64, 2, 1, 25, 16), Noise(3).on(batch))
    kept = seen[0] * 0.7
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(torch.unique(kept.round(decimals=4)), torch.tensor([0.0, 0.5, 1.0]))
    assert float(kept.mean()) == pytest.approx(0.7, abs=0.01)
