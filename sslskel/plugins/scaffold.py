"""Writes the first version of a plugin and its test: a method that trains, or a protocol that judges, already."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sslskel.errors import UsageError
from sslskel.plugins.registry import LOCAL_FOLDER, METHODS, PROTOCOLS, Registry

METHOD = '''"""{title}: say in two lines what the method learns from, and the paper it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    Encoder,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    Term,
    require,
)


@dataclass
class {name}Config:
    """Every option of the method with its default; ``method.jitter=0.02`` sets it from the command line."""

    jitter: float = 0.05
    """Standard deviation of the noise on each coordinate, in the dataset's unit."""

    def __post_init__(self) -> None:
        require(self.jitter > 0, f"method.jitter is {{self.jitter}}; it must be positive")


class {name}(PretextMethod[{name}Config]):
    """Recover where the joints were from a clip whose joints are jittered: a place to start from."""

    Config = {name}Config

    def __init__(self, config: {name}Config, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.backbone = build_backbone(clip)
        require(not self.backbone.joins_persons, "{stem} needs a backbone that sees one person at a time")
        self.head = nn.Linear(self.backbone.dim, clip.coordinates)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """Mean squared error of the recovered coordinates, averaged over each feature's frames and joints."""
        batch = views[0]
        tracks = batch.tracks  # (P, T, V, C)
        jitter = noise.on(batch).normal("jitter", tracks.shape[1:], dtype=tracks.dtype)
        features = self.backbone(tracks + self.config.jitter * jitter)  # (P, T', V', D)
        target = functional.adaptive_avg_pool2d(tracks.permute(0, 3, 1, 2), features.shape[1:3])
        error = (self.head(features) - target.permute(0, 2, 3, 1)).square()
        return StepOutput({{"recover": Term(error.sum(), torch.tensor(float(error.numel()), device=error.device))}})

    def encoders(self) -> dict[str, Encoder]:
        """The backbone, averaged over persons, is what protocols judge."""
        return {{"joint": PooledEncoder(self.backbone, self.clip)}}
'''

TEST = '''"""The contract of every method, held by {stem}. Add what is special about yours."""

from sslskel import PluginCheck, parametrize_with_checks


@parametrize_with_checks(["{stem}"])
def test_{stem}_keeps_the_contract_of_a_method(check: PluginCheck) -> None:
    check()
'''


PROTOCOL = '''"""{title}: say in two lines what the protocol measures, and where its recipe comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch.nn import functional

from sslskel import (
    Encoder,
    EvaluationProtocol,
    Noise,
    Outcome,
    Parts,
    ProtocolRun,
    Truth,
    aligned,
    class_scores,
    clip_features,
    evaluating,
    labelled,
    require,
)


@dataclass
class {name}Config:
    """Every option of the protocol with its default; ``protocol.power=2`` sets it from the command line."""

    power: float = 1.0
    """Exponent of the absolute features before they are compared."""
    encode_batch: int = 128
    """Clips that an encoder sees at a time; a matter of memory and speed only."""

    def __post_init__(self) -> None:
        require(0 < self.power < 100, f"protocol.power is {{self.power}}; it must be above 0 and below 100")
        require(self.encode_batch >= 1, f"protocol.encode_batch is {{self.encode_batch}}; it must be at least 1")


class {name}(EvaluationProtocol[{name}Config]):
    """A clip belongs to the class whose mean feature is nearest by cosine: a place to start from."""

    Config = {name}Config

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """Predicted classes (R,) of the test clips, whose labels are withheld."""
        known, votes = labelled(parts.train, "training"), []
        with evaluating(encoders):
            for stream, encoder in encoders.items():
                one, size = {{stream: encoder}}, self.config.encode_batch
                train = self._bent(clip_features(one, known, "test", Noise(run.seed), size, run)[stream])
                test = self._bent(clip_features(one, parts.test, "test", Noise(run.seed), size, run)[stream])
                member = functional.one_hot(known.labels.to(train.device), len(parts.classes)).to(train.dtype)
                votes.append(test @ functional.normalize(member.T @ train, dim=1).T)
        predicted = torch.stack(votes).mean(0).argmax(1).cpu().numpy()
        info = {{"recipe": "nearest class mean", "selection": "none", "labels": len(known)}}
        return Outcome(parts.test.keys.cpu().numpy(), {{"predicted": predicted}}, info=info)

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """``top1`` and ``macro``; only the harness knows the truth."""
        return class_scores(outcome.values["predicted"], aligned(outcome, truth))

    def _bent(self, features: torch.Tensor) -> torch.Tensor:
        return functional.normalize(features.sign() * features.abs() ** self.config.power, dim=1)
'''

PROTOCOL_TEST = '''"""The contract of every protocol, held by {stem}. Add what is special about yours."""

from sslskel import PluginCheck, parametrize_with_checks


@parametrize_with_checks(["{stem}"], kind="protocol")
def test_{stem}_keeps_the_contract_of_a_protocol(check: PluginCheck) -> None:
    check()
'''


def new_method(stem: str, root: Path | None = None) -> list[Path]:
    """Write a method ``stem`` and its test; return the two files.

    In a checkout of sslskel they go to ``methods/`` and ``tests/methods/``; anywhere else
    to ``sslskel_plugins/``, where the commands look from the same working directory.
    Raises ``UsageError`` for a name that is taken, is no identifier, or would overwrite a file.
    """
    return _written("method", stem, METHODS, {"methods": METHOD, "tests": TEST}, root)


def new_protocol(stem: str, root: Path | None = None) -> list[Path]:
    """Write a protocol ``stem`` and its test; otherwise as :func:`new_method`.

    In a checkout they go to ``sslskel/protocols/`` and ``tests/protocols/``.
    """
    return _written("protocol", stem, PROTOCOLS, {"protocols": PROTOCOL, "tests": PROTOCOL_TEST}, root)


def _written(kind: str, stem: str, known: Registry[Any], texts: Mapping[str, str], root: Path | None) -> list[Path]:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", stem) or keyword.iskeyword(stem):
        raise UsageError(f"'{stem}' cannot name a {kind}; use small letters, digits and _, for instance my_idea")
    if stem in known.names():
        raise UsageError(f"there is a {kind} '{stem}' already ({known.entry(stem).origin}); choose another name")
    root = Path.cwd() if root is None else root
    code, test = texts[f"{kind}s"], texts["tests"]
    if (root / "sslskel" / "plugins" / "registry.py").is_file() and (root / "methods").is_dir():
        folder = {"method": root / "methods", "protocol": root / "sslskel" / "protocols"}[kind]
        files = {folder / f"{stem}.py": code, root / "tests" / f"{kind}s" / f"test_{stem}.py": test}
    else:
        base = root / LOCAL_FOLDER
        files = {base / f"{kind}s" / f"{stem}.py": code, base / "tests" / f"test_{stem}.py": test}
    taken = [file for file in files if file.exists()]
    if taken:
        raise UsageError(f"{taken[0]} exists already; choose another name or remove it")
    name = "".join(word.capitalize() for word in stem.split("_"))
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(stem=stem, name=name, title=name), encoding="utf-8")
    return list(files)
