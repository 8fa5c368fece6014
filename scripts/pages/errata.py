"""Writes docs/errata.md from the errata in methods/common/errata.

Usage: PYTHONPATH=. python scripts/pages/errata.py. Every demonstration is run, in ten seconds.
``tests/methods/test_errata.py`` checks that the page is up to date, and that each demonstration shows what its entry
says.
"""

from __future__ import annotations

from pathlib import Path

from sslskel.plugins.errata import errata_names, errata_of, written

PAGE = Path(__file__).resolve().parents[2] / "docs" / "errata.md"
INTRODUCTION = """# Errata of the field

Made by `python scripts/pages/errata.py` from `methods/common/errata`; change the entries there, not this page.

Where released code and its paper part, or where code cannot do what it says. An entry says what it is, where it was
read, whether it changes results, what happens here by default, and what its demonstration shows on synthetic clips.
`sslskel errata NAME` computes this again in seconds, `sslskel errata NAME/ENTRY` for one entry; `sslskel errata` lists
all.

To release code at all is what makes such a page possible, and nobody's results are doubted by it: which code made a
printed number is known to its authors alone. Corrections are welcome, from authors above all. How accuracy changes was
measured where an entry says so, and else was not.
"""


SHOWN = "- **Shown.** "
"""Begins the line with a demonstration's numbers."""


def page(*, shown: bool) -> str:
    """The whole page, with or without the lines of what demonstrations show."""
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
            if shown:
                parts.append(f"{SHOWN}{'; '.join(written(entry.demonstrate(), 4))}.\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(shown=True), encoding="utf-8")
