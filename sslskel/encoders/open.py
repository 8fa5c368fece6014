"""A trained or imported encoder, opened from a checkpoint directory or a released file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from sslskel.api.backbone import Backbone
from sslskel.api.encoder import Encoder
from sslskel.api.method import PretextMethod
from sslskel.api.view import ClipSpec
from sslskel.config.compose import from_plain
from sslskel.config.groups import ClipConfig
from sslskel.encoders.hub import fetched
from sslskel.encoders.meta import CheckpointMeta, Construction
from sslskel.encoders.released import load_released
from sslskel.engine.checkpoint import kept_before, latest, load_weights, read_state
from sslskel.engine.initial import load_fitting
from sslskel.errors import CheckpointError, UsageError
from sslskel.plugins.encoders import checkpoint_path
from sslskel.plugins.local import LOCAL_FOLDER
from sslskel.plugins.own_code import construct
from sslskel.plugins.registry import BACKBONES, METHODS, Registry
from sslskel.transforms.clip import clip_spec


@dataclass(frozen=True)
class OpenedEncoders:
    """Encoders by stream, and what their checkpoint says of itself."""

    encoders: dict[str, Encoder]
    meta: CheckpointMeta
    path: Path
    _digests: dict[tuple[torch.dtype, ...], str] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def weights_sha256(self) -> str:
        """sha256 over every weight and buffer by name, computed once for each type that they are cast to.

        Protocols leave these encoders as they were.
        """
        tensors = (tensor for encoder in self.encoders.values() for tensor in encoder.state_dict().values())
        types = tuple(tensor.dtype for tensor in tensors)
        if types not in self._digests:
            self._digests[types] = weights_digest(self.encoders)
        return self._digests[types]

    def fresh(self, seed: int) -> dict[str, Encoder]:
        """The same encoders with initial weights, a function of the seed alone.

        Raises ``CheckpointError`` for a released file, which does not say how it was built.
        """
        made = self.meta.construction
        if made is None:
            raise CheckpointError(
                f"{self.path} does not say how its network was built, so it cannot be trained from scratch;"
                " take a checkpoint that sslskel wrote"
            )
        return _rebuild(self.meta, made, self.path, seed).encoders()

    def earlier(self) -> Iterator[tuple[int, dict[str, Encoder]]]:
        """Step and encoders of each earlier checkpoint of the run that is still there, oldest first."""
        for step in kept_before(self.path):
            method, meta = open_method(step)
            if meta.identity == self.meta.identity:
                yield int(read_state(step)["step"]), method.encoders()


def build_method(
    method: str, method_config: object, backbone: str, backbone_config: object, clip: ClipSpec, seed: int
) -> PretextMethod:
    """Construct a method with initial weights that are a function of the seed alone.

    Raises ``PluginError`` where its constructor, or that of its backbone, raises what it did not foresee.
    """

    def build_backbone(spec: ClipSpec) -> Backbone:
        return construct(BACKBONES, backbone, backbone_config, spec)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return construct(METHODS, method, method_config, build_backbone, clip)


def open_encoders(path: Path | str, *, num_heads: int = 8) -> OpenedEncoders:
    """Open every stream's encoder from a sslskel checkpoint directory or a released ``.pth`` file.

    ``path`` may be one step's directory, a folder of them (the newest undamaged one is taken), a file, the name
    of an exported encoder in ``sslskel_plugins/encoders``, or ``OWNER/NAME`` of one on a model hub. ``num_heads`` is
    for released files, which do not store it. Raises ``CheckpointError`` where it is missing, damaged or of another
    version.
    """
    path = checkpoint_path(fetched(path))
    if path.is_file():
        encoders: dict[str, Encoder] = {"joint": load_released(path, num_heads=num_heads)}
        return OpenedEncoders(encoders, CheckpointMeta.of_released(path, num_heads), path)
    step = path if (path / "manifest.json").is_file() else latest(path)
    if step is None:
        raise CheckpointError(f"{path} has no valid checkpoint; give a checkpoint directory or a .pth file")
    method, meta = open_method(step)
    return OpenedEncoders(method.encoders(), meta, step)


def open_method(step: Path) -> tuple[PretextMethod, CheckpointMeta]:
    """The whole method of a step's directory, with its weights. Raises ``CheckpointError`` as :func:`open_encoders`."""
    meta = CheckpointMeta.read(step)
    assert meta.construction is not None
    method = _rebuild(meta, meta.construction, step)
    try:
        method.load_state_dict(load_weights(step))
    except RuntimeError as fault:
        raise CheckpointError(f"the weights in {step} do not fit method '{meta.method.name}': {fault}") from fault
    return method, meta


def load_encoder(path: Path | str, *, num_heads: int = 8, stream: str | None = None) -> Encoder:
    """One encoder in eval mode: maps a dense (N, C, T, V, M) tensor to (N, D) features.

    ``path`` is that of :func:`open_encoders`, names of exported encoders included. Missing persons are zeros and
    are averaged in as the released code does. ``stream`` chooses among several; the first is the default. Raises
    ``CheckpointError``.
    """
    encoders = open_encoders(path, num_heads=num_heads).encoders
    name = stream or next(iter(encoders))
    if name not in encoders:
        raise UsageError(f"{path} has no stream '{name}' (it has: {', '.join(encoders)})")
    return encoders[name].eval()


def fill_encoder(encoder: Encoder, path: Path | str) -> None:
    """Give an encoder the weights of the one in a checkpoint, in place: a method's ``load_start`` fills a teacher so.

    Raises ``CheckpointError`` where they are of another network, naming what does not fit.
    """
    load_fitting(encoder, load_encoder(path).state_dict(), f"the encoder in {path} does not fit")


def weights_digest(encoders: Mapping[str, Encoder]) -> str:
    """sha256 over every weight and buffer of all streams by name."""
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


def _require_known(registry: Registry[type], name: str, origin: str, step: Path) -> None:
    """Raise ``CheckpointError`` for a plugin that is not found here, and say where its code was."""
    if name in registry.names():
        return
    kind = registry.kind
    if Path(origin).is_absolute():
        place = f"{kind}s/{Path(origin).name}"
        hint = (
            f"its code was read from {origin}: name the folder that holds {place} in SSLSKEL_PLUGINS, or copy the file"
            f" to {LOCAL_FOLDER}/{place} here"
        )
    elif origin.endswith(")"):
        hint = f"its code was in {origin}: install that package"
    else:
        hint = "another version of sslskel may have it"
    raise CheckpointError(f"{step} was made by {kind} '{name}', which is not known here; {hint}")


def _rebuild(meta: CheckpointMeta, made: Construction, step: Path, seed: int = 0) -> PretextMethod:
    _require_known(METHODS, meta.method.plugin, meta.method.origin, step)
    _require_known(BACKBONES, meta.backbone.name, meta.backbone.origin, step)
    plugin, network = METHODS.get(meta.method.plugin), BACKBONES.get(meta.backbone.name)
    for kind, asked, installed in (("method", meta.method, plugin), ("backbone", meta.backbone, network)):
        if installed.version != asked.version:
            raise CheckpointError(
                f"{step} was made by version {asked.version} of {kind} '{asked.name}', but version"
                f" {installed.version} is installed; pretrain again or install the older one"
            )
    return build_method(
        meta.method.plugin,
        from_plain(plugin.Config, made.method, f"{step}: method"),
        meta.backbone.name,
        from_plain(network.Config, made.backbone, f"{step}: backbone"),
        replace(clip_spec(made.dataset.info, from_plain(ClipConfig, made.clip, f"{step}: clip")), clips=made.clips),
        seed,
    )
