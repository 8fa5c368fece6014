"""The pages of docs/api are what ``scripts/pages/api.py`` makes of the docstrings now."""

from __future__ import annotations

import inspect
import re
import runpy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sound_method import Config, Sound
from torch.optim.optimizer import register_optimizer_step_post_hook

import sslskel
from sslskel.checks.fixtures import dataset_info, make_source
from sslskel.checks.method import MethodCase
from sslskel.config.groups import EngineConfig, TrainConfig
from sslskel.engine.train import pretrain
from sslskel.grid.initial import take_part
from sslskel.plugins.registry import BACKBONES

ROOT = Path(__file__).resolve().parents[1]
HINT = "run `python scripts/pages/api.py` and commit docs/api"
AUTHOR = (ROOT / "docs" / "api" / "author.md").read_text(encoding="utf-8")
PLUGINS = (sslskel.PretextMethod, sslskel.Backbone, sslskel.EvaluationProtocol)
MET = """Batch Term StepOutput Noise ViewSpec Sampler Progress PretextMethod Backbone TokenBackbone Encoder
EvaluationProtocol gather_rows own_rows sum_over_processes rank world_size is_first"""
"""What every author meets."""
PARTS = ("once|a new run", "every epoch", "every step")
"""Of the timeline: what comes once, for each epoch, for each step."""


def test_pages_are_up_to_date() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "pages" / "api.py"))
    made = script["pages"]()
    assert {file.name for file in (ROOT / "docs" / "api").iterdir()} == set(made), HINT
    for name, text in made.items():
        assert (ROOT / "docs" / "api" / name).read_text(encoding="utf-8") == text, f"docs/api/{name} is old: {HINT}"


def test_the_page_of_methods_says_what_authors_need() -> None:
    page = (ROOT / "docs" / "api" / "method.md").read_text(encoding="utf-8")
    for heading in ("## PretextMethod", "### PretextMethod.views", "### PretextMethod.forward"):
        assert f"{heading}\n" in page


def timeline() -> list[tuple[str, str]]:
    """(when, what) of the page's rows, in their order."""
    return re.findall(r"^\| ([\w ]+) \| [`*](\w+)[`*] \|", AUTHOR, re.MULTILINE)


def section(name: str) -> str:
    """What the page says of a class, its methods apart."""
    return AUTHOR.partition(f"\n## {name}\n")[2].partition("\n#")[0]


def test_the_page_of_authors_has_every_name_that_they_meet() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "pages" / "api.py"))
    modules = [module for of_heading in script["GROUPS"].values() for module in of_heading]
    names = [n for module in modules if module not in script["ONLY"] for n in script["public_names"]()[module]]
    shown = set(re.findall(r"^## (\w+)$", AUTHOR, re.MULTILINE))
    assert {*MET.split(), *names, *script["ONLY"].values()} <= shown
    api = {module for module in script["public_names"]() if module.startswith("api.")}
    assert api - set(modules) == {"api.benchmark", "api.dataset", "api.erratum", "api.skeleton"}, (
        "a module is on no page of authors"
    )


def test_every_class_variable_has_a_type_and_a_meaning() -> None:
    for plugin in PLUGINS:
        rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| ([^|]+) \| (.+) \|$", section(plugin.__name__), re.MULTILINE)
        own = {name for name in vars(plugin)["__annotations__"] if not name.startswith("_")}
        assert {row[0] for row in rows} == own
        assert all(len(meaning) > 5 or name == "dim" for name, _, _, meaning in rows)


def test_every_hook_of_a_method_is_on_the_timeline() -> None:
    hooks = {name for name, _ in inspect.getmembers(sslskel.PretextMethod, inspect.isroutine)}
    hooks = {name for name in hooks & set(vars(sslskel.PretextMethod)) if not name.startswith("_")}
    assert {name for _, name in timeline()} == {*hooks, "__init__", "backward", "optimiser"}


def recorded(calls: list[str]) -> type[Sound]:
    """A method that writes down what is called, and when gradients flow."""

    def wrapped(name: str) -> Callable[..., Any]:
        def call(self: Sound, *args: Any, **options: Any) -> Any:
            calls.append(name)
            result = getattr(Sound, name)(self, *args, **options)
            if name == "forward":
                result.terms["recover"].total.register_hook(lambda gradient: calls.append("backward"))
            return result

        return call

    names = [name for _, name in timeline() if hasattr(Sound, name)]
    return type("Recorded", (Sound,), {name: wrapped(name) for name in names})


def test_the_timeline_is_what_a_run_does(tmp_path: Path) -> None:
    calls: list[str] = []
    backbone, info, epochs, steps = BACKBONES.get(Sound.default_backbone), dataset_info(), 2, 3
    method, other = (
        MethodCase(kind, Config(), backbone, info).build(started=False, seed=seed)
        for seed, kind in enumerate((recorded(calls), Sound))
    )
    handle = register_optimizer_step_post_hook(lambda *_: calls.append("optimiser"))
    try:
        pretrain(
            method,
            make_source(info, 12, method.clip),
            TrainConfig(epochs=epochs, batch_size=4, warmup_epochs=0),
            EngineConfig(device="cpu"),
            0,
            tmp_path,
            {},
            init=partial(take_part, other=other, part="backbone", where="another"),
        )
    finally:
        handle.remove()
    start, epoch, step = ([name for when, name in timeline() if re.match(part, when)] for part in PARTS)
    assert calls == [*start, *[*epoch, *step * steps] * epochs]
