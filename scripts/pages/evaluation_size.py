"""Times features, records and a board at the size of NTU-60: what an evaluation reads and leaves besides its scores."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from evaluation_work import CLASSES, ENCODED, seconds, test_part

from sslskel.api.noise import Noise
from sslskel.api.protocol import ProtocolRun
from sslskel.data.store.store import open_dataset
from sslskel.evaluation.features import clip_features
from sslskel.grid.request import GridRequest
from sslskel.leaderboard import render
from sslskel.leaderboard.folder import board_of
from sslskel.progress import SILENT
from sslskel.results.feature_cache import FeatureCache
from sslskel.results.recomputed import recomputed
from sslskel.results.record import parse_record
from sslskel.results.store import ResultStore
from sslskel.speed.workload import workload_on

ROOT = Path(__file__).resolve().parents[2]
BATCH = 128
ENCODERS = {"mamp": "transformer", "skeletonclr": "ST-GCN"}
"""Networks by a method that has them."""
SEEDS, RIVALS = 5, ("mamp", "skeletonclr", "random_init", "skeletonmae")
"""Records of the board: so many of each method."""


def features(store: Path, folder: Path) -> dict[str, float]:
    """Processor seconds of encoding and keeping the features of one of so many clips, and of reading them again."""
    taken = {}
    for method, network in ENCODERS.items():
        request = GridRequest(methods=(method,), overrides=("engine.threads=1",))
        made = workload_on(request.single_pretraining(), open_dataset(store))
        clips = made.source.subset(torch.arange(len(made.source) // ENCODED))
        cache = FeatureCache(folder / "features", {"weights": method})
        run = ProtocolRun(0, made.device, torch.float32, contextlib.nullcontext, SILENT, features=cache)
        encoders = made.method.eval().encoders()
        for what in ("encode and keep", "read again"):
            work = lambda: clip_features(encoders, clips, "test", Noise(0), BATCH, run)  # noqa: B023, E731
            taken[f"{what}, {network} of {method}, preset {made.cell.preset}"] = seconds(work)
        assert (cache.encoded, cache.reused) == (len(clips), len(clips))
    return taken


def records(folder: Path, clips: int) -> dict[str, float]:
    """Processor seconds of records with the logits of a test part, and of their board."""
    stored = parse_record((ROOT / "tests" / "results" / "record_v1.json").read_text(encoding="utf-8"))
    generator, test, store = np.random.default_rng(0), test_part(clips), ResultStore(folder)
    kept = []
    for number in range(SEEDS * len(RIVALS)):
        name, seed = RIVALS[number // SEEDS], number % SEEDS
        logits = generator.standard_normal((test, CLASSES), np.float32)
        arrays = {"keys": np.arange(test), "label": np.arange(test) % CLASSES, "value_logits": logits}
        own = {
            "identity": f"{number:032x}",
            "pretrain_identity": f"{number:032x}",
            "weights_sha256": f"{number:064x}",
            "method": {**stored.method, "name": name},
            "counts": {**stored.counts, "test": test},
            "scores": recomputed(("top1", "macro"), arrays, {}),
            "seed": seed,
        }
        kept.append((replace(stored, **own), arrays))
    count, each = len(kept), f"logits of {test:,} clips"

    def written() -> None:
        for record, arrays in kept:
            store.write(record, arrays)

    def board(over_clips: bool) -> None:
        made = board_of(folder, report=lambda _: None, over_clips=over_clips)
        assert (len(made.records), len(made.rows)) == (count, len(RIVALS))
        render(made, "html")

    return {
        f"write {count} records with {each}": seconds(written),
        "read them, compute their scores again and write their board": seconds(lambda: board(False)),
        "the same with intervals over clips": seconds(lambda: board(True)),
    }
