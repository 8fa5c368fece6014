"""Writes the first version of a plugin: a method that already trains, and its test."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from sslskel.errors import UsageError
from sslskel.registry import LOCAL_FOLDER, METHODS

METHOD = '''"""{title}: say in two lines what the method learns from, and the paper it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from sslskel.backbone import PooledEncoder
from sslskel.batch import Batch, StepOutput, Term
from sslskel.config import require
from sslskel.method import BuildBackbone, Encoder, PretextMethod, Progress
from sslskel.noise import Noise
from sslskel.view import ClipSpec


@dataclass
class {name}Config:
    """Every option of the method with its default; ``method.jitter=0.02`` sets it from the command line."""

    jitter: float = 0.05
    """Standard deviation of the noise on each coordinate, in the dataset's unit."""

    def __post_init__(self) -> None:
        require(self.jitter > 0, f"method.jitter is {{self.jitter}}; it must be positive")


class {name}(PretextMethod):
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

from sslskel.checks import check_method


def test_{stem}_keeps_the_contract_of_a_method() -> None:
    failed = [result for result in check_method("{stem}") if not (result.passed or result.skipped)]
    assert not failed, failed
'''


def new_method(stem: str, root: Path | None = None) -> list[Path]:
    """Write a method ``stem`` and its test; return the two files.

    In a checkout of sslskel they go to ``methods/`` and ``tests/methods/``; anywhere else
    to ``sslskel_plugins/``, where the commands look from the same working directory.
    Raises ``UsageError`` for a name that is taken, is no identifier, or would overwrite a file.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", stem) or keyword.iskeyword(stem):
        raise UsageError(f"'{stem}' cannot name a method; use small letters, digits and _, for instance my_idea")
    if stem in METHODS.names():
        raise UsageError(f"there is a method '{stem}' already ({METHODS.entry(stem).origin}); choose another name")
    root = Path.cwd() if root is None else root
    if (root / "sslskel" / "registry.py").is_file() and (root / "methods").is_dir():
        files = {root / "methods" / f"{stem}.py": METHOD, root / "tests" / "methods" / f"test_{stem}.py": TEST}
    else:
        base = root / LOCAL_FOLDER
        files = {base / "methods" / f"{stem}.py": METHOD, base / "tests" / f"test_{stem}.py": TEST}
    taken = [file for file in files if file.exists()]
    if taken:
        raise UsageError(f"{taken[0]} exists already; choose another name or remove it")
    name = "".join(word.capitalize() for word in stem.split("_"))
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(stem=stem, name=name, title=name), encoding="utf-8")
    return list(files)
