"""ASSL after its description: what labelled and unlabelled clips teach, and where it may be judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import sslskel
from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.checks.fixtures import dataset_info, make_source, make_spec
from sslskel.errors import UsageError
from sslskel.methods.assl import ASSL, ASSLClassifier, ASSLConfig, neighbours_of
from sslskel.nn.gru import GruConfig
from sslskel.plugins.registry import BACKBONES

CLIPS = 8


def semi(**options: Any) -> tuple[ASSLClassifier, Batch, Noise]:
    """A small classifier that has seen the training part, a step's clips of which half have labels, and noise."""
    spec = make_spec(dataset_info())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        build = BACKBONES.get("bigru")
        config = ASSLConfig(**{"decoder_dim": 16, "critic_dim": 8, "neighbours": 3, **options})
        method = ASSL(config, lambda clip: build(GruConfig(hidden=8, layers=1), clip), spec)
        classifier = method.encoders()["joint"].classifier(4)
    assert isinstance(classifier, ASSLClassifier)
    source = make_source(dataset_info(), CLIPS, spec)
    noise = Noise(7).over(source.keys)
    rows = torch.arange(CLIPS)
    batch = source.batch(rows, spec.test_view, noise)
    batch = batch._replace(label=torch.where(rows % 2 == 0, batch.label, -1)).placed(rows)
    with torch.no_grad():
        classifier.eval().on_epoch_start(iter([batch]))
    return classifier.train(), batch, noise.on(batch)


def gradients(classifier: ASSLClassifier, loss: Tensor) -> dict[str, bool]:
    """For each part, whether a loss reaches it."""
    classifier.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]

    def reached(part: nn.Module) -> bool:
        return any(p.grad is not None and bool(p.grad.any()) for p in part.parameters())

    return {name: reached(part) for name, part in classifier.named_children()}


def value(classifier: ASSLClassifier, batch: Batch, noise: Noise, name: str) -> Tensor:
    total, count, scale = classifier(batch, noise).terms[name]
    return scale * total / count


@pytest.mark.parametrize(
    ("term", "parts"),
    [
        ("class", {"encoder", "head"}),
        ("inpaint", {"encoder", "decoder"}),
        ("relate", {"encoder", "head"}),
        ("tell", {"critic"}),
        ("align", {"encoder"}),
    ],
)
def test_each_loss_reaches_its_parts_alone(term: str, parts: set[str]) -> None:
    classifier, batch, noise = semi()
    reached = gradients(classifier, value(classifier, batch, noise, term))
    assert {name for name, hit in reached.items() if hit} == parts


def test_without_neighbours_and_adversary_it_is_supervised_learning_and_inpainting() -> None:
    classifier, batch, noise = semi(relate=0.0, align=0.0)
    assert set(classifier(batch, noise).terms) == {"class", "inpaint"}
    labelled = batch.label >= 0
    wanted = nn.functional.cross_entropy(classifier.logits(batch)[labelled], batch.label[labelled])
    torch.testing.assert_close(value(classifier, batch, noise, "class"), wanted)


def test_labels_that_are_withheld_teach_no_class() -> None:
    classifier, batch, noise = semi()
    blind = batch._replace(label=torch.full_like(batch.label, -1))
    assert value(classifier, blind, noise, "class").item() == 0
    full = batch._replace(label=batch.label.clamp(min=0))
    assert value(classifier, full, noise, "align").item() == 0


def test_a_clip_is_not_its_own_neighbour() -> None:
    features = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    near = neighbours_of(features, 3)
    assert near.shape == (7, 3)
    assert not bool((near == torch.arange(7)[:, None]).any())
    cosine = torch.nn.functional.cosine_similarity(features[:, None], features[None], dim=2).fill_diagonal_(-2)
    assert torch.equal(near, cosine.topk(3, dim=1).indices)
    assert neighbours_of(features, 99).shape == (7, 6)


