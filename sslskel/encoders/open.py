"""A trained or imported encoder, opened from a checkpoint directory or a released file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sslskel.api.backbone import Backbone
from sslskel.api.dataset import DatasetInfo
from sslskel.api.encoder import Encoder
from sslskel.api.method import PretextMethod
from sslskel.api.skeleton import SkeletonLayout
from sslskel.api.view import ClipSpec
from sslskel.config.compose import from_plain
from sslskel.config.groups import ClipConfig
from sslskel.encoders.released import load_released
from sslskel.engine.checkpoint import latest, load_weights, read_meta
from sslskel.errors import CheckpointError, UsageError
from sslskel.plugins.registry import BACKBONES, METHODS
from sslskel.transforms.clip import clip_spec


@dataclass(frozen=True)
class OpenedEncoders:
    """Encoders by stream, and what their checkpoint says of itself (empty for a released file)."""

    encoders: dict[str, Encoder]
    meta: Mapping[str, Any]
    path: Path

    def fresh(self, seed: int) -> dict[str, Encoder]:
        """The same encoders with initial weights, a function of the seed alone.

        Raises ``CheckpointError`` for a released file, which does not say how it was built.
        """
        if not self.meta:
            raise CheckpointError(
                f"{self.path} does not say how its network was built, so it cannot be trained from scratch;"
                " judge random_init instead"
            )
        return _rebuild(self.meta, self.path, seed).encoders()


def build_method(
    method: str, method_config: Any, backbone: str, backbone_config: Any, clip: ClipSpec, seed: int
) -> PretextMethod:
    """Construct a method with initial weights that are a function of the seed alone."""

    def build_backbone(spec: ClipSpec) -> Backbone:
        return BACKBONES.get(backbone)(backbone_config, spec)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return METHODS.get(method)(method_config, build_backbone, clip)


def info_json(info: DatasetInfo) -> dict[str, Any]:
    """What an encoder must remember of its dataset."""
    return {
        "name": info.name,
        "layout": info.layout.to_json(),
        "fps": info.fps,
        "unit": info.unit,
        "coordinates": info.coordinates,
        "persons": info.persons,
    }


def open_encoders(path: Path | str, *, num_heads: int = 8) -> OpenedEncoders:
    """Open every stream's encoder from a sslskel checkpoint directory or a released ``.pth`` file.

    ``path`` may be one step's directory, a folder of them (the newest sound one is
    taken) or a file. ``num_heads`` is for released files, which do not store it.
    Raises ``CheckpointError`` where it is missing, damaged or of another version.
    """
    path = Path(path)
    if path.is_file():
        return OpenedEncoders({"joint": load_released(path, num_heads=num_heads)}, {}, path)
    if not path.exists():
        raise CheckpointError(f"there is no checkpoint at {path}")
    step = path if (path / "manifest.json").is_file() else latest(path)
    if step is None:
        raise CheckpointError(f"{path} holds no sound checkpoint; give a checkpoint directory or a .pth file")
    meta = read_meta(step)
    method = _rebuild(meta, step)
    try:
        method.load_state_dict(load_weights(step))
    except RuntimeError as fault:
        raise CheckpointError(f"the weights in {step} do not fit method '{meta['method']['name']}': {fault}") from fault
    return OpenedEncoders(method.encoders(), meta, step)


def load_encoder(path: Path | str, *, num_heads: int = 8, stream: str | None = None) -> Encoder:
    """One encoder in eval mode: maps a dense (N, C, T, V, M) tensor to (N, D) features.

    Missing persons are zeros and are averaged in as the released code does. ``stream``
    chooses among several; the first is the default. Raises ``CheckpointError``.
    """
    encoders = open_encoders(path, num_heads=num_heads).encoders
    name = stream or next(iter(encoders))
    if name not in encoders:
        raise UsageError(f"{path} has no stream '{name}' (it has: {', '.join(encoders)})")
    return encoders[name].eval()


def weights_digest(encoders: Mapping[str, Encoder]) -> str:
    """sha256 over every weight and buffer of the encoders, by name."""
    total = hashlib.sha256()
    for stream in sorted(encoders):
        for name, tensor in sorted(encoders[stream].state_dict().items()):
            total.update(f"{stream}.{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def parameter_count(encoders: Mapping[str, Encoder]) -> int:
    """Weights of all encoders, each shared one counted once."""
    unique = {id(p): p.numel() for encoder in encoders.values() for p in encoder.parameters()}
    return sum(unique.values())


def _rebuild(meta: Mapping[str, Any], step: Path, seed: int = 0) -> PretextMethod:
    try:
        data, name, backbone = meta["dataset"], meta["method"]["plugin"], meta["backbone"]["name"]
        layout = SkeletonLayout.from_json(data["layout"])
        info = DatasetInfo(data["name"], 0, layout, (), data["fps"], data["unit"], data["coordinates"], data["persons"])
        plugin, network = METHODS.get(name), BACKBONES.get(backbone)
        for kind, found in (("method", plugin), ("backbone", network)):
            if found.version != meta[kind]["version"]:
                raise CheckpointError(
                    f"{step} was made by version {meta[kind]['version']} of {kind} '{meta[kind]['name']}', but version"
                    f" {found.version} is installed; pretrain again or install the older one"
                )
        clip = clip_spec(info, from_plain(ClipConfig, meta["clip"], f"{step}: clip"))
        return build_method(
            name,
            from_plain(plugin.Config, meta["method"]["config"], f"{step}: method"),
            backbone,
            from_plain(network.Config, meta["backbone"]["config"], f"{step}: backbone"),
            clip,
            seed,
        )
    except KeyError as fault:
        raise CheckpointError(f"{step} does not say how to rebuild its encoder: {fault} is missing") from fault
