"""The recipes of examples/cookbook: short, of public names alone, on the page, sound, and the same in two processes."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file

import sslskel as facade
from sslskel import check_method, check_protocol, load_encoder

Command = Callable[..., "subprocess.CompletedProcess[str]"]

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = ROOT / "tests" / "support" / "plugins"
COOKBOOK = ROOT / "examples" / "cookbook"
FILES = sorted(COOKBOOK.rglob("*.py"))
RECIPES = sorted(file.stem for file in (COOKBOOK / "methods").glob("*.py"))
PRESETS = sorted(file.stem for file in (COOKBOOK / "configs" / "method").glob("*.yaml"))
PAGE = ROOT / "docs" / "guide" / "cookbook.md"
QUICK = (
    "constructor_does_no_io",
    "builds_from_defaults",
    "refuses_bad_values",
    "loss_is_finite",
    "every_parameter_gets_a_gradient",
    "leaves_the_batch_alone",
    "does_not_read_labels",
    "uses_keyed_noise_only",
    "keeps_what_trains",
    "epochs_start_the_same_way",
    "features_have_the_promised_shape",
    "weights_come_back",
)
SMALL = ("train.epochs=2", "train.batch_size=7", "train.drop_last=false", "engine.device=cpu", "engine.log_every=1")
ALSO = {"clustering": ("method.clusters=5",), "frozen_decoder": ("backbone.hidden=8",)}
"""Options of one recipe alone: the tiny benchmark has 18 training clips."""


@pytest.fixture(autouse=True)
def _known(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLSKEL_PLUGINS", os.pathsep.join([str(COOKBOOK), str(PLUGINS)]))


def trained(command: Command, recipe: str, output: Path, *words: str) -> Path:
    """The folder of a recipe's pretraining on the tiny benchmark."""
    asked = ("pretrain", "--method", recipe, "--benchmark", "tiny", "--results", str(output))
    options = [*SMALL, *words, *ALSO.get(recipe, ())]
    done = command(*asked, *options, SSLSKEL_PLUGINS=os.environ["SSLSKEL_PLUGINS"])
    assert done.returncode == 0, done.stderr
    [folder] = (output / "pretrain").glob(f"{recipe}-*")
    return folder


