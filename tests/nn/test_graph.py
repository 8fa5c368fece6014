"""Graphs of a body's bones: who hears whom, and shares that sum to one."""

from __future__ import annotations

import pytest
import torch

from sslskel.api.skeleton import SkeletonLayout
from sslskel.config.groups import Fidelity
from sslskel.errors import DataError
from sslskel.nn.graph import Partition, directed, partitioned

CHAIN = SkeletonLayout("chain", ("hip", "chest", "head", "hand"), (-1, 0, 1, 1), 1)
BONELESS = SkeletonLayout("points", ("a", "b"), (-1, -1), 0)


def test_a_parent_gathers_its_children_and_shares_itself_out() -> None:
    own, inward, outward = directed(CHAIN, "ctr_gcn")
    x = torch.tensor([1.0, 10, 100, 1000])
    assert (own @ x).tolist() == [1, 10, 100, 1000]
    assert (inward @ x).tolist() == [10, 1100, 0, 0]
    assert (outward @ x).tolist() == [0, 1, 5, 5]


@pytest.mark.parametrize("partition", list(Partition))
@pytest.mark.parametrize("fidelity", list(Fidelity))
def test_partitions_share_out_every_joint_once(partition: Partition, fidelity: Fidelity) -> None:
    graph = partitioned(CHAIN, partition, fidelity, "st_gcn")
    torch.testing.assert_close(graph.sum((0, 1)), torch.ones(4))


def test_the_papers_partition_tells_inner_from_outer_neighbours() -> None:
    # Joints at depths 0, 1, 2, 2: what the head hears from the chest comes from nearer the centre.
    _, outward, inward = partitioned(CHAIN, Partition.spatial, Fidelity.paper, "st_gcn")
    assert inward[1, 2] > 0
    assert outward[1, 2] == 0
    assert outward[2, 1] > 0
    assert inward[2, 1] == 0


@pytest.mark.parametrize("who", ["st_gcn", "ctr_gcn"])
def test_a_layout_without_bones_is_refused_by_name(who: str) -> None:
    with pytest.raises(DataError, match=f"'{who}' builds its graph from bones, but no joint of layout 'points'"):
        directed(BONELESS, who)
