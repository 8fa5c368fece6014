"""Memory of exact neighbours, rankings and clusters at the size of NTU-120, in processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

TRAIN, TEST, DIM, CLASSES = 63_026, 50_919, 256, 120
SCRIPT = f"""
import torch
from sslskel.engine.device import peak_memory
from sslskel.evaluation.neighbours import nearest, ranks
from sslskel.protocols.cluster import ClusterConfig, k_means
from sslskel.protocols.retrieval import by_class
generator = torch.Generator().manual_seed(0)
train, test = torch.randn({TRAIN}, {DIM}, generator=generator), torch.randn({TEST}, {DIM}, generator=generator)
labels = torch.arange({TRAIN}) % {CLASSES}
WORK
print(peak_memory(torch.device("cpu")))
"""
WORK = {
    # Memory is that of one block of queries; the others follow in the same place.
    "knn": "nearest(test[:4096], train, 5)",
    "retrieval": f"by_class(ranks(test[:256], train, 4096), labels, {CLASSES})",
    "cluster": f"k_means(train.numpy(), test.numpy(), {CLASSES}, ClusterConfig(starts=1, iterations=2), 0)",
}


@pytest.mark.long
@pytest.mark.parametrize("protocol", WORK)
def test_ntu_120_takes_less_than_two_gigabytes(protocol: str) -> None:
    script = SCRIPT.replace("WORK", WORK[protocol])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=900)
    assert int(done.stdout) < 2e9
