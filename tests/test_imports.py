"""Who may import whom: the layers of .importlinter, and what plugins may take from the framework."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sslskel
from sslskel.plugins.registry import COMMON, METHODS, is_plugin
from sslskel.plugins.scaffold import new_method

ROOT = Path(__file__).resolve().parents[1]
FOLDED = ("methods", "benchmarks", "configs")
PLUGINS = (*FOLDED, "backbones", "protocols")
"""Folders whose files the framework knows by name alone."""
NAMED = {
    "api/method.py: transformer": "the default of `default_backbone`, part of the contract",
    "config/groups.py: linear": "a value of train.weight_decay_course",
    "encoders/meta.py: transformer": "the backbone that released files are read into",
    "evaluation/finetune_config.py: linear": "a value of protocol.head",
    "evaluation/finetune_config.py: mamp": "the name of a published recipe in records, hashed into identities",
    "evaluation/finetune_config.py: scratch": "a value of protocol.start",
    "evaluation/finetune_parts.py: finetune": "the protocol whose presets are recipes of fine-tuning",
    "evaluation/finetune_training.py: finetune": "a noise site: another name would change numbers",
    "evaluation/linear_training.py: linear": "a noise site, and the protocol whose presets are recipes of heads",
    "evaluation/linear_training.py: mamp": "the name of a published recipe in records, hashed into identities",
    "evaluation/subsets.py: semi": "a noise site: another name would change numbers",
    "nn/token_masks.py: transformer": "the backbone that a sentence advises",
    "plugins/registry.py: linear": "the protocol of commands that are given none",
    "plugins/registry.py: synthetic": "the benchmark of commands that are given none",
    "protocols/detection.py: linear": "the name of a published recipe in records, hashed into identities",
    "speed/as_released.py: linear": "a work of speed reports, whose keys are fixed",
    "speed/report.py: linear": "a work of speed reports, whose keys are fixed",
    "speed/works.py: linear": "a work of speed reports, whose keys are fixed",
}
"""Where the framework may write the name of a plugin, and why."""
USUAL_WORDS = {"cluster", "detection", "linear", "occlusion", "retrieval", "scratch", "semi", "synthetic"}
USUAL_WORDS |= {"slim", "transfer", "transformer"}
"""Names that are words of the field too: they name the plugin where they stand alone, quoted, or as a flag's value."""


