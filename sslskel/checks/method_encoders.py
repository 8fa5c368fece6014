"""The contract of what a method hands to protocols: its encoders, and its weights on disk.

How it trains is checked in ``method``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.classifier import Classifier
from sslskel.api.encoder import Encoder
from sslskel.api.method import PretextMethod
from sslskel.api.noise import Noise
from sslskel.checks.fixtures import make_source
from sslskel.checks.method_case import CLIPS, EPOCHS, MethodCase, loss_of, select
from sslskel.checks.runner import Skip, expect, global_generators_untouched
from sslskel.engine.optimisers import AdamW

ALONE = (0, 1, 4, 6, 11)
"""Clips that are encoded one by one, of one person and of two."""


def seen(case: MethodCase, dtype: torch.dtype = torch.float32) -> tuple[PretextMethod, dict[str, Encoder], Batch]:
    """A method after one step where it trains, its encoders, and clips in the test view."""
    method = case.stepped(dtype)
    return method, method.encoders(), clips_as_tested(case, method, dtype)


def clips_as_tested(case: MethodCase, method: PretextMethod, dtype: torch.dtype) -> Batch:
    """Clips as evaluation shows them."""
    return make_source(case.info, CLIPS, method.clip, dtype).batch(torch.arange(CLIPS), method.clip.test_view, Noise(3))


def features_have_the_promised_shape(case: MethodCase) -> None:
    """Every encoder gives finite features (N, dim), and what else it provides, in eval mode."""
    _, encoders, batch = seen(case)
    expect(encoders, "encoders() is empty; give at least one stream")
    for stream, encoder in encoders.items():
        expect(isinstance(encoder, Encoder), f"encoder '{stream}' is a {type(encoder).__name__}, not an Encoder")
        encoder.eval()
        expect("clip" in encoder.provides, f"encoder '{stream}' has no clip()")
        with torch.no_grad():
            outputs = {kind: getattr(encoder, kind)(batch) for kind in sorted(encoder.provides)}
        wanted = {"clip": 2, "steps": 3, "tokens": 5}
        for kind, features in outputs.items():
            where = f"{kind}() of '{stream}'"
            expect(features.ndim == wanted[kind], f"{where} has shape {tuple(features.shape)}")
            expect(len(features) == CLIPS, f"{where} gives {len(features)} rows for {CLIPS} clips")
            expect(torch.isfinite(features).all(), f"{where} is not finite")
        shape = tuple(outputs["clip"].shape)
        expect(shape == (CLIPS, encoder.dim), f"clip() of '{stream}' has shape {shape}, but dim is {encoder.dim}")
        expect(outputs["clip"].std(0).max() > 0, f"clip() of '{stream}' is the same for all clips")


def features_are_deterministic(case: MethodCase) -> None:
    """In eval mode the same clips give bit-equal features, without any global generator."""
    _, encoders, batch = seen(case)
    for stream, encoder in encoders.items():
        with torch.no_grad(), global_generators_untouched():
            first, second = (encoder.eval().clip(batch) for _ in range(2))
        expect(torch.equal(first, second), f"encoder '{stream}' gives different features the second time")


def features_do_not_depend_on_the_batch(case: MethodCase) -> None:
    """A clip has the same features alone as among others (float64)."""
    _, encoders, batch = seen(case, torch.float64)
    for stream, encoder in encoders.items():
        with torch.no_grad():
            together = encoder.eval().clip(batch)[list(ALONE)]
            alone = torch.cat([encoder.clip(select(batch, torch.tensor([clip]))) for clip in ALONE])
        expect(
            torch.allclose(together, alone, rtol=1e-9, atol=1e-9),
            f"features of '{stream}' depend on the other clips of the batch, by up to {largest(together - alone):.2g}",
        )


def largest(values: Tensor) -> float:
    """The largest magnitude."""
    return float(values.abs().max())


def encoding_changes_nothing(case: MethodCase) -> None:
    """Encoders and features change no mode, no batch and, in eval mode, no weight."""
    method, _, batch = seen(case)
    before = [tensor.clone() for tensor in batch]
    for training in (True, False):
        method.train(training)
        own = {name: module.training for name, module in method.named_modules()}
        state = {name: value.clone() for name, value in method.state_dict().items()}
        for stream, encoder in method.encoders().items():
            if not training:
                encoder.eval()
            modes = {name: module.training for name, module in (*encoder.named_modules(), *method.named_modules())}
            with torch.no_grad():
                encoder.clip(batch)
            now = {name: module.training for name, module in (*encoder.named_modules(), *method.named_modules())}
            expect(now == modes, f"encoder '{stream}' does not leave training or eval mode as it found it")
        changed = [name for name, module in method.named_modules() if module.training != own[name]]
        expect(not changed, f"encoders() changed the mode of {', '.join(changed[:3])}")
        if not training:
            unequal = [name for name, value in method.state_dict().items() if not torch.equal(value, state[name])]
            expect(not unequal, f"encoding in eval mode changed {', '.join(unequal[:3])}")
    expect(all(map(torch.equal, batch, before)), "encoding changed its batch")


def weights_come_back(case: MethodCase) -> None:
    """state_dict() holds tensors only and restores loss and features exactly in a method of another seed."""
    method, encoders, batch = seen(case)
    state = method.state_dict()
    odd = [name for name, value in state.items() if not isinstance(value, Tensor)]
    expect(not odd, f"state_dict() holds {', '.join(odd[:3])}, which is not a tensor")
    other = case.build(seed=1)
    other.load_state_dict({name: value.clone() for name, value in state.items()}, strict=True)
    unequal = [name for name, value in other.state_dict().items() if not torch.equal(value, state[name])]
    expect(not unequal, f"{', '.join(unequal[:3])} did not come back from state_dict()")
    views, noise = case.views(method, 1)
    if case.plugin.trains:
        expect(
            loss_of(other, views, noise) == loss_of(method, views, noise),
            "the loss after loading state_dict() differs; keep everything a step depends on in buffers or parameters",
        )
    again = other.encoders()
    expect(list(again) == list(encoders), f"encoders() gave {list(encoders)} and after loading {list(again)}")
    for stream, encoder in encoders.items():
        with torch.no_grad():
            same = torch.equal(encoder.eval().clip(batch), again[stream].eval().clip(batch))
        expect(same, f"features of '{stream}' after loading state_dict() differ; its encoder has weights of its own")


def encoders_hold_no_second_copy(case: MethodCase) -> None:
    """The weights of the encoders are weights of the method, so that training and checkpoints reach them."""
    method, encoders, _ = seen(case)
    known = {id(value) for value in method.state_dict(keep_vars=True).values()}
    for stream, encoder in encoders.items():
        own = [name for name, value in encoder.state_dict(keep_vars=True).items() if id(value) not in known]
        expect(not own, f"encoder '{stream}' has weights that the method has not: {', '.join(own[:3])}")


def classifier_learns(case: MethodCase) -> None:
    """The classifier of a supervised reference learns the labels of a few clips, and gives logits without them."""
    encoders = case.stepped().encoders()
    own = {stream: encoder for stream, encoder in encoders.items() if encoder.classifies}
    if not case.plugin.reads_labels:
        raise Skip("it is no supervised reference (reads_labels = False)")
    expect(not case.plugin.trains, "reads_labels = True needs trains = False: pretraining withholds labels")
    expect(own, "reads_labels = True, but none of its encoders brings a classifier()")
    source = make_source(case.info, CLIPS, next(iter(own.values())).spec)
    noise = Noise(7).over(source.keys)
    batch = source.batch(torch.arange(CLIPS), source.spec.train_view, noise)
    for stream, encoder in own.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            classifier = encoder.requires_grad_(True).classifier(len(case.info.classes))
        expect(isinstance(classifier, Classifier), f"classifier() of '{stream}' gave {classifier!r}, not a Classifier")
        assert classifier is not None
        unequal = classifier.reads_unlabelled != case.plugin.reads_unlabelled
        expect(not unequal, f"reads_unlabelled of the method and of the classifier of '{stream}' differ; give both one")
        if classifier.reads_unlabelled:
            batch = _half_labelled(classifier, batch)
        _learns(classifier.train(), encoder, batch, noise.on(batch), f"the classifier of '{stream}'")
        with torch.no_grad(), global_generators_untouched():
            known, blind = (
                classifier.eval().logits(one) for one in (batch, batch._replace(label=torch.full_like(batch.label, -1)))
            )
        shape, wanted = tuple(known.shape), (CLIPS, len(case.info.classes))
        expect(shape == wanted, f"logits() of '{stream}' have shape {shape}, not {wanted}")
        expect(torch.equal(known, blind), f"logits() of '{stream}' read labels, which are withheld in a test")


@torch.no_grad()
def _half_labelled(classifier: Classifier, batch: Batch) -> Batch:
    """The batch with every second label withheld, shown to a semi-supervised classifier as the training part."""
    rows = torch.arange(batch.num_clips, device=batch.label.device)
    some = batch._replace(label=torch.where(rows % 2 == 0, batch.label, -1)).placed(rows)
    classifier.eval().on_epoch_start(iter([some]))
    return some


def _learns(classifier: Classifier, encoder: Encoder, batch: Batch, noise: Noise, name: str) -> None:
    """Hold that its loss falls by a fifth in 50 steps, and that all weights get a gradient."""
    optimiser, first, loss = AdamW(classifier.parameters(), lr=3e-3), 0.0, torch.zeros(())
    for step in range(EPOCHS):
        encoder.bind(batch, noise)
        loss = classifier(batch, noise).loss()
        first = first if step else float(loss.detach())
        optimiser.zero_grad()
        loss.backward()
        without = [name for name, p in classifier.named_parameters() if p.requires_grad and p.grad is None]
        expect(not without, f"no gradient in {name} for {', '.join(without[:3])}")
        optimiser.step()
    fallen = (first - float(loss.detach())) / abs(first)
    expect(fallen >= 0.2, f"the loss of {name} fell by {fallen:.0%} in {EPOCHS} steps; at least 20% expected")


ENCODER_CHECKS = (
    features_have_the_promised_shape,
    features_are_deterministic,
    features_do_not_depend_on_the_batch,
    encoding_changes_nothing,
    weights_come_back,
    encoders_hold_no_second_copy,
    classifier_learns,
)
