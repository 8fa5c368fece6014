"""Opens released MAMP-style ``.pth`` files as encoders; the files are read, never executed.

Sizes come from the tensors. For sslskel's own checkpoints see ``sslskel.encoders.open``.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from torch import Tensor

from sslskel.api.backbone import Backbone
from sslskel.api.dataset import DatasetInfo
from sslskel.api.encoder import PooledEncoder
from sslskel.api.skeleton import NTU25, SkeletonLayout
from sslskel.api.view import ClipSpec
from sslskel.config.groups import ClipConfig
from sslskel.encoders.meta import RELEASED_BACKBONE
from sslskel.encoders.pth_file import check_pth
from sslskel.errors import CheckpointError, UsageError
from sslskel.plugins.registry import BACKBONES
from sslskel.transforms.clip import clip_spec

PERSONS = 2
"""Person slots of every dataset the released models were trained on."""
PREFIXES = ("module.", "encoder_student.", "module.")
"""Wrappers around the encoder's names: data-parallel training, and STARS."""
NOT_ENCODER = ("mask_token", "decoder_", "head.")
"""Names of pretraining decoders and downstream heads, which an encoder leaves behind."""

READABLE = (
    "files of the released MAMP code and of STARS, which builds on it, can be read, and folders of sslskel checkpoints;"
    " any other network is evaluated as a module: sslskel evaluate --encoder PACKAGE.MODULE:FUNCTION"
)

RENAMED = {
    "temp_embed": "time_table",
    "pos_embed": "joint_table",
    "joints_embed.proj.weight": "embed.weight",
    "joints_embed.proj.bias": "embed.bias",
}
"""Released name -> ours, where they differ."""


class Sizes(NamedTuple):
    """What the shapes of a released encoder say."""

    dim: int
    depth: int
    hidden: int
    segment: int
    segments: int
    joints: int
    coordinates: int
    qkv_bias: bool


def load_released(path: Path | str, *, num_heads: int = 8, frames: int | None = None) -> PooledEncoder:
    """Open a released file: encoder(dense (N, C, T, V, M)) -> (N, D), in eval mode.

    Takes the dict that the MAMP scripts save (``model``, ``args`` ...), pretrained or
    with a downstream head, or a bare state dict, also under ``module.`` or
    ``encoder_student.``. ``num_heads`` is not in the tensors. ``frames`` other than the
    file's resizes the time positions bicubically, as the released loaders do.

    The clip is two persons at 30 fps in metres, as in NTU RGB+D; with 25 joints it has
    that layout, otherwise a nameless one, a star on joint 0, since a file does not tell
    its bones. Raises ``CheckpointError`` for anything that is not such a file, and
    never runs code that a file carries.
    """
    path = Path(path)
    content = _read(path)
    state = _encoder_state(content, path)
    sizes = _sizes(state, path)
    _check_heads(content, sizes, num_heads, path)
    clip = _clip(sizes, sizes.segments * sizes.segment if frames is None else frames, path)
    network = BACKBONES.get(RELEASED_BACKBONE)
    config = network.Config(
        dim=sizes.dim,
        depth=sizes.depth,
        heads=num_heads,
        mlp_ratio=sizes.hidden / sizes.dim,
        segment=sizes.segment,
        qkv_bias=sizes.qkv_bias,
    )
    # On the meta device nothing is allocated or drawn, whatever sizes a file claims.
    with torch.device("meta"):
        backbone = network(config, clip)
    ours = {our_name(name): our_value(name, value) for name, value in state.items()}
    ours["time_table"] = resize_time(ours["time_table"], clip.frames // sizes.segment)
    _check_names(ours, backbone, path)
    backbone.load_state_dict(ours, assign=True)
    return PooledEncoder(backbone, clip).eval()


def our_name(name: str) -> str:
    """Our name of a released encoder parameter; blocks and norm keep their names."""
    return RENAMED.get(name, name)


def our_value(name: str, value: Tensor) -> Tensor:
    """A released parameter in our shape: the convolution (D, C, l, 1) as (D, l*C), tables as (rows, D)."""
    if name == "joints_embed.proj.weight":
        return value.squeeze(-1).transpose(1, 2).flatten(1)
    return value.flatten(0, -2) if name in ("temp_embed", "pos_embed") else value


def resize_time(table: Tensor, segments: int) -> Tensor:
    """Time positions for another clip length, bicubic along time: (Te, D) -> (segments, D)."""
    if table.shape[0] == segments:
        return table
    column = table.T[None, :, :, None]
    resized = F.interpolate(column, size=(segments, 1), mode="bicubic", align_corners=False)
    return resized[0, :, :, 0].T.contiguous()


def _read(path: Path) -> Mapping[str, Any]:
    """The file's content; of all classes beyond tensors and plain data, only ``argparse.Namespace`` is let in."""
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint file at {path}")
    check_pth(path)
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as fault:  # a damaged file can raise nearly anything
        refused = re.search(r"(?:GLOBAL|global|Type|type) ([\w.]+\.[\w.]+)", str(fault))
        if refused:
            raise CheckpointError(
                f"{path} holds a {refused[1]} object, which could run code; it was refused and not run."
                " Save its tensors alone (a plain state dict) to use it"
            ) from fault
        raise CheckpointError(
            f"{path} is not a readable PyTorch checkpoint, or is cut short or damaged; fetch it again"
        ) from fault
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}, where a checkpoint or state dict was expected; {READABLE}"
        )
    return content


