"""Errata, a module for each system; here is what their demonstrations share: small clips, small methods, plain steps.

What an entry is says ``sslskel.api.erratum``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from sslskel import (
    BACKBONES,
    METHODS,
    NTU25,
    Backbone,
    Batch,
    ClipSpec,
    DatasetInfo,
    Noise,
    PretextMethod,
    Progress,
    StepOutput,
)
from sslskel.config.compose import from_plain
from sslskel.config.groups import ClipConfig
from sslskel.transforms.clip import clip_spec

CHECKED = "2026-11-30"
"""When all entries were last gone through."""


def kinect(frames: int = 12, persons: int = 2) -> ClipSpec:
    """Clips of bodies of 25 joints, read as they are."""
    info = DatasetInfo("errata", 1, NTU25, (), fps=30.0, persons=persons)
    return clip_spec(info, ClipConfig(frames=frames, rotation=0.0))


def bodies(clips: int = 6, frames: int = 12, persons: int = 2, *, length: int = 0, seed: int = 0) -> Batch:
    """Bodies that swing, each around its own pose; behind ``length`` frames, where it is not 0, nobody is there."""
    random = torch.Generator().manual_seed(seed)
    pose = torch.randn(clips, 3, 1, 25, persons, generator=random) * 0.4
    swing = torch.randn(clips, 3, 1, 25, persons, generator=random) * 0.2
    phase = torch.rand(clips, 1, 1, 25, persons, generator=random) * 2 * math.pi
    time = torch.arange(frames)[None, None, :, None, None]
    dense = pose + swing * torch.sin(0.5 * time + phase)
    if length:
        dense[:, :, length:] = 0
    return Batch.from_dense(dense)


def built(name: str, clip: ClipSpec, backbone: Mapping[str, object], **options: object) -> PretextMethod:
    """A method on its own backbone, with these options of both; the same weights at every call."""
    plugin = METHODS.get(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        method: PretextMethod = plugin(
            from_plain(plugin.Config, options, name),
            lambda spec: network(plugin.default_backbone, spec, **backbone),
            clip,
        )
    return method.train()


def network(name: str, clip: ClipSpec, **options: object) -> Backbone:
    """A backbone with these options."""
    plugin = BACKBONES.get(name)
    made: Backbone = plugin(from_plain(plugin.Config, options, name), clip)
    return made


def seeded(name: str, clip: ClipSpec, **options: object) -> Backbone:
    """A backbone with these options; the same weights at every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return network(name, clip, **options)


def views_of(method: PretextMethod, batch: Batch, noise: Noise) -> list[Batch]:
    """The views that a method asks for, of clips that are read from their first frame on."""
    made = []
    for at, view in enumerate(method.views()):
        seen = batch
        for augment in view.augment:
            seen = augment(seen, noise.view(at), method.clip)
        made.append(seen)
    return made


def output_of(method: PretextMethod, batch: Batch, *, step: int = 0, copied: bool = True) -> StepOutput:
    """What a step of these clips returns, of a copy unless its gradients are wanted."""
    method, noise, progress = copy.deepcopy(method) if copied else method, Noise(7, step), Progress(step, 1, step + 1)
    method.on_step_start(progress, noise)
    output: StepOutput = method(views_of(method, batch, noise), noise, progress)
    return output


def terms_of(method: PretextMethod, batch: Batch, *, step: int = 0) -> dict[str, float]:
    """The terms of one step's loss by name, without their weights; the method stays as it is."""
    terms = output_of(method, batch, step=step).terms
    return {name: float(term.total.detach() / term.count) for name, term in terms.items()}


def train(method: PretextMethod, batch: Batch, steps: range, rate: float) -> list[float]:
    """Gradient descent over some steps, each an epoch of the clips: the loss of each."""
    losses = []
    for step in steps:
        noise, progress = Noise(7, step), Progress(step, 1, steps.stop)
        method.on_step_start(progress, noise)
        loss = method(views_of(method, batch, noise), noise, progress).loss()
        losses.append(float(loss.detach()))
        if method.updates(progress):
            trained = [parameter for parameter in method.parameters() if parameter.requires_grad]
            for parameter, slope in zip(trained, torch.autograd.grad(loss, trained, allow_unused=True), strict=True):
                if slope is not None:
                    parameter.data.sub_(slope, alpha=rate)
        method.on_step_end(progress, noise)
    return losses


def apart(first: Mapping[str, Tensor] | Tensor, second: Mapping[str, Tensor] | Tensor) -> float:
    """The largest difference between two tensors, or between tensors of equal names."""
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return float((first - second).detach().abs().max())
    assert isinstance(first, Mapping)
    assert isinstance(second, Mapping)
    return max(apart(value, second[name]) for name, value in first.items() if value.is_floating_point())


def weights_of(module: torch.nn.Module) -> dict[str, Tensor]:
    """A copy of all weights."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def groups(classes: int, each: int, numbers: int, spread: float, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features (N, numbers) around a centre for each class, which is the same for every seed, and labels (N,)."""
    centres = torch.randn(classes, numbers, generator=torch.Generator().manual_seed(99))
    labels = torch.arange(classes).repeat_interleave(each)
    noise = torch.randn(len(labels), numbers, generator=torch.Generator().manual_seed(seed))
    return centres[labels] + spread * noise, labels


def head_scores(
    train_set: tuple[Tensor, Tensor], test_set: tuple[Tensor, Tensor], epochs: int = 60, rate: float = 0.5
) -> Sequence[float]:
    """Test accuracy in percent of a linear head behind each epoch of gradient descent from zeros."""
    (features, labels), (unseen, wanted) = train_set, test_set
    classes = int(wanted.max()) + 1
    weight = torch.zeros(classes, features.shape[1] + 1)
    one, other = (functional.pad(rows, (0, 1), value=1.0) for rows in (features, unseen))
    right = functional.one_hot(labels, classes).float()
    scores = []
    for _ in range(epochs):
        error = (one @ weight.T).softmax(1) - right
        weight -= rate * error.T @ one / len(one)
        scores.append(100 * float(((other @ weight.T).argmax(1) == wanted).float().mean()))
    return scores
