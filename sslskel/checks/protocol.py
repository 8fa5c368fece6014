"""The contract of an evaluation protocol, one function per check.

Encoders here are tables: each clip's feature is written down, so that a right answer is known.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from sslskel.api.batch import Batch
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.protocol import EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.api.view import ClipSpec
from sslskel.checks.fixtures import (
    check_config_class,
    check_config_values,
    dataset_info,
    make_dataset,
    make_recordings,
    make_spec,
    small_config,
)
from sslskel.checks.presets import check_presets
from sslskel.checks.runner import Skip, expect, global_generators_untouched
from sslskel.data.loader import ClipSource
from sslskel.data.memory import MemoryDataset
from sslskel.data.withheld import JudgedPart, LabelledPart, without_labels
from sslskel.progress import SILENT

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CLASSES, TRAIN, TEST, DIM, FRAMES = 8, 96, 101, 16, 8


class TableEncoder(Encoder):
    """Looks a clip's feature (D,) up by its key; gives it as clip, steps and tokens alike.

    A linear layer that starts as the identity, and a BatchNorm that counts what it sees in
    training mode, are there to be changed by a protocol that should not.
    """

    def __init__(self, spec: ClipSpec, keys: Tensor, table: Tensor, levels: Sequence[str] = ()) -> None:
        super().__init__()
        self.spec, self.dim, self._levels = spec, table.shape[1], dict.fromkeys(filter(None, levels), table.shape[1])
        self.linear = nn.utils.skip_init(nn.Linear, self.dim, self.dim, bias=False)  # type: ignore[no-untyped-call]
        nn.init.eye_(self.linear.weight)
        self.seen = nn.BatchNorm1d(self.dim, affine=False, momentum=0.5)
        order = keys.argsort()
        self.register_buffer("keys", keys[order])
        self.register_buffer("table", table[order])

    keys: Tensor
    table: Tensor

    @property
    def levels(self) -> Mapping[str, int]:
        """Those that a protocol asks for by name; each is the feature again."""
        return self._levels

    def level(self, name: str, batch: Batch) -> Tensor:
        return self.clip(batch)

    def clip(self, batch: Batch) -> Tensor:
        rows: Tensor = self.table[torch.searchsorted(self.keys, batch.key)].to(batch.tracks.dtype)
        if self.training and len(rows) > 1:
            self.seen(rows)
        mapped: Tensor = self.linear(rows)
        return mapped

    def steps(self, batch: Batch) -> Tensor:
        return self.clip(batch)[:, None].expand(-1, FRAMES // 4, -1)

    def tokens(self, batch: Batch) -> Tensor:
        shape = (-1, self.spec.persons, FRAMES // 4, self.spec.layout.num_joints, -1)
        return self.clip(batch)[:, None, None, None].expand(shape)


class FrameEncoder(TableEncoder):
    """Reads what each frame of a recording of the checks shows off the first joint, and mixes it with noise."""

    shares: tuple[float, float] = (1.0, 0.0)
    """Of what is shown and of noise."""

    def steps(self, batch: Batch) -> Tensor:
        first = torch.searchsorted(batch.owner, torch.arange(batch.num_clips, device=batch.owner.device))
        shown = batch.tracks[first, :, 0, 0]
        known = nn.functional.one_hot(shown.round().long().clamp(0, self.dim - 1), self.dim).to(shown.dtype)
        noise = Noise(11).on(batch).normal("frames", tuple(known.shape[1:]), "clip", shown.dtype)
        mapped: Tensor = self.linear(self.shares[0] * known + self.shares[1] * noise)
        return mapped


@dataclasses.dataclass
class ProtocolCase:
    """A protocol to check, with a short configuration, on a small dataset."""

    plugin: type[EvaluationProtocol]
    config: DataclassInstance
    slow: DataclassInstance | None = None
    """A longer one, for what a slow recipe does not learn in the short one."""

    @functools.cached_property
    def spec(self) -> ClipSpec:
        """Clips of few frames: the encoders here do not look at them."""
        return make_spec(dataset_info(classes=CLASSES), 64 if self.plugin.untrimmed else FRAMES)

    @functools.cached_property
    def _sizes(self) -> tuple[int, int]:
        """Clips, or recordings, of the training and test parts."""
        return (24, 25) if self.plugin.untrimmed else (TRAIN, TEST)

    @functools.cached_property
    def _data(self) -> MemoryDataset:
        make = make_recordings if self.plugin.untrimmed else make_dataset
        return make(dataset_info(classes=CLASSES), sum(self._sizes))

    def parts(self, *, withheld: bool = True, dtype: torch.dtype = torch.float32) -> tuple[Parts, Truth]:
        """The parts of a split with a validation part, and the truth about its test part."""
        every = np.arange(sum(self._sizes))
        train, test = every[: self._sizes[0]], every[self._sizes[0] :]
        source = functools.partial(ClipSource, spec=self.spec, dtype=dtype)
        known, asked = without_labels(self._data, train), source(self._data, test)
        annotated = None if self._data.segments is None else self._data.segments.of(test)
        truth = Truth(self._data.keys[test], self._data.labels[test], self._data.info.classes, asked, annotated)
        # Labels go round: a fourth of each class, of which the other part then knows all.
        held = train // len(self._data.info.classes) % 4 == 0
        parts = Parts(
            LabelledPart(source(known, train)),
            LabelledPart(source(known, train[~held])),
            LabelledPart(source(known, train[held])),
            JudgedPart(source(known, test)) if withheld else LabelledPart(asked),
            self._data.info.classes,
        )
        return parts, truth

    def encoder(self, kind: str) -> TableEncoder:
        """``leaking`` knows every label, ``blind`` knows nothing, ``usual`` something."""
        keys, labels = torch.from_numpy(self._data.keys), torch.from_numpy(self._data.labels)
        noise = Noise(11).normal(kind, (len(keys), DIM), "batch")
        share = {"leaking": (1.0, 0.0), "blind": (0.0, 1.0), "usual": (1.0, 0.4)}[kind]
        if self.plugin.untrimmed:
            reader = FrameEncoder(self.spec, keys, noise)
            reader.shares = share
            return reader
        known = torch.nn.functional.one_hot(labels, DIM).float()
        levels = [getattr(self.config, "level", ""), *getattr(self.config, "levels", ())]
        return TableEncoder(self.spec, keys, share[0] * known + share[1] * noise, levels)

    def run(
        self,
        kind: str = "usual",
        *,
        config: object = None,
        parts: Parts | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> tuple[Outcome, dict[str, float]]:
        """Outcome and scores of a fresh protocol on a fresh encoder."""
        own, truth = self.parts(dtype=dtype)
        protocol = self.plugin(config or self.config)
        encoders = {"joint": self.encoder(kind).to(dtype)}
        outcome = protocol.evaluate(encoders, parts or own, run_of(encoders, dtype))
        return outcome, protocol.score(outcome, truth)


def run_of(encoders: Mapping[str, Encoder], dtype: torch.dtype = torch.float32) -> ProtocolRun:
    """A run on the CPU without mixed precision without a reporter."""
    # Their only weights are an untrained identity, so a copy is as good as new.
    fresh = functools.partial(copy.deepcopy, dict(encoders))
    return ProtocolRun(0, torch.device("cpu"), dtype, contextlib.nullcontext, SILENT, fresh)


def builds_from_defaults(case: ProtocolCase) -> None:
    """Config is a dataclass with a default for every field; needs and trains hold known words."""
    check_config_class(case.plugin)
    check_presets(case.plugin)
    case.plugin(case.plugin.Config())
    odd = set(case.plugin.needs) - {"clip", "steps", "tokens"}
    expect(not odd, f"needs names {', '.join(sorted(odd))}; encoders give clip, steps and tokens")
    expect(case.plugin.trains in ("nothing", "head", "all"), f"trains is {case.plugin.trains!r}")


def refuses_bad_values(case: ProtocolCase) -> None:
    """Every number in Config refuses absurd values with a UsageError."""
    check_config_values(case.plugin.Config)


def scores_are_complete(case: ProtocolCase) -> None:
    """Scores are finite, the primary one among them; what the record keeps of the outcome is JSON."""
    outcome, scores = case.run()
    expect(case.plugin.primary in scores, f"score() lacks the primary score '{case.plugin.primary}'")
    bad = [name for name, value in scores.items() if not np.isfinite(value)]
    expect(not bad, f"score {', '.join(bad)} is not finite")
    try:
        json.dumps(dict(outcome.info))
    except TypeError as fault:
        raise AssertionError(f"info of the outcome is not JSON: {fault}") from fault
    odd = [name for name, rows in outcome.values.items() if len(rows) != len(outcome.keys)]
    expect(not odd, f"{', '.join(odd)} has a different number of rows than keys")
    epochs = outcome.by_epoch
    whole = epochs is None or (epochs.ndim == 2 and epochs.shape[1] == len(outcome.keys))
    expect(whole, "by_epoch is not one row per epoch with one class per prediction")
    odd = [name for name, predicted in outcome.by_head.items() if predicted.shape != outcome.keys.shape]
    expect(not odd, f"by_head has not one class per prediction for {', '.join(odd)}")
    odd = [str(step) for step, one in outcome.by_checkpoint.items() if one.shape != outcome.keys.shape]
    expect(not odd, f"by_checkpoint has not one class per prediction for step {', '.join(odd)}")


def scoring_is_pure(case: ProtocolCase) -> None:
    """Scoring twice gives the same numbers and changes nothing."""
    outcome, scores = case.run()
    _, truth = case.parts()
    before = [rows.copy() for rows in (outcome.keys, *outcome.values.values(), truth.labels)]
    with global_generators_untouched():
        again = case.plugin(case.config).score(outcome, truth)
    expect(again == scores, f"scoring again gives {again}, before it was {scores}")
    after = [outcome.keys, *outcome.values.values(), truth.labels]
    expect(all(map(np.array_equal, before, after)), "score() changed what it was given")


def leaves_the_encoder_as_found(case: ProtocolCase) -> None:
    """Modes come back as they were found; unless it trains all, no weight or buffer changes by a byte."""
    parts, _ = case.parts()
    for training in (True, False):
        encoder = case.encoder("usual").train(training)
        encoder.linear.eval()
        modes = [module.training for module in encoder.modules()]
        before = {name: value.clone() for name, value in encoder.state_dict().items()}
        case.plugin(case.config).evaluate({"joint": encoder}, parts, run_of({"joint": encoder}))
        if case.plugin.trains != "all":
            changed = [name for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])]
            expect(not changed, f"it changed {', '.join(changed)} of a frozen encoder")
            expect(all(p.requires_grad and p.grad is None for p in encoder.parameters()), "it left gradients or flags")
            expect(modes == [m.training for m in encoder.modules()], "it does not put training and eval mode back")


def counts_every_test_clip_once(case: ProtocolCase) -> None:
    """Every test clip is predicted once in each condition, draw and epoch, whatever the batch size."""
    sizes = [f.name for f in dataclasses.fields(case.config) if f.name in ("encode_batch", "batch_size")]
    configs = [case.config]
    for size in (7, 50, 500):
        configs += [dataclasses.replace(case.config, **{name: size}) for name in sizes]
    wanted = np.sort(case.parts()[1].keys)
    for config in configs:
        outcome, _ = case.run(config=config)
        if outcome.item is not None:
            raise Skip("its rows are items of clips (windows or segments), any number per clip")
        columns = [c for c in (outcome.condition, outcome.draw, outcome.epoch) if c is not None]
        groups: dict[tuple[object, ...], list[int]] = {}
        for row, key in enumerate(outcome.keys):
            groups.setdefault(tuple(column[row] for column in columns), []).append(int(key))
        wrong = [group for group, keys in groups.items() if not np.array_equal(np.sort(keys), wanted)]
        expect(groups and not wrong, f"with {config} not every test clip is predicted once {wrong or ''}")


def gives_the_same_twice(case: ProtocolCase) -> None:
    """The same run gives bit-equal predictions, without any global generator."""
    with global_generators_untouched():
        first, _ = case.run()
        second, _ = case.run()
    equal = all(np.array_equal(rows, second.values[name]) for name, rows in first.values.items())
    expect(
        equal and np.array_equal(first.keys, second.keys), "the same run gives different predictions the second time"
    )


def does_not_read_test_labels(case: ProtocolCase) -> None:
    """Predictions are bit-equal whether the test part shows its labels or not."""
    blind, _ = case.run()
    shown, _ = case.run(parts=case.parts(withheld=False)[0])
    equal = all(np.array_equal(rows, shown.values[name]) for name, rows in blind.values.items())
    expect(equal, "predictions change when test labels can be read")


def leaked_labels_score_full(case: ProtocolCase) -> None:
    """An encoder whose features are the labels gets the best primary score, 100 % of accuracies."""
    wanted, name = case.plugin.least_score_from_labels, case.plugin.primary
    if wanted is None:
        raise Skip("its score asks for more than the class")
    score = case.run("leaking")[1][name]
    if score < wanted and case.slow is not None:
        score = case.run("leaking", config=case.slow)[1][name]
    expect(score >= wanted, f"features that are the labels have {name} {score:.1%}, below {wanted:.1%}")


def random_features_score_at_chance(case: ProtocolCase) -> None:
    """An encoder whose features know nothing scores chance, within three standard deviations."""
    outcome, scores = case.run("blind")
    if "top1" not in scores:
        raise Skip(f"it has no score top1 (its primary score is {case.plugin.primary})")
    classes = outcome.info.get("classes", [range(CLASSES)])[0]
    count = int(np.isin(case.parts()[1].labels, classes).sum())
    chance = 1 / len(classes)
    spread = (chance * (1 - chance) / count) ** 0.5
    off = abs(scores["top1"] - chance)
    expect(off <= 3 * spread, f"random features score {scores['top1']:.1%}; chance is {chance:.1%}")


def takes_several_streams(case: ProtocolCase) -> None:
    """Two encoders at once give one prediction per clip and scores."""
    parts, truth = case.parts()
    protocol = case.plugin(case.config)
    encoders = {"joint": case.encoder("usual"), "bone": case.encoder("leaking")}
    outcome = protocol.evaluate(encoders, parts, run_of(encoders))
    expect(case.plugin.primary in protocol.score(outcome, truth), "two streams give no primary score")


def runs_in_float64(case: ProtocolCase) -> None:
    """It works where weights and clips are float64."""
    _, scores = case.run(dtype=torch.float64)
    expect(np.isfinite(scores[case.plugin.primary]), "the primary score in float64 is not finite")


PROTOCOL_CHECKS = (
    builds_from_defaults,
    refuses_bad_values,
    scores_are_complete,
    scoring_is_pure,
    leaves_the_encoder_as_found,
    counts_every_test_clip_once,
    gives_the_same_twice,
    does_not_read_test_labels,
    leaked_labels_score_full,
    random_features_score_at_chance,
    takes_several_streams,
    runs_in_float64,
)


def short_config(plugin: type[EvaluationProtocol], base: DataclassInstance | None = None) -> DataclassInstance:
    """``base`` (default: the defaults) with the plugin's ``short`` options, or small heads and at most 20 epochs."""
    start: DataclassInstance = plugin.Config() if base is None else base
    if plugin.check_config:
        return dataclasses.replace(start, **plugin.check_config)
    config: DataclassInstance = small_config(plugin.Config, start)
    epochs = getattr(config, "epochs", None)
    if isinstance(epochs, int):
        config = dataclasses.replace(config, epochs=min(epochs, 20))
    return config
