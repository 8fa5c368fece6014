"""Semi-supervised evaluation records which clips had labels."""

from __future__ import annotations

import json

import numpy as np
import torch

from sslskel.checks.protocol import ProtocolCase
from sslskel.evaluation.subsets import subsets_digest
from sslskel.protocols.semi import Semi, SemiConfig


def test_the_record_says_how_many_clips_had_labels_and_keeps_which() -> None:
    case = ProtocolCase(Semi, SemiConfig(fraction=0.25, draws=2, epochs=2, hidden=8, warmup_epochs=0, batch_size=8))
    outcome, scores = case.run()
    info = outcome.info
    assert info["labelled_clips"] == [24, 24]
    assert info["labels"] == 24
    assert info["of_clips"] == 96
    assert np.bincount(outcome.kept["labelled_draw"]).tolist() == [24, 24]
    parts, _ = case.parts()
    subsets = [
        torch.isin(
            parts.train.keys, torch.from_numpy(outcome.kept["labelled_keys"][outcome.kept["labelled_draw"] == d])
        )
        for d in (0, 1)
    ]
    rows = [subset.nonzero()[:, 0] for subset in subsets]
    assert subsets_digest(parts.train.keys, rows) == info["subset_sha256"]
    assert scores["draws"] == 2
    assert scores["top1_low"] <= scores["top1"] <= scores["top1_high"]
    json.dumps(info)
