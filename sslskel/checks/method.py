"""The contract of a pretext method, one function per check; ``__init__`` lists and runs them.

Training checks are here; other clips are tried in ``method_shapes``, and what protocols see
is checked in ``method_encoders``.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from sslskel.api.batch import StepOutput
from sslskel.api.noise import Noise
from sslskel.api.view import ViewSpec
from sslskel.checks.fixtures import check_config_class, check_config_values, make_source
from sslskel.checks.method_case import (
    CLIPS,
    EPOCHS,
    FEW,
    MethodCase,
    close_enough,
    forward,
    loss_of,
    only,
    output_of,
    select,
    step_at,
)
from sslskel.checks.presets import check_presets
from sslskel.checks.runner import expect, global_generators_untouched
from sslskel.checks.watched_io import no_io
from sslskel.data.step_views import step_views
from sslskel.engine.optimisers import AdamW

RATES = (3e-3, 1e-2, 1e-3)
LEAST_FALL = 0.2


def builds_from_defaults(case: MethodCase) -> None:
    """Config is a dataclass with a default for every field, and the method is built from it."""
    check_config_class(case.plugin)
    check_presets(case.plugin)
    case.build(config=case.plugin.Config(), started=False)


def refuses_bad_values(case: MethodCase) -> None:
    """Every number in Config refuses absurd values with a UsageError."""
    check_config_values(case.plugin.Config)


def constructor_does_no_io(case: MethodCase) -> None:
    """Building opens no file, socket or process; ``load_start`` is the place for it."""
    with no_io():
        case.build(started=False)


def asks_for_views(case: MethodCase) -> None:
    """views() gives at least one ViewSpec, the same at every call."""
    method = case.build()
    views = method.views()
    expect(views and all(isinstance(view, ViewSpec) for view in views), f"views() gave {views!r}, not ViewSpecs")
    expect(len(views) == len(method.views()), "views() returns a different number of views at the second call")


def views_do_not_depend_on_the_batch(case: MethodCase) -> None:
    """A clip has the same views alone as among others, so that they are the same on any number of processes."""
    case.require_separate_clips()
    method = case.build()
    source = make_source(case.info, CLIPS, method.clip)
    noise, views = Noise(7).over(source.keys), method.views()
    whole = step_views(source, torch.arange(CLIPS), views, noise)
    for clip in (0, 4, 11):
        single = step_views(source, torch.tensor([clip]), views, noise)
        for i, alone in enumerate(single):
            among = select(whole[i], torch.tensor([clip]))
            same = alone.tracks.shape == among.tracks.shape and torch.allclose(alone.tracks, among.tracks, atol=1e-5)
            expect(same, f"view {i} of a clip changes with the batch it is in; draw per clip or per person")


def loss_is_finite(case: MethodCase) -> None:
    """The loss is a finite scalar with a gradient; terms hold scalars, counts are positive, metrics are detached."""
    case.require_training()
    method = case.build()
    output = forward(method, *case.views(method))
    expect(isinstance(output, StepOutput) and output.terms, "forward must return a StepOutput with at least one term")
    for name, term in output.terms.items():
        for part in ("total", "count"):
            value = getattr(term, part)
            expect(isinstance(value, Tensor) and value.shape == (), f"{part} of term '{name}' is not a scalar tensor")
            expect(torch.isfinite(value), f"{part} of term '{name}' is {float(value.detach())}")
        expect(term.count > 0, f"count of term '{name}' is {float(term.count)}; a mean over nothing has no value")
    for name, value in output.metrics.items():
        expect(isinstance(value, Tensor) and value.ndim == 0, f"metric '{name}' is not a scalar tensor")
        expect(not value.requires_grad, f"metric '{name}' carries a gradient; detach it")
    expect(output.loss().requires_grad, "the loss has no gradient")


def every_parameter_gets_a_gradient(case: MethodCase) -> None:
    """Each parameter that requires a gradient gets a finite one, and is in exactly one optimiser group."""
    case.require_training()
    method = case.build()
    forward(method, *case.views(method)).loss().backward()  # type: ignore[no-untyped-call]
    trained = {name: p for name, p in method.named_parameters() if p.requires_grad}
    expect(trained, "it has no parameter to train, but trains = True")
    without = [name for name, p in trained.items() if p.grad is None]
    expect(not without, f"no gradient for {', '.join(without[:5])}; use it in the loss or set requires_grad=False")
    broken = [name for name, p in trained.items() if p.grad is not None and not torch.isfinite(p.grad).all()]
    expect(not broken, f"the gradient of {', '.join(broken[:5])} is not finite")
    grouped = [id(p) for turn in method.turns() for group in turn.groups for p in group["params"]]
    lost = [name for name, p in trained.items() if grouped.count(id(p)) != 1]
    expect(not lost, f"parameter_groups() must hold every trained parameter once, but not {', '.join(lost[:5])}")


def loss_falls(case: MethodCase) -> None:
    """The loss of one small batch falls by at least a fifth in 50 steps; with several turns, that of each alone."""
    case.require_training()
    turns = [turn.name for turn in case.build(started=False).turns()]
    for name in turns:
        falls: list[float] = []
        while len(falls) < len(RATES) and max(falls, default=0.0) < LEAST_FALL:
            falls.append(_largest_fall(case, name, RATES[len(falls)]))
        whose = f" of turn '{name}'" if len(turns) > 1 else ""
        expect(
            max(falls) >= LEAST_FALL,
            f"after {EPOCHS} steps of AdamW on one batch, at the best of the rates {', '.join(map(str, RATES))}, the"
            f" loss{whose} has fallen by {max(falls):.0%} of what it was; at least {LEAST_FALL:.0%} expected. If the"
            " loss is correct and only needs another rate, another optimiser or more steps, give"
            " expected_failed_checks['loss_falls'] the reason",
        )


def _largest_fall(case: MethodCase, turn: str, rate: float) -> float:
    """Share of its first value by which the loss of a turn falls while that turn alone is taken, up to enough."""
    method = case.build()
    views, noise = case.views(method, clips=FEW)
    [own] = [one for one in method.turns() if one.name == turn]
    largest, first = 0.0, 0.0
    with only(method, own):
        groups = [dict(group) for group in own.groups if group["params"]]
        optimiser = AdamW(groups, lr=rate, betas=(0.9, 0.95), weight_decay=0.0)
        for step in range(EPOCHS):
            method.on_step_start(step_at(step), noise)
            loss = output_of(method, turn, views, noise, step).loss()
            first = first if step else float(loss.detach())
            largest = max(largest, (first - float(loss.detach())) / max(abs(first), 1e-9))
            if largest >= LEAST_FALL:
                break
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            method.on_step_end(step_at(step), noise)
    return largest


def leaves_the_batch_alone(case: MethodCase) -> None:
    """No tensor of a batch is changed by a step."""
    case.require_training()
    method = case.build()
    views, noise = case.views(method)
    before = [[tensor.clone() for tensor in view] for view in views]
    forward(method, views, noise).loss().backward()  # type: ignore[no-untyped-call]
    method.on_step_end(step_at(), noise)
    for view, old in zip(views, before, strict=True):
        changed = [name for name, a, b in zip(view._fields, view, old, strict=True) if not torch.equal(a, b)]
        expect(not changed, f"the step changed {', '.join(changed)} of its batch; work on a copy")


def does_not_read_labels(case: MethodCase) -> None:
    """The loss is bit-equal with other labels, and with none."""
    case.require_training()
    method = case.build()
    views, noise = case.views(method)
    whole = case.first_loss
    for label in (views[0].label.flip(0), torch.full_like(views[0].label, -1)):
        other = loss_of(method, [view._replace(label=label) for view in views], noise)
        expect(other == whole, "the loss changes with the labels; a pretext method must not read them")


def uses_keyed_noise_only(case: MethodCase) -> None:
    """A step neither draws from nor seeds a global generator, and is bit-equal when repeated."""
    case.require_training()
    method = case.build()
    first = case.first_loss
    with global_generators_untouched():
        views, noise = case.views(method)
        running = copy.deepcopy(method)
        again = float(forward(running, views, noise).loss().detach())
        running.on_step_end(step_at(), noise)
    expect(again == first, "the same step gives a different loss the second time")


def order_of_clips_is_irrelevant(case: MethodCase) -> None:
    """The loss stays within 1e-6 when the clips of the batch change places (float64)."""
    case.require_training()
    case.require_separate_clips()
    method = case.build().double()
    views, noise = case.views(method, dtype=torch.float64)
    order = torch.tensor([5, 0, 9, 2, 7, 11, 1, 10, 3, 8, 4, 6])
    straight, mixed = loss_of(method, views, noise), loss_of(method, [select(view, order) for view in views], noise)
    close_enough(mixed, straight, "the loss changes with the order of the clips; key every draw by noise.on(batch)")


def halves_make_the_whole(case: MethodCase) -> None:
    """Totals and counts of two halves add up to those of the batch (float64)."""
    _adds_up(case, [torch.arange(5), torch.arange(5, CLIPS)])


def clips_bring_their_own_draws(case: MethodCase) -> None:
    """A clip brings the same total and count alone as in the batch (float64)."""
    _adds_up(case, [torch.tensor([clip]) for clip in (4, 0, 1, 3, 2)], clips=5)


def _adds_up(case: MethodCase, parts: list[Tensor], clips: int = CLIPS) -> None:
    case.require_training()
    case.require_separate_clips()
    method = case.build().double()
    views, noise = case.views(method, dtype=torch.float64, clips=clips)
    whole = forward(copy.deepcopy(method), views, noise).terms
    terms_of = [forward(copy.deepcopy(method), [select(v, part) for v in views], noise).terms for part in parts]
    for name, term in whole.items():
        for part in ("total", "count"):
            total = sum(float(getattr(terms[name], part).detach()) for terms in terms_of if name in terms)
            close_enough(
                total,
                float(getattr(term, part).detach()),
                f"the {part}s of term '{name}' over parts of a batch do not add up to that of the batch"
                " (declare cross_batch = True if clips see each other)",
            )


def runs_in_bf16(case: MethodCase) -> None:
    """In bfloat16 autocast the loss and all gradients are finite, the loss within a quarter of float32's."""
    case.require_training()
    method = case.build()
    views, noise = case.views(method)
    wanted = case.first_loss
    with torch.autocast("cpu", torch.bfloat16):
        loss = forward(method, views, noise).loss()
    expect(torch.isfinite(loss), f"the loss in bfloat16 is {float(loss.detach())}")
    close_enough(float(loss.detach()), wanted, "the loss in bfloat16 is far from that in float32", 0.25)
    loss.backward()  # type: ignore[no-untyped-call]
    broken = [n for n, p in method.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()]
    expect(not broken, f"in bfloat16 the gradient of {', '.join(broken[:5])} is not finite")


# What a class reads once and keeps is seen at the first building alone.
TRAINING_CHECKS = (
    constructor_does_no_io,
    builds_from_defaults,
    refuses_bad_values,
    asks_for_views,
    views_do_not_depend_on_the_batch,
    loss_is_finite,
    every_parameter_gets_a_gradient,
    loss_falls,
    leaves_the_batch_alone,
    does_not_read_labels,
    uses_keyed_noise_only,
    order_of_clips_is_irrelevant,
    halves_make_the_whole,
    clips_bring_their_own_draws,
    runs_in_bf16,
)
