"""What others made up: files that are consistent in themselves and wrong end in sentences, whatever reads them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from environments import run_in
from every_command import GRID, QUICK, cases, faults_of, in_world, make_world
from forged import absurd_zip, forgeries, write_dataset_json, write_record, write_state

pytestmark = pytest.mark.long
PLUGINS = Path(__file__).resolve().parents[1] / "support" / "plugins"
LATIN = "title: größer\n".encode("latin-1")
OF_RECORDS = (
    ("leaderboard",),
    ("leaderboard", "--format", "html"),
    ("leaderboard", "--format", "latex"),
    ("leaderboard", "--intervals", "clips"),
    ("compare", "random_init", "raw_features"),
    ("runs", "list"),
    ("runs", "prune"),
    ("leaderboard", "merge", "runs", "--results", "merged"),
)
OF_CHECKPOINTS = (
    ("runs", "list"),
    ("embed", "--checkpoint", "RUN", "--output", "made.npz"),
    ("evaluate", "--checkpoint", "RUN", "--protocol", "knn", "--results", "judged"),
    ("export", "RUN", "--output", "exported"),
    ("pretrain", "--method", "random_init", "--benchmark", "tiny", "--init", "RUN", "--results", "more", *QUICK),
    ("bench", "--method", "random_init", *GRID),
)
OF_DATA = (
    ("data", "info", "SET"),
    ("data", "verify", "SET"),
    ("data", "card", "SET"),
    ("data", "show", "SET", "0", "--output", "made.html"),
    ("show", "SET"),
    ("list", "benchmarks"),
    ("check", "dataset", "SET"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Prepared data, one set of them imported, and a results folder; tests copy them."""
    folder = tmp_path_factory.mktemp("forged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSLSKEL_PLUGINS", str(PLUGINS))
        patch.setenv("SSLSKEL_DATA", str(folder / "data"))
        patch.chdir(folder)
        make_world(folder / "world")
        patch.chdir(folder / "world")
        words = ("data", "import", "mine", "--clips", "own/clips.csv", "--layout", "own/layout.yaml")
        assert run_in(words).code == 0
        yield folder


