"""Readers of YAML in local folders: presets of runs, methods and protocols, suites, tables, scripts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fuzz.specimens import Reader, Result, text

from sslskel.config.compose import compose
from sslskel.config.suites import read_suite
from sslskel.grid.tables import read_script, read_table
from sslskel.plugins.registry import looked_up_once

PRESET = """title: sizes of a test
clip: {frames: 16, min_frames: 8}
backbone:
  transformer: {dim: 16, depth: 2, heads: 2}
method:
  masked_modelling: {decoder_depth: 1, decoder_dim: 16, decoder_heads: 2}
train: {epochs: 4, batch_size: 6, warmup_epochs: 1, checkpoint_epochs: 1, lr: 0.001}
protocol:
  linear: {epochs: 5}
"""
METHOD = "plugin: masked_modelling\ntitle: made up\npaper: none\nconfig: {mask_ratio: 0.5, decoder_depth: 2}\n"
PROTOCOL = "plugin: knn\ntitle: made up\nconfig: {k: 3, temperature: 0.1}\n"
SUITE = """title: made up
version: 3
preset: quick
seeds: 2
protocols: [knn, linear]
floors: [raw_features]
untrained: [train.epochs=1, train.lr=0]
tasks:
  actions: [utd_mhad/xsub, kard/xsub]
ranking: [kard/xsub]
"""
SCRIPT = """code: nobody/nothing@aee2400
preset: released
mode: exact
data: {ntu60: ntu60_agcn}
here:
  - "the scripts run once"
  - {says: "clips are as recorded", benchmarks: [pku_mmd1], protocols: [linear]}
paper: ["six prompts are learned"]
"""
TABLE = """title: input and target
paper: "nobody, Nothing, 2020, Table 7"
note: made up
script: fuzz
protocol: linear
published: [ntu60/xsub, ntu120/xsub]
rows:
  - {name: one, method: mamp, published: [74.8, 72.5], overrides: [method.mask_ratio=0.5]}
  - {name: two, method: skeletonmae, published: [84.9, 78.6], scaled: {train.epochs: 2}}
"""


@contextmanager
def plugins_of(folder: Path) -> Iterator[None]:
    """Inside, the folder is that of local plugins."""
    before = os.environ.get("SSLSKEL_PLUGINS")
    os.environ["SSLSKEL_PLUGINS"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SSLSKEL_PLUGINS"]
        else:
            os.environ["SSLSKEL_PLUGINS"] = before


def composed(method: str = "masked_modelling", preset: str = "quick", protocol: str = "linear") -> dict[str, Any]:
    return compose(method, backbone="transformer", preset=preset, protocol=protocol).plain()


def yaml_reader(name: str, path: str, content: str, read: Callable[[], Any]) -> Reader:
    """A reader of one file in a folder of local plugins."""

    def result(folder: Path) -> Result:
        with plugins_of(folder), looked_up_once():
            return Result(facts={"content": read()})

    files = {path: text(content)}
    if path.startswith("configs/table"):
        files["configs/script/fuzz.yaml"] = text(SCRIPT)
    return Reader(name, lambda: dict(files), result, (path,), (name,), text=True, inside=True, cached=False)


WORDS = (
    yaml_reader("preset", "configs/preset/fuzz.yaml", PRESET, lambda: composed(preset="fuzz")),
    yaml_reader("preset of a method", "configs/method/fuzz.yaml", METHOD, lambda: composed(method="fuzz")),
    yaml_reader("preset of a protocol", "configs/protocol/fuzz.yaml", PROTOCOL, lambda: composed(protocol="fuzz")),
    yaml_reader("suite", "configs/suite/fuzz.yaml", SUITE, lambda: asdict(read_suite("fuzz"))),
    yaml_reader("table", "configs/table/fuzz.yaml", TABLE, lambda: asdict(read_table("fuzz"))),
    yaml_reader("script", "configs/script/fuzz.yaml", SCRIPT, lambda: asdict(read_script("fuzz"))),
)
