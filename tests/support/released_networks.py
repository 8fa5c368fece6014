"""Supervised networks of released code in ours: where their weights lie, and their recorded training taken again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from recorded import Recorded
from released_contrast import close
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.backbone import Backbone, Features
from sslskel.api.batch import Batch
from sslskel.engine.optimisers import SGD, AdamW


class Place(NamedTuple):
    """Where a released array lies: a part of one of our arrays, parts side by side along an axis, or summed up."""

    name: str
    part: int = 0
    parts: int = 1
    axis: int | None = 0


Places = Callable[[str], Place | None]
"""From a released name to its place; None for what ours does not have."""
Turned = Callable[[str, Tensor], Tensor]
"""A released array of this name as it lies in ours."""


def straight(name: str, value: Tensor) -> Tensor:
    """As it is."""
    return value


class Network(nn.Module):
    """A backbone and the released linear head, as released: the mean over everything, absent persons counted."""

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__()
        self.backbone, self.fc = backbone, nn.Linear(backbone.dim, classes)

    def forward(self, dense: Tensor) -> Tensor:
        """(N, C, T, V, M) -> (N, classes)."""
        persons = dense.shape[-1]
        batch = Batch.from_dense(dense)
        if self.backbone.joins_persons:
            return self.fc(self.backbone.pool(self._grid(batch.joined(persons))))
        rows = self.backbone.pool(self._grid(batch.filled(persons).tracks))
        return self.fc(rows.unflatten(0, (-1, persons)).mean(1))

    def _grid(self, tracks: Tensor) -> Tensor:
        return Features.of(self.backbone(tracks)).grid


def case_of(shared: Path, name: str) -> Recorded:
    """One recorded file."""
    return Recorded(shared / "golden_more" / f"{name}.npz")


def joined(case: Recorded, prefix: str, places: Places, like: dict[str, Tensor], turned: Turned) -> dict[str, Tensor]:
    """A recorded group in our arrays; parts that were not recorded leave theirs out."""
    parts: dict[str, dict[int, tuple[Place, Tensor]]] = defaultdict(dict)
    for name, value in case.group(prefix).items():
        place = places(name)
        if place is not None:
            parts[place.name][place.part] = place, turned(name, value)
    made = {}
    for name, pieces in parts.items():
        place = next(iter(pieces.values()))[0]
        assert name in like, name
        if len(pieces) < place.parts:
            continue
        values = [pieces[part][1] for part in range(place.parts)]
        whole = (
            torch.stack(values).sum(0)
            if place.axis is None
            else torch.cat(values, place.axis)
            if place.parts > 1
            else values[0]
        )
        made[name] = whole.reshape(like[name].shape)
    return made


def load(
    network: nn.Module, case: Recorded, places: Places, turned: Turned = straight, kept: tuple[str, ...] = ()
) -> None:
    """Put the recorded start into a network; every array of ours but those ``kept`` must be recorded."""
    state = network.state_dict()
    network.load_state_dict(
        {name: state[name] for name in kept} | joined(case, "state/", places, network.state_dict(), turned)
    )


def part_of(value: Tensor, place: Place) -> Tensor:
    """What of an array of ours a released one is."""
    if place.axis is None or place.parts == 1:
        return value
    return value.chunk(place.parts, place.axis)[place.part]


def check_gradients(
    network: nn.Module, case: Recorded, places: Places, tolerance: float, turned: Turned = straight
) -> None:
    """Norms of all recorded gradients, relative to that of all, and the full ones that were kept."""
    ours = {name: parameter.grad for name, parameter in network.named_parameters()}
    total, compared = float(case["grad/total_norm"]), 0
    squares = 0.0
    for name, norm in zip(case["grad/names"], case["grad/norms"], strict=True):
        place = places(str(name))
        squares += float(norm) ** 2
        if place is None:
            continue
        gradient = ours[place.name]
        assert gradient is not None, name
        assert abs(float(part_of(gradient, place).double().norm()) - norm) < tolerance * total, name
        compared += 1
    assert abs(squares**0.5 - total) < 1e-4 * total
    assert compared >= len(ours)
    for name, full in case.group("gradfull/").items():
        place = places(name)
        assert place is not None
        gradient = part_of(ours[place.name], place)  # type: ignore[arg-type]
        full = turned(name, full)
        difference = gradient.reshape(full.shape) - full
        assert float(difference.norm()) < tolerance * max(float(full.norm()), 1e-5 * total), name


def check_state(network: nn.Module, case: Recorded, places: Places, recipe: Recipe, turned: Turned = straight) -> None:
    """Every recorded weight and buffer after the last step, each against its own largest value."""
    mine = network.state_dict()
    for name, wanted in case.group("state_after/").items():
        place = places(name)
        if place is None:
            continue
        wanted = turned(name, wanted)
        own = part_of(mine[place.name], place).reshape(wanted.shape).to(wanted.dtype)
        largest = max(float(wanted.abs().max()), recipe.least, 1e-30)
        assert float((own - wanted).abs().max()) <= recipe.state * largest, name


class Recipe(NamedTuple):
    """How the recorded steps were taken, and how close ours must come."""

    weight_decay: float
    nesterov: bool = True
    adamw: bool = False
    clip_norm: float = 0.0
    smoothing: float = 0.0
    losses: float = 1e-5
    gradients: float = 1e-4
    state: float = 1e-3
    """0 for weights that are not compared."""
    least: float = 0.0


def check_training(
    network: nn.Module,
    case: Recorded,
    places: Places,
    recipe: Recipe,
    logits: Callable[[], Tensor],
    turned: Turned = straight,
) -> None:
    """The recorded steps on one batch: logits, losses, the first gradients, and the weights they end with.

    In double precision, where what differs is the rounding of the recording alone.
    """
    config, label = case.config, case.tensor("label" if "label" in case else "in/label").long()
    network.double().train()
    kind = AdamW if recipe.adamw else SGD
    more = {} if recipe.adamw else {"momentum": 0.9, "nesterov": recipe.nesterov}
    optimiser = kind(network.parameters(), lr=config["lr"], weight_decay=recipe.weight_decay, **more)
    for step, wanted in enumerate(case["loss/total"]):
        out = logits()
        loss = functional.cross_entropy(out, label, label_smoothing=recipe.smoothing)
        if step == 0:
            close(out.detach().float(), case.tensor("train/logits"), 2e-5)
        tolerance = recipe.losses if step else 1e-5
        assert abs(float(loss.detach()) - wanted) <= tolerance * abs(wanted), step
        optimiser.zero_grad()
        loss.backward()
        if step == 0:
            check_gradients(network, case, places, recipe.gradients, turned)
        if recipe.clip_norm:
            before = nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
            close(before.float(), case.tensor("grad/norm_before_clip")[step].float(), 10 * recipe.gradients)
        optimiser.step()
    after = case.group("state_after/")
    assert after
    if recipe.state:
        check_state(network, case, places, recipe, turned)


def seen(module: nn.Module) -> list[Tensor]:
    """What a module answers from now on, call by call."""
    outputs: list[Tensor] = []
    module.register_forward_hook(lambda _, args, out: outputs.append(out.detach()))
    return outputs
