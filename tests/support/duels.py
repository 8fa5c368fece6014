"""Methods with two optimisers that work against each other: one that is right, and one for each way to be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sound_method import Sound
from torch import Tensor, nn

from sslskel import Batch, Noise, StepOutput, Term, Turn


class Duel(Sound):
    """Recovers joints; a critic tells recovered places from true ones, and every second step is told to be wrong."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.critic = nn.Sequential(nn.Linear(self.clip.coordinates, 16), nn.Tanh(), nn.Linear(16, 1))

    def turns(self) -> tuple[Turn, ...]:
        recover = [*self.backbone.parameters(), *self.head.parameters()]
        critic = [{"params": list(self.critic.parameters())}]
        return Turn("critic", critic), Turn("recover", [{"params": recover, "lr_scale": 0.5}], every=2)

    def places(self, views: Sequence[Batch], noise: Noise) -> tuple[Tensor, Tensor]:
        """Recovered and true places, (P, T', V, C) each."""
        made = self.head(self.backbone(self.tracks(views, noise)))
        return made, views[0].tracks.unflatten(1, (made.shape[1], -1)).mean(2)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Any) -> StepOutput:
        made, true = self.places(views, noise)
        if progress.turn == "critic":
            margin = (1 - self.critic(true)).relu() + (1 + self.critic(made.detach())).relu()
            return StepOutput({"tell": summed(margin)})
        return StepOutput({"error": summed((made - true).square()), "deceive": summed(-self.critic(made), 0.01)})


def summed(values: Tensor, scale: float = 1.0) -> Term:
    """The mean of all values."""
    return Term(values.sum(), values.new_tensor(float(values.numel())), scale)


class DullCritic(Duel):
    """Its critic cannot learn."""

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Any) -> StepOutput:
        output = super().forward(views, noise, progress)
        if progress.turn == "recover":
            return output
        term = output.terms["tell"]
        return StepOutput({"tell": term._replace(total=term.total * 1e-6 + term.count)})


class HalfCritic(Duel):
    """A layer of its critic is in no loss of its turn."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.extra = nn.Linear(1, 1)

    def turns(self) -> tuple[Turn, ...]:
        critic, recover = super().turns()
        return Turn("critic", [*critic.groups, {"params": list(self.extra.parameters())}]), recover


class MeanCritic(Duel):
    """Its critic's loss is a mean with a count of one, so that parts of unequal size weigh the same."""

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Any) -> StepOutput:
        output = super().forward(views, noise, progress)
        if progress.turn == "recover":
            return output
        loss = output.loss()
        return StepOutput({"tell": Term(loss, loss.new_ones(()))})
