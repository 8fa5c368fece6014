"""Writes docs/errata.md from the errata in methods/common/errata.

Usage: PYTHONPATH=. python scripts/pages/errata.py. No demonstration is run; ``tests/methods/test_errata.py`` checks
that the page is up to date, and that each demonstration shows what its entry says.
"""

from __future__ import annotations

from pathlib import Path

from sslskel.plugins.errata import errata_names, errata_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "errata.md"
INTRODUCTION = """# Errata of the field

Made by `python scripts/pages/errata.py` from `methods/common/errata`; change the entries there, not this page.

Where released code and its paper part, or where code cannot do what it says. An entry says what it is, where it was
read, whether it changes results, and what happens here by default. `sslskel errata NAME` computes what an entry claims
on synthetic clips, in seconds; `sslskel errata NAME/ENTRY` one of them, and `sslskel errata` lists all.

To release code at all is what makes such a page possible, and nobody's results are doubted by it: which code made a
printed number is known to its authors alone. Corrections are welcome, from authors above all. How accuracy changes was
measured where an entry says so, and else was not.
"""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for name in errata_names():
        errata = errata_of(name)
        about = f"`{name}`: {errata.code}; as of {errata.dated}." if errata.code else f"`{name}`; as of {errata.dated}."
        parts.append(f"\n## {errata.title}\n\n{about}\n")
        for entry in errata.entries:
            parts.append(
                f"\n### {name}/{entry.name}\n\n{entry.what}\n\n- **Evidence.** {entry.evidence}\n"
                f"- **Numbers.** {entry.numbers}\n- **Here.** {entry.here}\n"
            )
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
