"""Equality of GRU, ST-GCN and graphs with recorded runs of released codes (shared/golden_contrastive)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from recorded import Recorded
from released_contrast import clip_spec, close, our_graph_name, our_gru_name
from torch import Tensor, nn

from sslskel.api.batch import Batch
from sslskel.api.encoder import PooledEncoder
from sslskel.api.skeleton import NTU25, SkeletonLayout
from sslskel.backbones.bigru import BiGru
from sslskel.backbones.gru_stepped import GruStepped
from sslskel.backbones.st_gcn import StGcn, StGcnConfig
from sslskel.config.groups import Fidelity
from sslskel.nn.graph import Partition, partitioned
from sslskel.nn.gru import GruConfig

SEEDS = (0, 1)
GRUS = [f"encoder_bigru_{code}_seed{seed}" for code in ("isc", "cmd", "pcm3") for seed in SEEDS]
GRAPHS = [f"encoder_stgcn_{code}_seed{seed}" for code in ("aimclr", "crossclr", "pstl") for seed in SEEDS]


def head_of(case: Recorded) -> nn.Linear:
    state = case.group("state/fc.")
    head = nn.Linear(state["weight"].shape[1], state["weight"].shape[0])
    head.load_state_dict(state)
    return head


def check_gradients(case: Recorded, modules: list[nn.Module], rename: Any, tolerance: float) -> None:
    """Norms of all recorded gradients, and the full ones that were kept."""
    ours = {name: p.grad for module in modules for name, p in module.named_parameters()}
    total = float(case["grad/total_norm"])
    compared = 0
    for name, norm in zip(case["grad/names"], case["grad/norms"], strict=True):
        grad = ours.get(rename(str(name)), ours.get(str(name).removeprefix("fc.")))
        assert grad is not None, name
        if norm > 1e-5 * total:
            assert abs(float(grad.norm()) - norm) < tolerance * total, name
            compared += 1
    assert compared > len(ours) / 3
    for name, full in case.group("gradfull/").items():
        if float(full.norm()) > 1e-5 * total:
            difference = ours[rename(name)].reshape(full.shape) - full  # type: ignore[union-attr]
            assert float(difference.norm()) < tolerance * total, name


class TestGru:
    @pytest.fixture(params=GRUS)
    def case(self, request: pytest.FixtureRequest, shared: Path) -> Recorded:
        return Recorded(shared / "golden_contrastive" / f"{request.param}.npz")

    def backbone(self, case: Recorded) -> GruStepped:
        c = case.config
        built = GruStepped(GruConfig(c["hidden"], c["layers"], c["input_norm"]), clip_spec(c["T"]))
        state = case.group("state/")
        built.load_state_dict({our_gru_name(n): v for n, v in state.items() if not n.startswith("fc.")})
        return built

    def rows(self, case: Recorded) -> Tensor:
        return Batch.from_dense(case.tensor("in/x5d")).joined(2)

    def test_the_order_of_a_frame(self, case: Recorded) -> None:
        backbone = self.backbone(case).eval()
        assert torch.equal(backbone(self.rows(case)), backbone.encode(case.tensor("in/x_seq")))

    def test_features(self, case: Recorded) -> None:
        backbone = self.backbone(case).eval()
        features = backbone(self.rows(case))
        close(features[:, :, 0], case.tensor("eval/feature_all_steps"))
        close(backbone.pool(features), case.tensor("eval/feature_last"))
        close(head_of(case)(backbone.pool(features)), case.tensor("eval/fc"))

    def test_an_ordinary_bidirectional_gru_is_another(self, case: Recorded) -> None:
        c = case.config
        ordinary = BiGru(GruConfig(c["hidden"], c["layers"], c["input_norm"]), clip_spec(c["T"])).eval()
        state = case.group("state/")
        ordinary.load_state_dict({n.removeprefix("encoder."): v for n, v in state.items() if not n.startswith("fc.")})
        features = ordinary(self.rows(case))
        control = case.tensor("control/ordinary_bidirectional_last")
        close(features[:, -1, 0], control)
        stepped = self.backbone(case).eval()
        gap = stepped.pool(stepped(self.rows(case))) - control
        assert float(gap.detach().abs().max()) > 0.3
        half = c["hidden"]
        final = ordinary.pool(features)
        assert torch.equal(final[:, :half], features[:, -1, 0, :half])
        assert torch.equal(final[:, half:], features[:, 0, 0, half:])

    def test_training_statistics_and_gradients(self, case: Recorded) -> None:
        backbone = self.backbone(case).train()
        last = backbone.pool(backbone(self.rows(case)))
        close(last, case.tensor("train/feature_last"))
        last.square().sum().backward()
        check_gradients(case, [backbone], our_gru_name, 1e-6)
        assert ("train/running_mean_after" in case) == (backbone.input_norm is not None)
        if backbone.input_norm is not None:
            close(backbone.input_norm.running_mean, case.tensor("train/running_mean_after"))
            close(backbone.input_norm.running_var, case.tensor("train/running_var_after"))


class TestStGcn:
    @pytest.fixture(params=GRAPHS)
    def case(self, request: pytest.FixtureRequest, shared: Path) -> Recorded:
        return Recorded(shared / "golden_contrastive" / f"{request.param}.npz")

    def backbone(self, case: Recorded) -> StGcn:
        c = case.config
        built = StGcn(StGcnConfig(width=c["hidden_channels"], dim=c["hidden_dim"]), clip_spec(c["T"]))
        state = case.group("state/")
        close(built.graph, state.pop("A"))
        if "graph/A" in case:
            close(built.graph, case.tensor("graph/A"))
        built.load_state_dict({our_graph_name(n): v for n, v in state.items() if not n.startswith("fc.")})
        return built

    def pooled(self, backbone: StGcn, case: Recorded, *removed: Tensor) -> Tensor:
        """Mean over two persons, the empty ones included, as released."""
        rows = Batch.from_dense(case.tensor("in/x")).filled(2)
        return backbone.pool(backbone(rows.tracks, *removed)).unflatten(0, (-1, 2)).mean(1)

    def test_features(self, case: Recorded) -> None:
        backbone = self.backbone(case).eval()
        feature = self.pooled(backbone, case)
        close(feature, case.tensor("eval/feature"))
        batch = Batch.from_dense(case.tensor("in/x"))
        assert len(batch.tracks) < 2 * batch.num_clips
        close(PooledEncoder(backbone, clip_spec(case.config["T"])).clip(batch), feature)
        if "eval/fc" in case:
            close(head_of(case)(feature), case.tensor("eval/fc"))
        if "in/removed" in case:
            close(self.pooled(backbone, case, case.tensor("in/removed")), case.tensor("eval/feature_removed"))

    @pytest.mark.parametrize("case", [name for name in GRAPHS if "pstl" not in name], indirect=True)
    def test_inner_maps(self, case: Recorded) -> None:
        backbone, seen = self.backbone(case).eval(), []
        backbone.input_norm.register_forward_hook(lambda _, args, out: seen.append(out))
        for block in backbone.blocks:
            block.register_forward_hook(lambda _, args, out: seen.append(out))
        with torch.no_grad():
            backbone(Batch.from_dense(case.tensor("in/x")).filled(2).tracks)
        normed, *blocks = seen
        close(normed, case.tensor("eval/data_bn"))
        assert len(blocks) == 10
        for at, features in enumerate(blocks):
            assert float(features.abs().mean()) == pytest.approx(float(case[f"eval/block{at}_mean_abs"]), rel=1e-5)
        for at in (0, 4, 7, 9):
            close(blocks[at], case.tensor(f"eval/block{at}"))

    def test_training_statistics_and_gradients(self, case: Recorded) -> None:
        backbone = self.backbone(case).train()
        if "in/removed" in case:
            out = self.pooled(backbone, case, case.tensor("in/removed"))
            close(out, case.tensor("train/feature_removed"))
            modules: list[nn.Module] = [backbone]
        else:
            head, feature = head_of(case), self.pooled(backbone, case)
            close(feature, case.tensor("train/feature"))
            out = head(feature)
            close(out, case.tensor("train/fc"))
            modules = [backbone, head]
        out.square().sum().backward()
        check_gradients(case, modules, our_graph_name, 2e-4)
        ours = backbone.state_dict()
        for name, after in case.group("train_after/").items():
            close(ours[our_graph_name(name)], after)


class TestGraphs:
    @pytest.fixture
    def case(self, shared: Path) -> Recorded:
        return Recorded(shared / "golden_contrastive" / "graph_adjacency.npz")

    def body(self, case: Recorded, name: str) -> SkeletonLayout:
        """A layout with the recorded bones whose root is the recorded centre."""
        hop, centre = case.tensor(f"{name}/hop"), int(case[f"{name}/center"])
        parents, reached = [-1] * len(hop), [centre]
        for joint in reached:
            for other in (hop[joint] == 1).nonzero().flatten().tolist():
                if other not in reached:
                    parents[other] = joint
                    reached.append(other)
        assert len(reached) == len(hop)
        return SkeletonLayout(name, tuple(f"j{i}" for i in range(len(hop))), tuple(parents), centre)

    @pytest.mark.parametrize("name", ["ntu-rgb+d", "openpose", "nw-ucla"])
    @pytest.mark.parametrize("partition", list(Partition))
    def test_graphs_of_three_bodies(self, case: Recorded, name: str, partition: Partition) -> None:
        body = self.body(case, name)
        close(
            partitioned(body, partition, Fidelity.released, "st_gcn"), case.tensor(f"{name}/{partition.value}").float()
        )

    def test_our_ntu_body_gives_the_recorded_graph(self, case: Recorded) -> None:
        assert case.config["order"] == "root+hop0, root+closer, farther"
        bones = {(joint, parent) for joint, parent in enumerate(NTU25.parents) if parent >= 0}
        edges = {(int(a), int(b)) for a, b in case["ntu-rgb+d/edges_0based"] if a != b}
        assert {frozenset(edge) for edge in edges} == {frozenset(edge) for edge in bones}
        close(
            partitioned(NTU25, Partition.spatial, Fidelity.released, "st_gcn"), case.tensor("ntu-rgb+d/spatial").float()
        )