def named(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


def load(file: Path) -> ModuleType:
    """A file as a module of its name, as Python imports it in its folder."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_recipe_is_short_says_what_it_shows_and_takes_public_names(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 75
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= {"torch", *sys.stdlib_module_names}
        if isinstance(node, ast.ImportFrom):
            package, _, rest = str(node.module).partition(".")
            assert package in {"torch", "sslskel", *sys.stdlib_module_names}
            if package == "sslskel":
                assert not rest
                assert {alias.name for alias in node.names} <= set(facade.__all__)
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_") or node.attr.startswith("__") or node.attr == "_replace"


def test_the_page_has_a_row_for_every_recipe() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| [`")]
    assert sorted(re.findall(r"\[`(\w+)`\]", "".join(rows))) == sorted([*(file.stem for file in FILES), *PRESETS])
    hooks = {name for name in vars(facade.PretextMethod) if not name.startswith("_")}
    for file in (COOKBOOK / "methods").glob("*.py"):
        [row] = [line for line in rows if f"[`{file.stem}`]" in line]
        [plugin] = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.ClassDef)][1:]
        own = {node.name for node in plugin.body if isinstance(node, ast.FunctionDef)} & hooks
        assert named(row) & hooks >= own - {"forward", "encoders"}, f"{PAGE}: the row of {file.stem} lacks a hook"


@pytest.mark.parametrize("recipe", [*RECIPES, *PRESETS])
def test_a_recipe_passes_the_quick_checks_of_methods(recipe: str) -> None:
    results = check_method(recipe, only=QUICK)
    assert not [f"{result.name}: {result.detail}" for result in results if result.failed]


def test_the_protocol_keeps_the_contract_of_protocols() -> None:
    results = check_protocol("own_protocol")
    assert not [f"{result.name}: {result.detail}" for result in results if not result.passed]


def test_the_foreign_encoder_is_judged_as_what_its_owner_declares(tmp_path: Path) -> None:
    network = load(COOKBOOK / "foreign_encoder.py").build()
    record = facade.evaluate(encoder=network, seen="none", protocol="own_protocol", benchmark="tiny", output=tmp_path)
    assert record.scores["top1"] > 0.5
    clips = torch.randn(2, 3, 24, 25, 2)
    clips[1, ..., 1] = 0
    torch.testing.assert_close(network(clips)[1:], network(clips[1:, ..., :1]))


def test_a_distilled_network_learned_from_the_encoder_of_the_checkpoint(sslskel: Command, tmp_path: Path) -> None:
    teacher = trained(sslskel, "ema_teacher", tmp_path)
    student = trained(sslskel, "distillation", tmp_path, f"method.teacher={teacher}")
    wanted = load_encoder(teacher).state_dict()
    step = max(student.glob("step-*"))
    own = load_file(step / "model.safetensors")
    assert all(torch.equal(own[f"teacher.network.{name}"], value) for name, value in wanted.items())


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.long
@pytest.mark.parametrize("recipe", [*RECIPES, *PRESETS])
def test_two_processes_train_as_one(command: Command, sslskel: Command, recipe: str, tmp_path: Path) -> None:
    one = trained(sslskel, recipe, tmp_path / "one", "engine.precision=fp64")
    two = trained(command, recipe, tmp_path / "two", "engine.precision=fp64", "--processes", "2")
    assert len(losses(one)) == 6
    assert losses(two) == pytest.approx(losses(one), abs=1e-9, rel=0)


@pytest.mark.long
@pytest.mark.parametrize("recipe", [*RECIPES, *PRESETS])
def test_the_check_says_how_equal_one_two_and_four_processes_are(sslskel: Command, recipe: str) -> None:
    done = sslskel("check", "method", recipe, SSLSKEL_PLUGINS=os.environ["SSLSKEL_PLUGINS"])
    assert done.returncode == 0, done.stdout + done.stderr
    [line] = [line for line in done.stdout.splitlines() if "processes_train_as_one" in line]
    assert re.search(r" ok .* from one process: \S+ on 2 processes, \S+ on 4 processes", line), line


WRONG = {
    "forgotten_gather": (
        "contrastive_tuning",
        {
            "gather_rows(key)": "key",
            "own_rows(torch.arange(len(keys), device=keys.device), len(key))": "torch.arange(len(key))",
        },
        ("loss term 'contrast'", "its counts add up", "gather_rows"),
    ),
    "mean_with_count_one": (
        "distillation",
        {
            "mean_term(1 - cosine_similarity(student, teacher, dim=1))": "Term(values.mean(), values.new_ones(()))",
            "        return St": "        values = 1 - cosine_similarity(student, teacher, dim=1)\n        return St",
            "    mean_term,\n": "    Term,\n",
        },
        ("loss term 'distil'", "a mean with a count of 1", "Term(values.sum(), number of values)"),
    ),
    "bank_of_own_clips": (
        "memory_bank",
        {"gather_rows(self.new[0]), gather_rows(self.new[1])": "self.new[0], self.new[1]"},
        ("'bank' differs between processes", "from its own clips alone", "gather_rows"),
    ),
}
"""Name -> recipe, what of its text becomes what, and what the check must say of that."""


@pytest.mark.long
@pytest.mark.parametrize("name", WRONG)
def test_the_check_names_what_is_wrong_on_two_processes_alone(sslskel: Command, name: str, tmp_path: Path) -> None:
    recipe, changes, causes = WRONG[name]
    text = (COOKBOOK / "methods" / f"{recipe}.py").read_text(encoding="utf-8")
    for right, wrong in changes.items():
        assert right in text
        text = text.replace(right, wrong)
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / f"{name}.py").write_text(text, encoding="utf-8")
    done = sslskel("check", "method", name, SSLSKEL_PLUGINS=str(tmp_path))
    assert done.returncode == 1
    [fault] = [line for line in done.stdout.splitlines() if " FAIL " in line and "processes" in line]
    for cause in causes:
        assert cause in fault
