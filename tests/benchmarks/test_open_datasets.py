"""The table of open datasets in docs/guide/datasets.md, and what every one of them states."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sslskel.api.benchmark import Benchmark
from sslskel.plugins.registry import BENCHMARKS

PAGE = (Path(__file__).resolve().parents[2] / "docs/guide/datasets.md").read_text(encoding="utf-8")
SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)
TABLE = next(section for section in SECTIONS if section.startswith("Open datasets"))
ROWS = {row[0]: row[1:] for row in re.findall(r"^\| `(\w+)` \| ([\d,]+) \| ([^|]+) \| (\d+) \|", TABLE, re.MULTILINE)}
NEEDS_A_REQUEST = ("ntu", "pku_mmd")


@pytest.fixture(params=list(ROWS))
def benchmark(request: pytest.FixtureRequest) -> Benchmark:
    return BENCHMARKS.get(request.param)


def test_every_open_dataset_is_in_the_table() -> None:
    recorded = [name for name, plugin in BENCHMARKS.built_in() if not plugin.embedded]
    others = {name for name in recorded if name not in ROWS and not name.startswith(NEEDS_A_REQUEST)}
    assert others == {"bandai2_full", "bandai2_full_style"}


def test_the_table_says_what_the_benchmark_says(benchmark: Benchmark) -> None:
    clips, body, classes = ROWS[benchmark.name]
    assert int(clips.replace(",", "")) == benchmark.expected["clips"]
    assert int(classes) == len(benchmark.info.classes)
    joints = re.search(r"(\d+) joints", body)
    assert body.strip() == "the same" or (joints and int(joints[1]) == benchmark.info.layout.num_joints)
    section = next(text for text in SECTIONS if benchmark.name in text.partition("\n")[0].split(", "))
    for words in ("**Files.**", "**Licence.**", f"sslskel data prepare {benchmark.name} --source PATH"):
        assert words in section
    for name in benchmark.splits:
        said = f"`{name}`" in section or (name.startswith("loso") and re.search(r"splits? `loso", section))
        assert said, f"the page does not describe split {name}"


def test_each_body_can_be_aligned_and_mirrored(benchmark: Benchmark) -> None:
    """Shoulders and torso are there by name, left and right are pairs, and every joint is in one part."""
    body = benchmark.info.layout
    if "left_shoulder" in body.joints:
        pair = (body.joint("left_shoulder"), body.joint("right_shoulder"))
    else:
        pair = (body.joint("left_humerus"), body.joint("right_humerus"))
    assert pair in body.swaps
    assert body.centre in body.part("torso")
    assert body.joint("head") in body.part("torso")
    assert sorted(joint for part in body.parts.values() for joint in part) == list(range(body.num_joints))
    sides = [joint for joint in body.joints if joint.startswith(("left_", "right_"))]
    assert len(sides) == 2 * len(body.swaps)
    assert body.parents.count(-1) == 1


def test_each_split_names_its_subjects(benchmark: Benchmark) -> None:
    assert benchmark.licence
    assert benchmark.citation
    for split in benchmark.splits.values():
        assert split.train
        assert split.test
        assert not split.train & split.test
        assert split.validation
