"""Prompts: where their numbers stand in a feature, and that what has none stays as it is."""

from __future__ import annotations

import torch

from sslskel.api.noise import Noise
from sslskel.nn.prompts import FeaturePrompt, Prompts


def test_a_prompt_stands_at_one_place_in_both_halves_of_a_feature() -> None:
    prompt = FeaturePrompt(0.25, 16)
    places = set()
    for seed in range(20):
        placed = prompt.placed(Noise(seed), "here")
        at = placed.nonzero().flatten().tolist()
        assert at == [at[0], at[0] + 1, at[0] + 8, at[0] + 9]
        places.add(at[0])
    assert places == set(range(6))


def test_features_of_a_task_without_a_prompt_stay() -> None:
    prompts = Prompts(["clean"], ["contrast"], 4, 16, 0.25, late=False)
    features = torch.zeros(2, 16)
    assert torch.equal(prompts.added(features, "prediction", Noise(0), "query"), features)
    assert bool(prompts.added(features, "contrast", Noise(0), "query").any())
