"""The page about methods says what the registry says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sslskel.checks.catalogue import lines_of_code, method_table
from sslskel.cli import main
from sslskel.plugins.scaffold import new_method

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "methods.md"


def test_the_table_of_methods_is_up_to_date() -> None:
    [written] = re.findall(r"<!-- table -->\n(.*)<!-- end of table -->", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert written == method_table(("built-in", "preset")), (
        "run `sslskel list methods --table` and put its output into docs/guide/methods.md"
    )


def test_local_methods_are_in_the_table_and_a_broken_one_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file, _ = new_method("mine")
    file.with_name("torn.py").write_text("import nothing_of_this_name\n")
    rows = {line.split("`")[1]: line for line in method_table().splitlines()[2:]}
    assert rows["mine"].split(" | ")[4:7] == ["`transformer`", "one of 3", str(lines_of_code(file))]
    assert rows["mine"].endswith("| - | - |")
    assert "cannot be loaded" in rows["torn"]
    assert "`mamp`" in rows["mamp"]


def test_a_method_written_after_a_description_says_so_in_the_table_and_when_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    [row] = [line for line in method_table().splitlines() if line.startswith("| `cpm` |")]
    assert " none: after the description " in row
    assert main(["show", "cpm"]) == 0
    assert "after the description: no code was released" in capsys.readouterr().out


def test_code_is_counted_without_prose(tmp_path: Path) -> None:
    file = tmp_path / "plugin.py"
    prose = '"""What it is.\n\nMore.\n"""\n\n# why\n'
    code = 'X = 1\n"""What X is."""\n\n\ndef f():\n    """Does."""\n    return "a"\n'
    file.write_text(prose + code)
    assert lines_of_code(file) == 3
