"""The page about methods says what the registry says."""

from __future__ import annotations

import re
from pathlib import Path

from sslskel.checks.catalogue import lines_of_code, method_table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "methods.md"


def test_the_table_of_methods_is_up_to_date() -> None:
    [written] = re.findall(r"<!-- table -->\n(.*)<!-- end of table -->", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert written == method_table(), "run `sslskel list methods --table` and put its output into docs/guide/methods.md"


def test_code_is_counted_without_prose(tmp_path: Path) -> None:
    file = tmp_path / "plugin.py"
    prose = '"""What it is.\n\nMore.\n"""\n\n# why\n'
    code = 'X = 1\n"""What X is."""\n\n\ndef f():\n    """Does."""\n    return "a"\n'
    file.write_text(prose + code)
    assert lines_of_code(file) == 3