def test_neighbours_change_at_the_borders_of_epochs_alone() -> None:
    classifier, batch, noise = semi()
    assert classifier.near is not None
    before = classifier.near.clone()
    for parameter in classifier.encoder.parameters():
        parameter.data.mul_(-2.0)
    classifier(batch, noise)
    assert torch.equal(classifier.near, before)
    with torch.no_grad():
        classifier.eval().on_epoch_start(iter([batch]))
    assert not torch.equal(classifier.near, before)


def test_a_clip_should_be_taken_for_what_its_neighbours_are() -> None:
    classifier, batch, noise = semi(neighbours=CLIPS - 1)
    assert classifier.guess is not None
    labelled = batch.label >= 0
    assert torch.equal(classifier.guess[labelled].argmax(1), batch.label[labelled])
    assert classifier.guess[labelled].amax(1).tolist() == [1.0] * 4
    others = (classifier.guess.sum(0) - classifier.guess) / (CLIPS - 1)
    wanted = -(others * classifier.logits(batch).log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(value(classifier, batch, noise, "relate"), 0.1 * wanted)


SHORT = ("protocol.epochs=2", "protocol.warmup_epochs=1", "protocol.batch_size=4", "protocol.lr=0.01")
SMALL = ("backbone.hidden=8", "backbone.layers=1", "method.decoder_dim=8")


def test_semi_gives_it_all_training_clips_and_the_labels_of_some(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Batch] = []
    whole: list[Batch] = []
    forward, start = ASSLClassifier.forward, ASSLClassifier.on_epoch_start

    def noted(self: ASSLClassifier, batch: Batch, noise: Noise) -> sslskel.StepOutput:
        seen.append(batch)
        return forward(self, batch, noise)

    def passed(self: ASSLClassifier, clips: Any) -> None:
        batches = list(clips)
        whole.extend(batches)
        start(self, iter(batches))

    monkeypatch.setattr(ASSLClassifier, "forward", noted)
    monkeypatch.setattr(ASSLClassifier, "on_epoch_start", passed)
    more = ("protocol.fraction=0.4", "protocol.draws=1")
    result = sslskel.bench(["assl"], ["semi"], [tiny], output=tmp_path, overrides=[*SHORT, *SMALL, *more])
    assert result.failures == []
    [record] = result.records
    assert record.method["described"]
    assert record.seen == ()
    known = record.labels
    assert record.extra["details"]["unlabelled_clips"] == 18 - known
    assert torch.cat([batch.position for batch in whole]).tolist() == [*range(18)] * 2
    labels = {int(at): int(label) for batch in whole for at, label in zip(batch.position, batch.label, strict=True)}
    assert sum(label >= 0 for label in labels.values()) == known
    for batch in seen:
        assert batch.label.tolist() == [labels[int(at)] for at in batch.position]
        assert int((batch.label >= 0).sum()) * 2 == batch.num_clips
    shown = [int(at) for batch in seen for at in batch.position[batch.label >= 0]]
    assert sorted(shown) == sorted(2 * [at for at, label in labels.items() if label >= 0])


@pytest.mark.parametrize("protocol", ["linear", "finetune", "scratch"])
def test_other_protocols_refuse_it_in_a_sentence(tiny: str, tmp_path: Path, protocol: str) -> None:
    with pytest.raises(UsageError) as fault:
        sslskel.bench(["assl"], [protocol], [tiny], output=tmp_path)
    assert str(fault.value) == (
        "'assl' is a semi-supervised system, which learns from labelled clips beside unlabelled ones, and"
        f" '{protocol}' gives it no unlabelled ones; bench it under a protocol that gives it both: semi, semi_1,"
        " semi_20, semi_5"
    )


def test_there_is_nothing_to_pretrain(tiny: str) -> None:
    with pytest.raises(UsageError, match=r"'assl' is a semi-supervised system.*there is nothing to pretrain; bench"):
        sslskel.pretrain(sslskel.GridRequest(methods=("assl",), benchmarks=(tiny,)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hidden": 1.0}, "method.hidden is 1.0; it must lie between 0 and 1"),
        ({"neighbours": 0}, "method.neighbours is 0; it must be at least 1"),
        ({"align": -1.0}, "method.align is -1.0; it must be a number from 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as fault:
        ASSLConfig(**options)
    assert words in str(fault.value)
