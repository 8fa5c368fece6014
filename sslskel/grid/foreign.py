"""Opens a network that nothing here trained for judging, with what its owner declares that it saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from sslskel.api.benchmark import Benchmark
from sslskel.api.dataset import Dataset
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.config.compose import Resolved, compose
from sslskel.data.loader import ClipSource
from sslskel.encoders.adapt import reading_of
from sslskel.encoders.foreign import ForeignModule
from sslskel.encoders.meta import BackboneMeta, BenchmarkMeta, CheckpointMeta, Declared, MethodMeta
from sslskel.encoders.open import OpenedEncoders, open_encoders, weights_digest
from sslskel.encoders.reuse import untrained_method
from sslskel.engine.device import dtype_of, resolve_device
from sslskel.errors import UsageError
from sslskel.evaluation.leakage import seen_rows
from sslskel.grid.extra_data import ExtraDataset, declared_datasets
from sslskel.hashing import digest
from sslskel.plugins.registry import METHODS
from sslskel.results.record import DECLARED
from sslskel.transforms.clip import clip_spec

FREE = ("clip.", "protocol.", "engine.")
"""Options that can be set: the others shape a pretraining, of which nothing is known."""
TRIED = (2, 1)
"""Numbers of clips that a network is tried on before any work."""


@dataclass(frozen=True)
class ForeignSubject:
    """A network and the training parts that its owner declares."""

    foreign: ForeignModule
    pretrained_on: tuple[ExtraDataset, ...]

    @classmethod
    def declared(cls, foreign: ForeignModule, seen: str | None) -> ForeignSubject:
        """``seen`` is a comma list of NAME or NAME/SPLIT, or ``none``; ``UsageError`` where it says nothing."""
        if not (seen or "").strip(", "):
            raise UsageError(
                f"what {foreign.name} saw in pretraining must be declared: --seen NAME/SPLIT, a comma"
                " list of those, or --seen none"
            )
        return cls(foreign, declared_datasets(seen or ""))

    @property
    def home(self) -> BenchmarkMeta:
        """The one benchmark that it was pretrained on; nameless where it was none or several."""
        named = [(extra.benchmark, extra.split) for extra in self.pretrained_on if extra.benchmark]
        if len(self.pretrained_on) != 1 or not named:
            return BenchmarkMeta()
        [(benchmark, split)] = named
        return BenchmarkMeta(benchmark.name, benchmark.version, split)

    def resolved(self, protocol: str, benchmark: Benchmark, overrides: Sequence[str]) -> Resolved:
        """Clips as the benchmark has them, and overrides of ``clip``, ``protocol`` and ``engine``."""
        wrong = [override for override in overrides if not override.startswith(FREE)]
        if wrong:
            raise UsageError(
                f"{wrong[0]}: nothing here trained {self.foreign.name}; only clip.*, protocol.* and engine.* can be set"
            )
        method = untrained_method()
        return compose(
            method,
            backbone=METHODS.get(method).default_backbone,
            preset=self.foreign.preset or benchmark.preset,
            protocol=protocol,
            recipe=benchmark.recipe,
            overrides=overrides,
            benchmarks=("", benchmark.name),
        )

    def open(self, benchmark: Benchmark, dataset: Dataset, resolved: Resolved, seed: int) -> OpenedEncoders:
        """The network as an encoder of the dataset's clips, tried on a few of them.

        Raises ``UsageError`` where it does not map them to features.
        """
        device, dtype = resolve_device(resolved.engine.device), dtype_of(resolved.engine)
        encoder = self.foreign.encoder(clip_spec(dataset.info, resolved.clip))
        encoder.to(device=device, dtype=dtype).eval()
        rows = np.arange(min(sum(TRIED), len(dataset)))
        joints = reading_of(encoder.spec, dataset.info).read
        source = ClipSource(dataset, rows, encoder.spec, device, dtype, labels=False, joints=joints)
        encoder.measure(source.batches(encoder.spec.test_view, Noise(0, device=device), TRIED[0]))
        encoders: dict[str, Encoder] = {resolved.clip.stream.value: encoder}
        seen = tuple(seen_rows(e.benchmark, e.dataset, e.rows, e.split, "train") for e in self.pretrained_on)
        source_sha256 = self.foreign.source_sha256
        identity = digest(
            {
                "declared": self.foreign.name,
                "source": source_sha256,
                "structure": self.foreign.structure,
                "weights": weights_digest(encoders),
                "clip": resolved.plain()["clip"],
                "seen": [[part["fingerprint"], part["split"]] for part in seen],
            }
        )
        meta = CheckpointMeta(
            identity=identity,
            method=MethodMeta(self.foreign.name, DECLARED, 0, ", ".join(map(str, self.foreign.files))),
            backbone=BackboneMeta("none", 0, used=False),
            benchmark=self.home,
            preset=self.foreign.preset or benchmark.preset,
            seed=seed,
            seen=seen,
            construction=None,
            declared=Declared(dataset.info.name, source_sha256),
        )
        return OpenedEncoders(encoders, meta, Path(self.foreign.name))


def opened_or_declared(
    encoder: Path | str | OpenedEncoders | nn.Module | ForeignModule, seen: str | None
) -> OpenedEncoders | ForeignSubject:
    """A checkpoint opened, or a module with what is declared of it; ``UsageError`` where ``seen`` does not fit."""
    if isinstance(encoder, nn.Module):
        encoder = ForeignModule.of(encoder)
    if isinstance(encoder, ForeignModule):
        return ForeignSubject.declared(encoder, seen)
    if seen is not None:
        raise UsageError(f"a checkpoint says itself what it saw; leave out --seen {seen}")
    return encoder if isinstance(encoder, OpenedEncoders) else open_encoders(encoder)
