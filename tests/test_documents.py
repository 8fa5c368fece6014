"""What the README and CONTRIBUTING tell people to type is there: scripts, verbs, flags, files, calls."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import importlib
import os
import pkgutil
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import sslskel
from sslskel.cli import VERBS
from sslskel.plugins.registry import PROTOCOLS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/guide/cookbook.md",
    "docs/guide/protocols.md",
    "docs/guide/your-own-data.md",
    "examples/plugin/README.md",
    *(f"docs/tutorials/{page.name}" for page in sorted((ROOT / "docs/tutorials").glob("*.md"))),
)
GUIDES = tuple(f"docs/guide/{page.name}" for page in sorted((ROOT / "docs/guide").glob("*.md")))
"""Pages of which the commands are looked at too."""
MADE = ("tests/methods/test_my_idea.py", "configs/method/NAME.yaml", "sslskel/datasets", "docs/_build")
"""Paths in pages that a command or a person makes, not the checkout."""


def blocks(document: str, language: str) -> list[str]:
    """The code blocks of a document in one language."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands() -> Iterator[tuple[str, list[str]]]:
    """(document, words) of every line of shell that the documents show, `&&` split."""
    for document in dict.fromkeys((*DOCUMENTS, *GUIDES)):
        for block in blocks(document, "sh"):
            for line in block.splitlines():
                for part in re.split(r"&&", line):
                    if words := shlex.split(part, comments=True):
                        yield document, words


SSLSKEL = sorted({shlex.join(words[1:]) for _, words in commands() if words[0] == "sslskel"})


def test_set_up_is_two_commands_that_can_be_run() -> None:
    lines = [shlex.split(line, comments=True) for line in blocks("README.md", "sh")[0].splitlines()]
    assert lines == [["./scripts/bench"], ["./scripts/test"]]
    for [script] in lines:
        assert os.access(ROOT / script, os.X_OK)


@pytest.mark.parametrize("line", SSLSKEL)
def test_every_command_parses(line: str) -> None:
    verb, *rest = shlex.split(line)
    assert verb in VERBS
    module = importlib.import_module(f"sslskel.cli.{verb}")
    parser = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
    module.add_arguments(parser)
    _, leftover = parser.parse_known_args(rest)
    assert all("=" in word and not word.startswith("-") for word in leftover), leftover
    assert not leftover or module.OVERRIDES


def test_python_in_the_readme_names_what_exists() -> None:
    [block] = blocks("README.md", "python")
    nodes = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Attribute)]
    names = {node.attr for node in nodes if isinstance(node.value, ast.Name) and node.value.id == "sslskel"}
    assert {"bench", "load_encoder"} <= names
    assert all(callable(getattr(sslskel, name)) for name in names)


def pages() -> list[Path]:
    """Every Markdown file that people read."""
    return [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "examples" / "plugin" / "README.md"]


def test_files_that_pages_link_to_are_there() -> None:
    for page in pages():
        for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_files_and_modules_that_pages_name_are_there() -> None:
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for path in re.findall(r"\b((?:examples|docs|scripts|sslskel|tests|configs)/[\w/-]+(?:\.\w+)?)", text):
            assert path in MADE or (ROOT / path).exists(), f"{page.relative_to(ROOT)} names {path}"
        for name in re.findall(r"`(sslskel(?:\.\w+)+)", text):
            pkgutil.resolve_name(name)


def test_pages_of_decisions_are_short_and_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    index = folder / "README.md"
    listed = re.findall(r"\]\((\S+)\)", index.read_text(encoding="utf-8"))
    written = sorted(page.name for page in folder.iterdir() if page != index)
    assert listed == written
    assert [name for name in written if len((folder / name).read_text(encoding="utf-8").split()) > 450] == []


def test_scripts_of_the_documents_can_be_run() -> None:
    scripts = {words[0] for _, words in commands() if words[0].startswith(("./scripts/", ".ci/"))}
    assert {"./scripts/bench", "./scripts/test", ".ci/run", ".ci/full"} <= scripts
    for script in scripts:
        assert os.access(ROOT / script, os.X_OK), script


def test_every_protocol_has_a_section_that_names_its_options() -> None:
    sections = re.split(
        r"^## ", (ROOT / "docs" / "guide" / "protocols.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    said = {section.partition("\n")[0]: section for section in sections}
    for name in (entry.name for entry in PROTOCOLS.entries() if entry.source == "built-in"):
        options = {field.name for field in dataclasses.fields(PROTOCOLS.get(name).Config)}
        inherited = {"transfer": "finetune", "semi": "finetune", "occlusion": "linear"}.get(name, name)
        words = set(re.findall(r"\w+", said[name] + said[inherited]))
        assert options <= words, f"docs/guide/protocols.md does not say {sorted(options - words)} of {name}"
        assert "**Measures**" in said[name]
        assert "**Selection**" in said[name] + said[inherited]
    for name in (entry.name for entry in PROTOCOLS.entries() if entry.source == "preset"):
        assert f"`{name}`" in "".join(sections)