def imported(file: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything a file imports, names of ``from`` imports included."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A dot stands for the plugin's own package, which is never a fault; more dots leave it.
            assert node.level < 2, f"{file}:{node.lineno}: an import leaves its package by dots; write it in full"
            if not node.level:
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def faults_of_framework(files: list[Path]) -> list[str]:
    """Imports of plugins by the framework; backbones and protocols import none of each other either."""
    banned = tuple(f"sslskel.{folder}" for folder in PLUGINS)
    return [
        f"{file.name}:{line} imports {name}"
        for file in files
        for line, name in imported(file)
        if f"{name}.".startswith(tuple(f"{package}." for package in banned))
    ]


def faults_of_facade(files: list[Path]) -> list[str]:
    """Imports through ``sslskel`` itself by the framework: they would hide the layer of a name."""
    names = {f"sslskel.{name}" for name in sslskel.__all__}
    return [f"{file.name}:{line} imports {name}" for file in files for line, name in imported(file) if name in names]


def built_in(root: Path) -> set[str]:
    """Names of all plugins of a checkout, presets of methods and protocols among them."""
    folders = (*FOLDED[:2], *(f"sslskel/{folder}" for folder in PLUGINS[3:]))
    entries = {entry.stem for folder in folders for entry in (root / folder).glob("*") if entry.name[0] != "."}
    return {*filter(is_plugin, entries)} | {
        file.stem for kind in ("method", "protocol") for file in root.glob(f"configs/{kind}/*.yaml")
    }


def docstrings(tree: ast.Module) -> set[ast.AST]:
    """Constants that are a statement of their own."""
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def names_in_strings(root: Path, names: set[str]) -> set[str]:
    """Names of plugins in strings of the framework, docstrings among them, as "file: name".

    A backbone or protocol may name itself, and others in its docstrings.
    """
    places = set()
    for file in (root / "sslskel").rglob("*.py"):
        tree, own = ast.parse(file.read_text(encoding="utf-8")), file.relative_to(root / "sslskel")
        plugin = own.parts[0] in PLUGINS
        for node in set(ast.walk(tree)) - (docstrings(tree) if plugin else set()):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named = names_in(node.value, names) - ({file.stem} if plugin else set())
                places |= {f"{own.as_posix()}: {name}" for name in named}
    return places


def names_in(text: str, names: set[str]) -> set[str]:
    """Which of the names stand in a text as words."""
    shown = {name for name in names - USUAL_WORDS if re.search(rf"(?<!\w){name}(?!\w)", text)}
    alone = r"^{0}$|[`'\"]{0}[`'\"]|--\w+[ =]{0}\b"
    return shown | {name for name in names & USUAL_WORDS if re.search(alone.format(name), text)}


def faults_of_plugins(folder: Path) -> list[str]:
    """Imports by built-in plugins of private names, or of one another.

    What lies in the folder's ``common`` is no plugin: plugins may import it, its packages neither plugins nor each
    other.
    """
    package = f"sslskel.{folder.name}"
    faults = []
    for file in sorted(folder.rglob("*.py")):
        place = file.relative_to(folder).with_suffix("").parts
        shared = place[0] == COMMON
        own = ".".join([package, *place[: 1 + shared]])
        for line, name in imported(file):
            if not name.startswith("sslskel.") or f"{name}.".startswith(f"{own}."):
                continue
            parts = name.split(".")
            private = any(part.startswith("_") and not part.startswith("__") for part in parts)
            sibling = parts[1] in PLUGINS and (shared or not name.startswith(f"{package}.{COMMON}."))
            if private or sibling:
                faults.append(f"{folder.name}/{file.relative_to(folder)}:{line} imports {name}")
    return faults


def test_imports_go_to_lower_layers_only() -> None:
    script = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", script, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_framework_takes_nothing_through_its_facade() -> None:
    assert not faults_of_facade(sorted((ROOT / "sslskel").glob("*/**/*.py")))


def test_the_framework_imports_no_method_no_benchmark_and_no_protocol() -> None:
    assert not faults_of_framework(sorted((ROOT / "sslskel").rglob("*.py")))
    assert names_in_strings(ROOT, built_in(ROOT)) == set(NAMED)


@pytest.mark.parametrize("folder", ["methods", "benchmarks"])
def test_plugins_take_public_names_and_nothing_of_each_other(folder: str) -> None:
    assert not faults_of_plugins(ROOT / folder)


SMALL = ("--benchmark", "tiny", "--preset", "quick")
SHORT = ("train.epochs=1", "train.warmup_epochs=0", "protocol.epochs=1", "protocol.warmup_epochs=0")
WATCHED = """
import sys, traceback
import sslskel.engine.train, sslskel.grid.jobs, sslskel.grid.run, sslskel.leaderboard
from sslskel.cli import main

early = {"scipy.optimize", "scipy.stats", "sklearn", "sympy"} & set(sys.modules)
assert not early, f"loaded before anything is trained: {early}"

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch._dynamo", "torch.distributed.tensor"):
            raise RuntimeError(f"{name} would be loaded here")

sys.meta_path.insert(0, Watch())
methods, faults = sys.argv[1].split(","), []
for method in methods:
    try:
        code = main(["bench", "--method", method, *sys.argv[2:]])
    except RuntimeError:
        traceback.print_exc()
        code = 1
    if code or {"torch._dynamo", "torch.distributed.tensor"} & set(sys.modules):
        faults.append(method)
sys.exit("failed: " + ", ".join(faults) if faults else 0)
"""
"""Benches methods one after the other; the first import of the compiler, or of sharded tensors, ends a method, and its
traceback says where."""
ARITHMETIC = """
        import torch

        rows = nn.functional.normalize(torch.eye(4) @ torch.randn(4, 8), dim=1)
        assert float(self.head.weight.detach().abs().sum()) > 0
        self.register_buffer("rows", rows / rows.std(0))
"""
"""What a constructor may do besides making layers."""


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        (["random_init"], ["--protocol", "knn", *SMALL]),
        pytest.param(
            ["mamp", "skeletonclr", "own_idea"],
            ["--protocol", "linear,finetune", *SMALL, *SHORT],
            marks=pytest.mark.long,
        ),
        pytest.param(
            [name for name in METHODS.names() if not METHODS.get(name).reads_labels],
            ["--protocol", "knn", *SMALL, *SHORT[:2]],
            marks=pytest.mark.long,
        ),
    ],
    ids=["judging", "training", "every method"],
)
def test_no_process_loads_what_it_does_not_use(
    methods: list[str], words: list[str], command_env: dict[str, str], tmp_path: Path
) -> None:
    """``torch._dynamo`` and ``torch.distributed.tensor`` take more than a second each of every process, rank, job and
    cluster task, and so does scikit-learn, which only scores need."""
    own, _ = new_method("own_idea", tmp_path)
    text = own.read_text(encoding="utf-8")
    head = "        self.head = nn.Linear(self.backbone.dim, clip.coordinates)\n"
    assert head in text
    own.write_text(text.replace(head, head + ARITHMETIC.lstrip("\n")), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, ",".join(methods), *words],
        cwd=tmp_path,
        env=command_env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_these_checks_can_fail(tmp_path: Path) -> None:
    folder = tmp_path / "methods"
    folder.mkdir()
    (folder / "a.py").write_text("from sslskel.methods.b import B\nfrom sslskel.api.noise import _mix, Noise\n")
    (folder / "b.py").write_text("import sslskel.methods.b\nfrom sslskel.api.batch import Batch\n")
    (folder / "c.py").write_text("from sslskel.methods.common import kin\nfrom sslskel.methods.common.kin import _a\n")
    (folder / "d.py").write_text("from sslskel import Batch, __version__\n")
    (folder / "e.py").write_text("from sslskel.backbones.transformer import Transformer\n")
    (folder / "common").mkdir()
    (folder / "common" / "kin.py").write_text(
        "from sslskel.methods.a import A\nfrom sslskel.methods.common.others import B\n"
        "from sslskel.methods.common.kin import C\n"
    )
    assert faults_of_plugins(folder) == [
        "methods/a.py:1 imports sslskel.methods.b.B",
        "methods/a.py:2 imports sslskel.api.noise._mix",
        "methods/c.py:2 imports sslskel.methods.common.kin._a",
        "methods/common/kin.py:1 imports sslskel.methods.a.A",
        "methods/common/kin.py:2 imports sslskel.methods.common.others.B",
        "methods/e.py:1 imports sslskel.backbones.transformer.Transformer",
    ]
    assert len(faults_of_framework([folder / "a.py"])) == 1
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "sslskel").mkdir()
    (tmp_path / "sslskel" / "x.py").write_text('"""As b does."""\nx = ["a", f"{1} c", "aces", "d_e"]\n')
    (tmp_path / "sslskel" / "protocols").mkdir()
    (tmp_path / "sslskel" / "protocols" / "linear.py").write_text('"""As a does."""\nx = "linear", "as b"\n')
    (tmp_path / "sslskel" / "y.py").write_text('x = "one linear head"\ny = "--protocol linear"\n')
    names = {"x.py: a", "x.py: b", "x.py: c", "y.py: linear", "protocols/linear.py: b"}
    assert names_in_strings(tmp_path, built_in(tmp_path)) == names
    assert faults_of_facade([folder / "d.py"]) == ["d.py:1 imports sslskel.Batch"]
