"""Each check of protocols can fail: a protocol with one fault fails the check that is there for it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from sound_method import failed

from sslskel.api.noise import Noise
from sslskel.api.protocol import EvaluationProtocol, Outcome
from sslskel.checks import check_protocol, protocol_checks
from sslskel.config.groups import require
from sslskel.protocols.knn import Knn, KnnConfig


class Peeks(Knn):
    def evaluate(self, encoders: Any, parts: Any, run: Any) -> Outcome:
        outcome = super().evaluate(encoders, parts, run)
        seen = parts.test.labels.numpy()
        return dataclasses.replace(
            outcome, values={"predicted": np.where(seen >= 0, seen, outcome.values["predicted"])}
        )


class Forgets(Knn):
    def evaluate(self, encoders: Any, parts: Any, run: Any) -> Outcome:
        outcome = super().evaluate(encoders, parts, run)
        whole = len(outcome.keys) // self.config.encode_batch * self.config.encode_batch
        return Outcome(outcome.keys[:whole], {"predicted": outcome.values["predicted"][:whole]}, info=outcome.info)

    def score(self, outcome: Any, truth: Any) -> dict[str, float]:
        right = outcome.values["predicted"] == truth.of(outcome.keys)
        return {"top1": float(right.sum()) / max(1, len(right))}


class Trains(Knn):
    def evaluate(self, encoders: Any, parts: Any, run: Any) -> Outcome:
        for encoder in encoders.values():
            encoder.train()
            for batch in parts.train.batches(encoder.spec.test_view, Noise(0), 32):
                encoder.clip(batch)
        return super().evaluate(encoders, parts, run)


class StaysInEval(Knn):
    def evaluate(self, encoders: Any, parts: Any, run: Any) -> Outcome:
        for encoder in encoders.values():
            encoder.eval()
        return super().evaluate(encoders, parts, run)


class Guesses(Knn):
    def evaluate(self, encoders: Any, parts: Any, run: Any) -> Outcome:
        outcome = super().evaluate(encoders, parts, run)
        return dataclasses.replace(outcome, values={"predicted": torch.randint(0, 8, outcome.keys.shape).numpy()})


class Shifts(Knn):
    def evaluate(self, encoders: Any, parts: Any, run: Any) -> Outcome:
        outcome = super().evaluate(encoders, parts, run)
        return dataclasses.replace(outcome, keys=np.roll(outcome.keys, 8))


class Knows(Knn):
    """Has the labels of the dataset of the checks written down."""

    def evaluate(self, encoders: Any, parts: Any, run: Any) -> Outcome:
        outcome = super().evaluate(encoders, parts, run)
        order = np.arange(96, 96 + len(outcome.keys)) % 8
        return dataclasses.replace(outcome, values={"predicted": order})


class NoScore(Knn):
    def score(self, outcome: Any, truth: Any) -> dict[str, float]:
        return {"accuracy": 1.0}


class Sorts(Knn):
    def score(self, outcome: Any, truth: Any) -> dict[str, float]:
        scores = super().score(outcome, truth)
        outcome.values["predicted"].sort()
        return scores


class OneStream(Knn):
    def evaluate(self, encoders: Any, parts: Any, run: Any) -> Outcome:
        return super().evaluate({"joint": dict(encoders).pop("joint")} if len(encoders) == 1 else {}, parts, run)


class SinglePrecision(Knn):
    def evaluate(self, encoders: Any, parts: Any, run: Any) -> Outcome:
        require(run.dtype == torch.float32, "float32 only")
        return super().evaluate(encoders, parts, run)


class OddNeeds(Knn):
    needs = frozenset({"pixels"})


@dataclass
class LooseConfig(KnnConfig):
    softness: float = 0.1


class Loose(Knn):
    Config = LooseConfig


PROTOCOL_FAULTS: list[tuple[type[EvaluationProtocol], str]] = [
    (OddNeeds, "builds_from_defaults"),
    (Loose, "refuses_bad_values"),
    (NoScore, "scores_are_complete"),
    (Sorts, "scoring_is_pure"),
    (Trains, "leaves_the_encoder_as_found"),
    (StaysInEval, "leaves_the_encoder_as_found"),
    (Forgets, "counts_every_test_clip_once"),
    (Guesses, "gives_the_same_twice"),
    (Peeks, "does_not_read_test_labels"),
    (Shifts, "leaked_labels_score_full"),
    (Knows, "random_features_score_at_chance"),
    (OneStream, "takes_several_streams"),
    (SinglePrecision, "runs_in_float64"),
]


@pytest.mark.parametrize(("plugin", "check"), PROTOCOL_FAULTS, ids=[p.__name__ for p, _ in PROTOCOL_FAULTS])
def test_a_faulty_protocol_fails_the_check_for_its_fault(plugin: type, check: str) -> None:
    assert list(failed(check_protocol(plugin, only=[check]))) == [check]


def test_every_check_of_a_protocol_has_a_fault_that_it_finds() -> None:
    assert set(protocol_checks()) == {check for _, check in PROTOCOL_FAULTS}
