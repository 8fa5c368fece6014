"""A method can tell a clip's class neither by its key nor by its position, and draws the same numbers all the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_engine
from toy_engine import Toy, ToyConfig, ToySource

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.clips import TrainingClips
from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.data.step_views import step_views
from sslskel.engine import train
from sslskel.engine.disguise import Disguised
from sslskel.engine.training_clips import SourceClips
from sslskel.grid.request import GridRequest
from sslskel.grid.run import pretrain

CLIPS = 22


class Supervised(Toy):
    """Would learn classes: it knows them by key, as a table of names tells, and by the order that is stored."""

    def __init__(self, config: ToyConfig, seed: int = 0) -> None:
        super().__init__(config, seed)
        self.known = set(ToySource(CLIPS).keys.tolist())
        self.recognised = 0
        self.positions: list[list[int]] = []
        self.passes: list[list[int]] = []

    def on_epoch_start(self, clips: TrainingClips, noise: Noise, progress: Progress) -> None:
        for batch in clips.batches(toy_engine.VIEW, noise, 5):
            self.recognised += len(self.known & set(batch.key.tolist()))
            self.passes.append(batch.position.tolist())

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        self.recognised += len(self.known & set(views[0].key.tolist()))
        self.positions.append(views[0].position.tolist())
        return super().forward(views, noise, progress)


def test_a_method_that_knows_clips_by_key_or_position_recognises_none(tmp_path: Path) -> None:
    kept: dict[str, Any] = {}
    toy_engine.run(tmp_path, clips=CLIPS, kind=Supervised, keep=kept)
    method, source = kept["method"], kept["source"]
    assert method.recognised == 0
    passes = [place for batch in method.passes[:5] for place in batch]
    assert passes == list(range(CLIPS))
    drawn = [place for batch in source.drawn[:5] for place in batch]
    assert sorted(drawn) == passes
    assert drawn != passes
    # The same clip stands at the same position in passes and in steps.
    row = dict(zip(passes, drawn, strict=True))
    steps = [rows for rows in source.drawn if rows not in source.drawn[:5]]
    assert [[row[place] for place in places] for places in method.positions] == steps[: len(method.positions)]


def test_views_and_draws_are_those_of_the_clips_themselves() -> None:
    source = ToySource(CLIPS)
    shown, rows, noise = Disguised(source, "any"), torch.tensor([4, 0, 9]), Noise(3, 7)  # type: ignore[arg-type]
    sealed = noise.sealed(shown.seal)
    [mine] = step_views(shown, shown.positions(rows), [toy_engine.VIEW], sealed)
    [plain] = step_views(source, rows, [toy_engine.VIEW], noise)
    assert torch.equal(mine.tracks, plain.tracks)
    assert not torch.isin(mine.key, source.keys).any()
    assert torch.equal(shown.seal.open(mine.key), plain.key)
    for per in ("person", "clip", "batch"):
        ours, theirs = (one.uniform("site", (3,), per) for one in (sealed.on(mine), noise.on(plain)))
        assert torch.equal(ours, theirs)
    [passed] = SourceClips(shown).batches(toy_engine.VIEW, sealed.view(0), 5, shown.positions(rows))
    assert torch.equal(passed.tracks, plain.tracks)
    assert torch.equal(passed.position, mine.position)


def test_the_source_of_a_pretraining_holds_no_label(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources: list[Any] = []
    shown = train.Disguised

    def watched(source: Any, name: str) -> Disguised:
        sources.append(source)
        return shown(source, name)

    monkeypatch.setattr(train, "Disguised", watched)
    short = ("backbone.dim=8", "backbone.depth=1", "backbone.heads=2", "train.epochs=1", "train.warmup_epochs=0")
    pretrain(GridRequest(methods=("mamp",), benchmarks=(tiny,), preset="quick", overrides=short, output=tmp_path))
    [source] = sources
    assert len(source) > 0
    assert (source.dataset.labels == -1).all()
    assert (source.dataset.subjects == -1).all()
    assert (source.labels == -1).all()
