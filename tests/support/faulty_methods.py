"""A method for each fault that a check of methods is there for."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from safetensors.torch import load_file
from sound_method import Sound, scaled
from torch import Tensor, nn

from sslskel.api.batch import Batch, StepOutput, Term
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec, ViewSpec
from sslskel.config.groups import require
from sslskel.nn.teacher import Teacher


class Between(Sound):
    """Sound too: keeps the mean position of each clip, measured between epochs."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.register_buffer("places", torch.zeros(self.clip.clips))

    def on_epoch_start(self, clips: Any, noise: Noise, progress: Any) -> None:
        for batch in clips.batches(self.clip.test_view, noise, 5):
            count = torch.bincount(batch.owner, minlength=batch.num_clips)
            total = batch.tracks.new_zeros(batch.num_clips).index_add(0, batch.owner, batch.tracks.mean((1, 2, 3)))
            self.places[batch.position] = (total / count).to(self.places)


class Taught(Sound):
    """Sound too: holds a teacher, which is in eval mode at all times."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.teacher = Teacher(self.backbone)


class NoDefault(Sound):
    @dataclass
    class Config:
        jitter: float


class TakesAnything(Sound):
    @dataclass
    class Config:
        jitter: float = 0.05


class WrongError(Sound):
    @dataclass
    class Config:
        jitter: float = 0.05

        def __post_init__(self) -> None:
            if not self.jitter > 0:
                raise ValueError("no")


class Writes(Sound):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        with open("/dev/null", "w"):
            pass


class ReadsWeights(Sound):
    """Reads a file through safetensors, whose opening is not Python's, and only the first time."""

    start: ClassVar[dict[str, Tensor]] = {}

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        if not self.start:
            self.start.update(load_file(os.environ["SSLSKEL_TEST_WEIGHTS"]))


class ReadsUndeclared(Sound):
    """Reads a file where it may, and does not say so."""

    def load_start(self) -> None:
        (Path(__file__).parents[2] / "pyproject.toml").read_bytes()


class NoViews(Sound):
    def views(self) -> tuple[()]:
        return ()


class NoLiterals(Sound):
    @dataclass
    class Config:
        kind: Literal["a", "b"] = "a"


def jolt(batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
    return batch._replace(tracks=batch.tracks + noise.normal("jolt", tuple(batch.tracks.shape), "batch"))


class BatchAugment(Sound):
    def views(self) -> tuple[ViewSpec, ...]:
        return (ViewSpec(self.clip.train_view.sample, (jolt,)),)


def global_jolt(batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
    return batch._replace(tracks=batch.tracks + torch.randn(1))


class GlobalAugment(Sound):
    def views(self) -> tuple[ViewSpec, ...]:
        return (ViewSpec(self.clip.train_view.sample, (global_jolt,)),)


class Infinite(Sound):
    def forward(self, *args: Any) -> StepOutput:
        return scaled(super().forward(*args), float("inf"))


class Vector(Sound):
    def forward(self, *args: Any) -> StepOutput:
        return scaled(super().forward(*args), torch.ones(3))


class AttachedMetric(Sound):
    def forward(self, *args: Any) -> StepOutput:
        output = super().forward(*args)
        return StepOutput(output.terms, {"loss": output.loss()})


class Detached(Sound):
    def error(self, *args: Any) -> Tensor:
        return super().error(*args).detach()


class Unused(Sound):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.extra = nn.Linear(3, 3)


class Ungrouped(Sound):
    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.head.parameters())}]


class Toggles(Sound):
    def on_step_end(self, progress: Any, noise: Any) -> None:
        self.head.bias.requires_grad_(progress.step != 1)


class DrawnAssignments(Sound):
    """Assigns clips between epochs by a global generator."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.register_buffer("assigned", torch.zeros(self.clip.clips))

    def on_epoch_start(self, clips: Any, noise: Noise, progress: Any) -> None:
        self.assigned.copy_(torch.from_numpy(np.random.default_rng().random(len(clips))))


class StartsOver(Sound):
    """Sets trained weights between epochs."""

    def on_epoch_start(self, clips: Any, noise: Noise, progress: Any) -> None:
        for value in self.parameters():
            value.add_(noise.normal("weights", tuple(value.shape), per="batch"))


class Unlearnable(Sound):
    def forward(self, *args: Any) -> StepOutput:
        output = super().forward(*args)
        [term] = output.terms.values()
        return StepOutput({"recover": term._replace(total=term.total * 1e-6 + term.count)})


class Spoils(Sound):
    def tracks(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        return views[0].tracks.mul_(1.01)


class Cheats(Sound):
    def forward(self, views: Sequence[Batch], noise: Noise, progress: Any) -> StepOutput:
        label = views[0].label[views[0].owner].to(views[0].tracks.dtype)
        error = self.error(views, noise) * (2 + label)[:, None, None, None]
        return StepOutput({"recover": Term(error.sum(), error.new_tensor(float(error.numel())))})


class GlobalDraws(Sound):
    def tracks(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        return views[0].tracks + 0.05 * torch.randn_like(views[0].tracks)


class NumpyDraws(Sound):
    def tracks(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        return views[0].tracks * float(np.random.uniform(0.9, 1.1))


class PythonDraws(Sound):
    def tracks(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        return views[0].tracks * random.uniform(0.9, 1.1)


class PlaceDraws(Sound):
    """Draws for the whole batch by place instead of by clip."""

    def tracks(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        tracks = views[0].tracks
        return tracks + noise.normal("jitter", tuple(tracks.shape), "batch", tracks.dtype)


class BatchMean(Sound):
    """Centres the batch: clips see each other, and it does not say so."""

    def tracks(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        return views[0].tracks - views[0].tracks.mean((0, 1))


class Declared(BatchMean):
    cross_batch = True


class MeanTerms(Sound):
    """Hands over the mean with a count of one, so that unequal parts do not add up."""

    def forward(self, *args: Any) -> StepOutput:
        loss = super().forward(*args).loss()
        return StepOutput({"recover": Term(loss, loss.new_ones(()))})


class SometimesUnused(Sound):
    """Leaves a layer out in every step but the first."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.extra = nn.Linear(1, 1)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Any) -> StepOutput:
        output = super().forward(views, noise, progress)
        if progress.step:
            return output
        return scaled(output, 1 + self.extra(output.loss().detach().reshape(1, 1))[0, 0])


class Float32Only(Sound):
    def error(self, *args: Any) -> Tensor:
        error = super().error(*args)
        require(not torch.is_autocast_enabled("cpu"), "no mixed precision")
        return error


class OneLength(Sound):
    def error(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        return super().error(views, noise) * torch.ones(24)[: views[0].tracks.shape[1]].mean() + self.fixed(views)

    def fixed(self, views: Sequence[Batch]) -> Tensor:
        return (views[0].tracks[:, :, 0, 0] * torch.zeros(24)).sum()


class OneBody(OneLength):
    def fixed(self, views: Sequence[Batch]) -> Tensor:
        return views[0].tracks[:, :, 24].sum() * 0


class TwoPersons(OneLength):
    def fixed(self, views: Sequence[Batch]) -> Tensor:
        return views[0].dense(self.clip.persons)[..., 1].sum() * 0


class ThreeDimensions(OneLength):
    def fixed(self, views: Sequence[Batch]) -> Tensor:
        return views[0].tracks[..., 2].sum() * 0


class CountsSlots(Sound):
    def forward(self, *args: Any) -> StepOutput:
        return scaled(super().forward(*args), self.clip.persons)
