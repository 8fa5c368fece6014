"""What replays of the recorded UmURL and USDRL share: their files, and our names of their weights."""

from __future__ import annotations

import re
from typing import Any

import pytest
from released_sequences import files

PLACES = (
    (".t_embedding.", ".frames."),
    (".s_embedding.", ".joints."),
    ("backbone.ske_emb.", "backbone.embed."),
    (".t_tr.layers.", ".frame_layers."),
    (".s_tr.layers.", ".joint_layers."),
    (".CA.attn.in_proj_", ".attention.qkv."),
    (".CA.attn.out_proj.", ".attention.proj."),
    (".DSA.attn.in_proj_", ".attention.qkv."),
    (".DSA.attn.out_proj.", ".attention.proj."),
    (".CA.conv1.", ".convolved.convolution."),
    (".CA.", ".convolved."),
    (".DSA.wt1.", ".shifted.mix."),
    (".DSA.wt2.", ".shifted.mix_again."),
    (".DSA.", ".shifted."),
    (".self_attn.in_proj_", ".attention.qkv."),
    (".self_attn.out_proj.", ".attention.proj."),
    (".linear1.", ".mlp.fc1."),
    (".linear2.", ".mlp.fc2."),
    (".norm1.", ".attention_norm."),
    (".norm2.", ".mlp_norm."),
)
"""Parts of released names, and ours."""
DOMAINS = {"t": "frames", "s": "joints", "i": "clip"}
"""Released names of kinds of features, and ours."""
STREAMS = {"j": "joint", "b": "bone", "m": "motion"}


def recordings(kind: str) -> list[Any]:
    """Parameters of a fixture, one for each recorded file of a kind; all but the first are long."""
    first, *others = files(kind)
    return [first, *(pytest.param(other, marks=pytest.mark.long) for other in others)]


def in_layers(name: str) -> str:
    """A released name with our words for the parts of an encoder."""
    for theirs, ours in PLACES:
        name = name.replace(theirs, ours)
    return name


def in_umurl(name: str) -> str | None:
    """Our name of an array of the released UmURL; None for its table of sines, which is computed here."""
    if name.endswith(".pe"):
        return None
    name = in_layers(name)
    if match := re.fullmatch(r"([jbm])_projector\.(.+)", name):
        return f"heads.{STREAMS[match[1]]}.{match[2]}"
    if match := re.fullmatch(r"backbone\.([jbm])_emb\.(.+)", name):
        part = "backbone.embed" if match[1] == "j" else f"other.{STREAMS[match[1]]}"
        return f"encoder.backbone.{part}.{match[2]}"
    if match := re.fullmatch(r"backbone\.mm_fusion\.([ts])_fusion\.0\.(.+)", name):
        return f"encoder.backbone.to_{ {'t': 'frames', 's': 'joints'}[match[1]] }.{match[2]}"
    return name.replace("backbone.ma_encoder.", "encoder.backbone.backbone.")


def in_usdrl(name: str) -> str | None:
    """Our name of an array of the released USDRL; None for its table of sines, which is computed here."""
    if name.endswith(".pe"):
        return None
    if name == "backbone.spe":
        return "encoder.backbone.joint_table"
    if match := re.fullmatch(r"([tsi])_proj\.(.+)", name):
        return f"heads.{DOMAINS[match[1]]}.{match[2]}"
    if match := re.fullmatch(r"backbone\.([ts])_tr(\d*)\.((?:CA|DSA)\..+)", name):
        name = f"backbone.{ {'t': 'frame', 's': 'joint'}[match[1]] }_layers.{match[2] or 0}.{match[3]}"
    return f"encoder.{in_layers(name)}"
