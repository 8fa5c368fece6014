"""What replays of recorded PCM3 trainings share: places of its weights, and its draws."""

from __future__ import annotations

import re

import torch
from recorded import Recorded
from released_contrast import ours
from replays import Made, made, options

from sslskel.api.noise import ReplayNoise

PCM3_PLACES = {
    "cl_prompt": "prompts.tasks.contrast.values",
    "mp_prompt": "prompts.tasks.prediction.values",
    "base_prompt": "prompts.inputs.clean",
    "mask_prompt": "prompts.inputs.masked",
    "recons_prompt": "prompts.inputs.predicted",
    "mix_prompt": "prompts.inputs.mix",
}
DECODER_PLACES = {
    "linear.0.": "decoder.first.",
    "linear.1.": "decoder.norm.",
    "linear.3.": "decoder.second.",
    "recons_decoder.reconstruction.": "decoder.last.",
}


OUR_PART = (0, 2, 1, 4, 3)
"""Released number of a body part -> ours: what that code calls left is the right side of the layout."""


def in_pcm3(name: str, prompts: bool) -> str | None:
    """Our name of a released PCM3 array."""
    if name in PCM3_PLACES:
        return PCM3_PLACES[name] if prompts else None
    if match := re.fullmatch(r"recons_decoder\.decoder\.(.+)_l(\d)", name):
        return f"decoder.recurrent.{match[2]}.{match[1]}_l0"
    for released, mine in DECODER_PLACES.items():
        if name.startswith(released):
            return mine + name.removeprefix(released)
    return ours(name, lambda stream: "contrast.")


def pcm3(case: Recorded, **more: object) -> Made:
    """The method with the recorded sizes, of which prompts are a share of a feature."""
    recorded = case.config
    own: dict[str, object] = {
        "method__prompts": recorded["prompts"],
        "method__prompt_share": recorded["prompt_len"] / (2 * recorded["hidden"]),
        "method__decoder_width": recorded["mlp"],
        "clip__frames": 64,
    }
    sizes = {"backbone__hidden": recorded["hidden"], "backbone__layers": recorded["layers"]}
    return made("pcm3", *options(case, **{**sizes, **own, **more}))


def pcm3_draws(case: Recorded, step: int) -> ReplayNoise:
    """What the released step drew, under the names of our sites."""
    drawn = {name.removeprefix("draws/"): case[name][step] for name in case if name.startswith("draws/")}
    parts = torch.tensor(OUR_PART)[torch.as_tensor(drawn["mask_parts"])]
    mixed = [OUR_PART[part] for part in drawn["mix_parts"] if part >= 0]
    order = mixed + [part for part in range(5) if part not in mixed]
    sites = {
        "topology.parts": torch.stack([torch.cat([row, row.new_tensor([4, 4])]) for row in parts]),
        "mix.shift": torch.as_tensor(drawn["mix_shift"] - 1),
        "mix.kind": torch.as_tensor(drawn["mix_p"]),
        "mix.count": torch.as_tensor(len(mixed) - 2),
        "mix.parts": torch.as_tensor(order),
        "mix.units": torch.as_tensor(drawn["mix_units"] - 7),
        "mix.start": torch.as_tensor(drawn["mix_start_unit"]),
        "mix.blend": torch.as_tensor(drawn["mixup_lambda"]),
    }
    names = ("query", "prediction", "masked", "predicted", "mix", "key")
    for name, offset in zip(names, drawn["prompt_offsets"], strict=False):
        sites[f"prompt.{name}"] = torch.as_tensor(offset)
    return ReplayNoise(sites)
