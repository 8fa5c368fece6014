"""The contract of a backbone, one function per check.

Rows are persons, or clips where the backbone joins persons.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from sslskel.api.backbone import Backbone, Features, TokenBackbone
from sslskel.api.batch import Batch
from sslskel.api.dataset import DatasetInfo
from sslskel.api.encoder import PooledEncoder
from sslskel.api.noise import Noise
from sslskel.checks.fixtures import (
    FRAMES,
    SMALL_BODY,
    check_config_class,
    check_config_values,
    dataset_info,
    make_source,
    make_spec,
    small_config,
)
from sslskel.checks.presets import check_presets
from sslskel.checks.runner import Skip, expect, global_generators_untouched
from sslskel.checks.watched_io import no_io
from sslskel.errors import UsageError

CLIPS = 6


@dataclasses.dataclass
class BackboneCase:
    """A backbone to check, small, on one kind of clips."""

    plugin: type[Backbone]
    info: DatasetInfo = dataclasses.field(default_factory=dataset_info)
    frames: int = FRAMES
    config: object = None
    """Default: the defaults with small layers."""

    def build(self, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Backbone:
        """A fresh backbone in training mode, its weights a function of the seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return (
                self.plugin(self.config or small_config(self.plugin.Config), make_spec(self.info, self.frames))
                .to(dtype)
                .train()
            )

    def batch(self, dtype: torch.dtype = torch.float32) -> Batch:
        """A few clips in the test view."""
        spec = make_spec(self.info, self.frames)
        return make_source(self.info, CLIPS, spec, dtype).batch(torch.arange(CLIPS), spec.test_view, Noise(0))

    def rows(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """What the backbone is fed: (P, T, V, C), or (N, T, M*V, C) where it joins persons."""
        batch = self.batch(dtype)
        return batch.joined(self.info.persons) if self.plugin.joins_persons else batch.tracks

    def valid(self) -> Tensor:
        """Which frames of the rows are valid: (P, T), or (N, T, M) where it joins persons."""
        batch = self.batch()
        return batch.joined_valid(self.info.persons) if self.plugin.joins_persons else batch.valid

    def features(self, backbone: Backbone, dtype: torch.dtype = torch.float32) -> Features:
        """What it gives for the rows, with noise for a pass in training."""
        backbone.bind(Noise(0).on(self.batch()))
        return backbone.read(self.rows(dtype), self.valid())


def side_by_side(features: Features) -> Tensor:
    """All that a backbone gave, one row each."""
    token = [] if features.token is None else [features.token]
    return torch.cat([part.flatten(1) for part in (features.grid, *token, *features.levels.values())], 1)


def builds_from_defaults(case: BackboneCase) -> None:
    """Config is a dataclass with a default for every field, and the backbone is built from it."""
    check_config_class(case.plugin)
    check_presets(case.plugin)
    built = case.plugin(case.plugin.Config(), make_spec(case.info))
    expect(isinstance(getattr(built, "dim", None), int) and built.dim > 0, "dim is not a positive whole number")


def refuses_bad_values(case: BackboneCase) -> None:
    """Every number in Config refuses absurd values with a UsageError."""
    check_config_values(case.plugin.Config)


def constructor_does_no_io(case: BackboneCase) -> None:
    """Building opens no file, socket or process."""
    case.build()
    with no_io():
        case.build()


def features_have_the_promised_shape(case: BackboneCase) -> None:
    """forward gives finite (P, T', V', dim), pool (P, dim)."""
    _shapes(case)


def _shapes(case: BackboneCase) -> None:
    backbone, rows = case.build(), case.rows()
    output = case.features(backbone)
    features = output.grid
    shape = tuple(features.shape)
    expect(
        features.ndim == 4 and shape[0] == len(rows) and shape[3] == backbone.dim,
        f"features of {len(rows)} rows have shape {shape}, but ({len(rows)}, T', V', dim={backbone.dim}) was promised",
    )
    expect(torch.isfinite(features).all(), "features are not finite")
    pooled = tuple(backbone.summary(output, case.valid()).shape)
    what = "pool() gives" if output.token is None else "the token has"
    expect(pooled == (len(rows), backbone.dim), f"{what} shape {pooled}")


def every_parameter_gets_a_gradient(case: BackboneCase) -> None:
    """Each parameter that requires a gradient gets a finite one from the features."""
    backbone = case.build()
    features = side_by_side(case.features(backbone))
    (features * Noise(1).normal("weights", tuple(features.shape), "batch")).sum().backward()  # type: ignore[no-untyped-call]
    for name, parameter in backbone.named_parameters():
        if parameter.requires_grad:
            expect(parameter.grad is not None, f"parameter '{name}' gets no gradient")
            expect(torch.isfinite(parameter.grad).all(), f"the gradient of '{name}' is not finite")  # type: ignore[arg-type]


def is_deterministic_in_eval(case: BackboneCase) -> None:
    """In eval mode the same rows give bit-equal features, without global generators, and change no buffer."""
    backbone, rows, valid = case.build().eval(), case.rows(), case.valid()
    state, before = {name: value.clone() for name, value in backbone.state_dict().items()}, rows.clone()
    with torch.no_grad(), global_generators_untouched():
        first, second = (side_by_side(backbone.read(rows, valid)) for _ in range(2))
    expect(torch.equal(first, second), "features differ the second time")
    expect(torch.equal(rows, before), "the rows handed in were changed; work on a copy")
    changed = [name for name, value in backbone.state_dict().items() if not torch.equal(value, state[name])]
    expect(not changed, f"a pass in eval mode changed {', '.join(changed[:3])}")


def training_uses_no_global_generator(case: BackboneCase) -> None:
    """A pass in training mode draws from no global generator (dropout must use bind())."""
    backbone, batch, rows, valid = case.build(), case.batch(), case.rows(), case.valid()
    backbone.bind(Noise(0).on(batch))
    with global_generators_untouched():
        backbone.read(rows, valid)


def rows_are_independent_in_eval(case: BackboneCase) -> None:
    """In eval mode a row has the same features alone as among others (float64)."""
    _independent(case, case.build(dtype=torch.float64).eval())


def rows_are_independent_in_training(case: BackboneCase) -> None:
    """So it is in training mode, or batch_statistics = True says otherwise (float64)."""
    if case.plugin.batch_statistics:
        raise Skip("batch_statistics = True")
    _independent(case, case.build(dtype=torch.float64))


def _independent(case: BackboneCase, backbone: Backbone) -> None:
    rows, valid = case.rows(torch.float64), case.valid()
    with torch.no_grad():
        together = side_by_side(backbone.read(rows, valid))
        alone = torch.cat([side_by_side(backbone.read(row[None], v[None])) for row, v in zip(rows, valid, strict=True)])
    gap = float((together - alone).abs().max())
    expect(gap <= 1e-9 * max(1.0, float(together.abs().max())), f"features depend on other rows, by up to {gap:.2g}")


def tokens_and_features_agree(case: BackboneCase) -> None:
    """For token backbones: encode(tokens) equals forward and encode with all ids; some ids give as many tokens."""
    backbone = case.build(dtype=torch.float64).eval()
    if not isinstance(backbone, TokenBackbone):
        raise Skip("it is not a TokenBackbone (it lacks tokens() or encode())")
    rows = case.rows(torch.float64)
    with torch.no_grad():
        tokens, features = backbone.tokens(rows), case.features(backbone, torch.float64).grid
        count = case.frames // backbone.segment * (1 if backbone.joins_joints else rows.shape[2])
        wanted = (len(rows), count, backbone.dim)
        expect(tuple(tokens.shape) == wanted, f"tokens() gives shape {tuple(tokens.shape)}, not {wanted}")
        every = torch.arange(count).expand(len(rows), -1)
        whole = backbone.encode(tokens)
        expect(
            torch.allclose(backbone.encode(tokens, every), whole, atol=1e-9), "encode with all ids differs from none"
        )
        expect(torch.allclose(features.flatten(1, 2), whole, atol=1e-9), "forward differs from encode(tokens(tracks))")
        some = Noise(0).permutation("ids", count, (len(rows),), "batch")[:, : count // 3]
        shape = tuple(backbone.encode(tokens, some).shape)
        expect(shape == (len(rows), count // 3, backbone.dim), f"encode of {count // 3} ids gives shape {shape}")


def padding_changes_nothing(case: BackboneCase) -> None:
    """For backbones that read validity: what invalid frames hold changes nothing, and none need be valid (float64)."""
    if not case.plugin.reads_validity:
        raise Skip("reads_validity = False")
    backbone, rows, valid = case.build(dtype=torch.float64).eval(), case.rows(torch.float64), case.valid().clone()
    valid[:, case.frames // 2 :] = False
    valid[0] = False
    persons = valid.shape[2] if valid.ndim == 3 else 1
    padding = ~valid.reshape(*valid.shape[:2], persons).repeat_interleave(rows.shape[2] // persons, 2)[..., None]
    other = Noise(0).normal("padding", tuple(rows.shape), "batch", torch.float64)
    with torch.no_grad():
        read = [backbone.read(torch.where(padding, fill, rows), valid) for fill in (torch.zeros_like(rows), other)]
        parts = [{**one.levels, "the feature of a row": backbone.summary(one, valid)} for one in read]
    for name, features in parts[0].items():
        expect(torch.isfinite(features).all(), f"{name} is not finite where a row has no valid frame")
        gap = float((features - parts[1][name]).abs().max())
        expect(gap <= 1e-9, f"{name} depends on what invalid frames hold, by up to {gap:.2g}")


def missing_joints_change_nothing(case: BackboneCase) -> None:
    """For backbones that mask joints: what the tracks of joints hold that are not known changes nothing (float64)."""
    if not case.plugin.masks_joints:
        raise Skip("masks_joints = False")
    backbone, rows, valid = case.build(dtype=torch.float64).eval(), case.rows(torch.float64), case.valid()
    known = torch.ones(len(rows), rows.shape[2], dtype=torch.bool)
    known[0, 1::2] = False
    missing = ~known[:, None, :, None]
    other = Noise(0).normal("missing", tuple(rows.shape), "batch", torch.float64)
    with torch.no_grad():
        read = [backbone.read(torch.where(missing, fill, rows), valid, known) for fill in (rows, other)]
        parts = [torch.cat([one.of_known().flatten(1), backbone.summary(one, valid)], 1) for one in read]
    gap = float((parts[0] - parts[1]).abs().max())
    expect(gap <= 1e-9, f"features depend on joints that are not known, by up to {gap:.2g}")


def levels_have_the_promised_widths(case: BackboneCase) -> None:
    """forward gives the levels that are declared, (P, width) each, and joints in their order where it keeps them."""
    backbone, rows = case.build(), case.rows()
    output = case.features(backbone)
    if case.plugin.keeps_joints:
        expect(output.grid.shape[2] == rows.shape[2], f"keeps_joints = True, but V' is {output.grid.shape[2]}")
    shapes = {name: tuple(level.shape) for name, level in output.levels.items()}
    wanted = {name: (len(rows), width) for name, width in backbone.levels.items()}
    expect(shapes == wanted, f"levels have shapes {shapes}, but {wanted} was promised")


def makes_an_encoder(case: BackboneCase) -> None:
    """Averaged over persons it gives (N, dim), with empty bodies counted or not."""
    backbone, batch = case.build().eval(), case.batch()
    for bodies in ("reference", "present"):
        encoder = PooledEncoder(backbone, make_spec(case.info, case.frames), bodies)
        with torch.no_grad():
            features = encoder.clip(batch)
        expect(features.shape == (CLIPS, backbone.dim), f"pooled features have shape {tuple(features.shape)}")
        expect(torch.isfinite(features).all(), "pooled features are not finite")


def weights_come_back(case: BackboneCase) -> None:
    """state_dict() restores features exactly in a backbone of another seed."""
    first, second = case.build(), case.build(seed=1)
    second.load_state_dict(first.state_dict())
    with torch.no_grad():
        same = torch.equal(*(side_by_side(case.features(one.eval())) for one in (first, second)))
        expect(same, "features after loading state_dict() differ")


def runs_in_bf16(case: BackboneCase) -> None:
    """In bfloat16 autocast features and gradients are finite."""
    backbone = case.build()
    with torch.autocast("cpu", torch.bfloat16):
        features = side_by_side(case.features(backbone))
    expect(torch.isfinite(features).all(), "features in bfloat16 are not finite")
    features.float().square().mean().backward()  # type: ignore[no-untyped-call]
    broken = [n for n, p in backbone.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()]
    expect(not broken, f"in bfloat16 the gradient of {', '.join(broken[:3])} is not finite")


def other_frames(case: BackboneCase) -> None:
    """Twice as many frames work, or are refused with a UsageError."""
    _other(dataclasses.replace(case, frames=2 * FRAMES))


def other_layout(case: BackboneCase) -> None:
    """Another body with 11 joints works, or is refused with a UsageError."""
    _other(dataclasses.replace(case, info=dataset_info(SMALL_BODY)))


def one_person(case: BackboneCase) -> None:
    """Clips of one person at most work, or are refused with a UsageError."""
    _other(dataclasses.replace(case, info=dataset_info(persons=1)))


def two_dimensions(case: BackboneCase) -> None:
    """2D coordinates work, or are refused with a UsageError."""
    _other(dataclasses.replace(case, info=dataset_info(coordinates=2)))


def _other(case: BackboneCase) -> None:
    try:
        case.build()
    except UsageError as refusal:
        raise Skip(f"it refuses them: {refusal}") from refusal
    _shapes(case)


BACKBONE_CHECKS = (
    builds_from_defaults,
    refuses_bad_values,
    constructor_does_no_io,
    features_have_the_promised_shape,
    every_parameter_gets_a_gradient,
    is_deterministic_in_eval,
    training_uses_no_global_generator,
    rows_are_independent_in_eval,
    rows_are_independent_in_training,
    tokens_and_features_agree,
    padding_changes_nothing,
    missing_joints_change_nothing,
    levels_have_the_promised_widths,
    makes_an_encoder,
    weights_come_back,
    runs_in_bf16,
    other_frames,
    other_layout,
    one_person,
    two_dimensions,
)