def _encoder_state(content: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """The encoder's tensors under their released names, float32 and finite."""
    wrapped = content.get("model", content)
    if not isinstance(wrapped, Mapping):
        raise CheckpointError(f"'model' in {path} is a {type(wrapped).__name__}, where a state dict was expected")
    strange = [type(name).__name__ for name in wrapped if not isinstance(name, str)]
    if strange:
        raise CheckpointError(f"{path} names a tensor by a {strange[0]}, where text was expected; {READABLE}")
    named = dict(wrapped)
    for prefix in PREFIXES:
        inside = {name[len(prefix) :]: value for name, value in named.items() if name.startswith(prefix)}
        named = inside or named
    kept = {name: value for name, value in named.items() if not name.startswith(NOT_ENCODER)}
    for name, value in kept.items():
        _require_plain(value, f"'{name}' in {path}")
    total = sum(value.numel() * value.element_size() for value in kept.values())
    if total > 2 * path.stat().st_size:
        raise CheckpointError(f"the tensors of {path} share their values and would take {total:,} bytes; {READABLE}")
    return {name: _finite(value, f"'{name}' in {path}") for name, value in kept.items()}


def _require_plain(value: Any, what: str) -> None:
    """A tensor that claims more values than the file holds would cost memory, so it is refused."""
    if not isinstance(value, Tensor):
        raise CheckpointError(f"{what} is a {type(value).__name__}, where a tensor was expected")
    plain = value.layout is torch.strided and value.is_floating_point() and value.device.type == "cpu"
    if not plain or value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise CheckpointError(f"{what} is not a plain floating-point tensor with all its values in the file")


def _finite(value: Tensor, what: str) -> Tensor:
    """As float32."""
    weights: Tensor = value.detach().to(torch.float32)
    if not torch.isfinite(weights).all():
        raise CheckpointError(f"{what} holds NaN or infinite values; the file is damaged")
    return weights


def _sizes(state: Mapping[str, Tensor], path: Path) -> Sizes:
    telling = {
        "joints_embed.proj.weight": 4,
        "temp_embed": 4,
        "pos_embed": 4,
        "blocks.0.mlp.fc1.weight": 2,
    }
    missing = [name for name in telling if name not in state]
    if missing:
        raise CheckpointError(f"{path} is not a MAMP-style checkpoint: it lacks {_listed(missing)}; {READABLE}")
    wrong = [name for name, axes in telling.items() if state[name].ndim != axes or 0 in state[name].shape]
    if wrong:
        raise CheckpointError(
            f"{path} is not a MAMP-style checkpoint: "
            + _listed(f"{name} has shape {tuple(state[name].shape)}" for name in wrong)
            + f"; {READABLE}"
        )
    dim, coordinates, segment, width = state["joints_embed.proj.weight"].shape
    if width != 1:
        raise CheckpointError(f"the tokens of {path} span {width} joints each; only one joint per token can be opened")
    numbers = {name.split(".")[1] for name in state if name.startswith("blocks.")}
    return Sizes(
        dim=dim,
        depth=next(at for at in count() if str(at) not in numbers),
        hidden=state["blocks.0.mlp.fc1.weight"].shape[0],
        segment=segment,
        segments=state["temp_embed"].shape[1],
        joints=state["pos_embed"].shape[2],
        coordinates=coordinates,
        qkv_bias="blocks.0.attn.qkv.bias" in state,
    )


def _check_heads(content: Mapping[str, Any], sizes: Sizes, num_heads: int, path: Path) -> None:
    if num_heads < 1 or sizes.dim % num_heads:
        raise UsageError(f"{path} has width {sizes.dim}, which num_heads={num_heads} does not divide")
    arguments = getattr(content.get("args"), "model_args", None)
    stated = arguments.get("num_heads", num_heads) if isinstance(arguments, Mapping) else num_heads
    if isinstance(stated, int) and stated != num_heads:
        raise UsageError(f"{path} says it was trained with {stated} heads, not {num_heads}; give num_heads={stated}")


def _clip(sizes: Sizes, frames: int, path: Path) -> ClipSpec:
    if sizes.coordinates not in (2, 3):
        raise CheckpointError(f"{path} reads {sizes.coordinates} coordinates per joint, where 2 or 3 were expected")
    if frames < 1 or frames % sizes.segment:
        raise UsageError(f"frames={frames} is not a multiple of the {sizes.segment} frames per token of {path}")
    joints = tuple(f"joint_{at}" for at in range(sizes.joints))
    star = SkeletonLayout("unnamed", joints, (-1, *[0] * (sizes.joints - 1)), centre=0)
    layout = NTU25 if sizes.joints == NTU25.num_joints else star
    info = DatasetInfo(path.stem, 0, layout, (), fps=30.0, coordinates=sizes.coordinates, persons=PERSONS)
    still = ClipConfig(frames=frames, rotation=0.0)
    return clip_spec(info, ClipConfig(frames=frames) if sizes.coordinates == 3 else still)


def _check_names(ours: Mapping[str, Tensor], backbone: Backbone, path: Path) -> None:
    """Every parameter there, no other, and all of the right shape; messages use the file's names."""
    wanted = {name: tuple(value.shape) for name, value in backbone.state_dict().items()}
    theirs = {name: name for name in (*wanted, *ours)} | {name: released for released, name in RENAMED.items()}
    faults = [f"lacks {theirs[name]}" for name in wanted if name not in ours]
    faults += [f"has an unknown {theirs[name]}" for name in ours if name not in wanted]
    faults += [
        f"has {theirs[name]} of shape {tuple(ours[name].shape)}, not {shape}"
        for name, shape in wanted.items()
        if name in ours and tuple(ours[name].shape) != shape
    ]
    if faults:
        raise CheckpointError(f"{path} does not fit the MAMP encoder: it {_listed(faults)}; {READABLE}")


def _listed(names: Iterable[str], most: int = 6) -> str:
    names = list(names)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