@pytest.fixture
def world(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the results folder in the working folder, beside a copy of the data."""
    monkeypatch.setenv("SSLSKEL_DATA", str(shutil.copytree(made / "data", tmp_path / "data")))
    shutil.copytree(made / "world", tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    return tmp_path / "world"


def checked(words: Sequence[str], what: str) -> int:
    """Run a command on something forged; fail where it does not end as it should."""
    start = time.monotonic()
    ended = run_in(words)
    faults = faults_of(list(words), ended, {}, {})
    assert not faults, f"{what}: {words}: {faults}: {ended}"
    assert time.monotonic() - start < 120, f"{what}: {words} took too long"
    return ended.code


AMOUNTS = [8, pytest.param(250, marks=pytest.mark.long)]


@pytest.mark.parametrize("amount", AMOUNTS)
def test_forged_records(amount: int, world: Path) -> None:
    path = min((world / "runs" / "records").glob("*.json"))
    for what, content in forgeries(json.loads(path.read_text()), seed=amount, count=amount):
        write_record(path, content)
        for words in OF_RECORDS:
            checked(words, what)
        shutil.rmtree("merged", ignore_errors=True)


@pytest.mark.parametrize("amount", AMOUNTS)
def test_forged_states_of_checkpoints(amount: int, world: Path) -> None:
    [path] = (world / "runs" / "pretrain").glob("random_init-*/step-*/state.json")
    for what, content in forgeries(json.loads(path.read_text()), seed=amount, count=amount):
        write_state(path, content)
        for words in OF_CHECKPOINTS:
            checked([str(path.parent.parent) if word == "RUN" else word for word in words], what)
        for folder in ("judged", "exported", "more"):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("amount", [3, pytest.param(80, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("name", "file"),
    [("tiny", "info.json"), ("tiny", "report.json"), ("mine", "benchmark.json"), ("mine", "info.json")],
)
def test_forged_data(name: str, file: str, amount: int, made: Path, world: Path) -> None:
    folder = Path(os.environ["SSLSKEL_DATA"]) / name
    for what, content in forgeries(json.loads((folder / file).read_text()), seed=amount, count=amount):
        write_dataset_json(folder / file, content)
        for words in OF_DATA:
            checked([name if word == "SET" else word for word in words], f"{file} {what}")
        shutil.rmtree(folder)
        shutil.copytree(made / "data" / name, folder)


WRONG: dict[str, Callable[[Any], Any]] = {
    "one clip less": lambda table: table[:-1],
    "one feature less": lambda table: table[:, :-1],
    "no features": lambda table: table[:, :0],
    "no clips": lambda table: table[:0],
    "one number": lambda table: table[0, 0],
    "three axes": lambda table: table[:, :, None],
    "text": lambda table: table.astype("U4"),
    "not finite": lambda table: np.full_like(table, np.nan),
    "complex": lambda table: table.astype(np.complex64),
    "whole numbers": lambda table: np.ones(table.shape, np.int8),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_features_of_a_wrong_shape(change: Callable[[Any], Any], world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept by a writer of the same name and context: another protocol makes them again or says what is wrong."""
    save = np.save
    words = ["bench", "--method", "random_init", "--seeds", "7,", *GRID]
    with monkeypatch.context() as patch:
        patch.setattr(np, "save", lambda file, table, **how: save(file, change(table), **how))
        run_in(words)
    kept = list((world / "runs" / "features").glob("*/*.features"))
    assert kept
    words[words.index("knn")] = "retrieval"
    assert checked(words, "features") in (0, 1)


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_predictions_of_a_wrong_shape(change: Callable[[Any], Any], world: Path) -> None:
    for path in (world / "runs" / "records").glob("*.json"):
        record = json.loads(path.read_text())
        file = world / "runs" / record["predictions"]["file"]
        with np.load(file) as arrays:
            forged = {
                name: change(array[:, None]) if array.ndim == 1 else change(array) for name, array in arrays.items()
            }
        packed = io.BytesIO()
        np.savez(packed, **forged)
        file.write_bytes(packed.getvalue())
        record["predictions"]["sha256"] = hashlib.sha256(packed.getvalue()).hexdigest()
        write_record(path, record)
    for words in OF_RECORDS:
        checked(words, "predictions")


@pytest.mark.parametrize("size", [2**31, 2**40, 2**62, 2**64 - 1])
def test_archives_that_state_absurd_sizes(size: int, world: Path) -> None:
    names = (
        "archive/data.pkl",
        "archive/data/0",
        "a1_s1_t1_skeleton.mat",
        "S001C001P001R001A001.skeleton",
        "joints.npy",
    )
    for ending in ("zip", "pth", "npz", "pt"):
        absurd_zip(Path(f"absurd.{ending}"), names, size)
    (world / "own" / "clips.csv").write_text("file,label\n../absurd.npz,sit\n")
    commands = [
        ("evaluate", "--checkpoint", "absurd.pth", "--benchmark", "tiny", "--protocol", "knn"),
        ("embed", "--checkpoint", "absurd.pth", "--benchmark", "tiny", "--output", "made.npz"),
        ("bench", "--method", "random_init", "--init", "absurd.pth", *GRID),
        ("data", "import", "yours", "--clips", "own/clips.csv", "--layout", "own/layout.yaml", "--source", "own"),
        ("data", "import", "yours", "--clips", "absurd.npz", "--layout", "own/layout.yaml"),
        *(("data", "prepare", name, "--source", "absurd.zip") for name in ("utd_mhad", "ntu60", "pku_mmd1")),
    ]
    for words in commands:
        assert checked(words, f"{size}") in (1, 2)


@pytest.fixture
def latin(world: Path) -> Path:
    """Local files of every kind of YAML in Latin-1."""
    for kind in ("preset", "method", "protocol", "table"):
        folder = world / "sslskel_plugins" / "configs" / kind
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "latin.yaml").write_bytes(LATIN)
    (world / "own" / "latin.yaml").write_bytes(LATIN)
    return world


@pytest.mark.parametrize(
    "words",
    [
        ("bench", "--method", "random_init", "--preset", "latin", *GRID),
        ("bench", "--method", "latin", *GRID),
        ("bench", "--method", "random_init", "--benchmark", "tiny", "--protocol", "latin"),
        ("show", "latin", "--kind", "method"),
        ("check", "protocol", "latin"),
        ("reproduce", "latin", "--benchmark", "tiny"),
        ("data", "import", "yours", "--clips", "own/clips.csv", "--layout", "own/latin.yaml"),
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_yaml_in_latin_1_is_named(words: tuple[str, ...], latin: Path) -> None:
    ended = run_in(words)
    assert ended.code == 2
    assert "latin.yaml" in ended.err
    assert "is not UTF-8 text (byte 9); save it as UTF-8" in ended.err


QUICK_CASES = [
    case for case in cases() if case[0] in ("list", "show", "runs", "leaderboard", "compare", "new", "doctor")
]


@pytest.mark.parametrize("case", QUICK_CASES, ids=lambda case: " ".join(case)[:50])
def test_yaml_in_latin_1_of_others_hinders_nobody(case: tuple[str, ...], latin: Path) -> None:
    if "tiny" not in case:
        ended = run_in(in_world(case, latin))
        assert not faults_of(list(case), ended, {}, {})
        assert ended.code == 0 or "--check" in case or case[0] == "doctor", ended
