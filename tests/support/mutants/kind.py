"""What a planted fault is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Mutant(NamedTuple):
    """One fault: a text of a file that occurs there once, and what stands in its place."""

    area: str
    """``methods``, ``losses``, ``views``, ``optimisers`` or ``protocols``."""
    file: str
    what: str
    """The fault in a phrase."""
    old: str
    new: str
    tests: str
    """Options of pytest: the smallest files that should notice."""

    @property
    def name(self) -> str:
        """File and phrase, by which it is listed."""
        return f"{self.file}: {self.what}"

    def planted(self, root: Path) -> str:
        """The file's text with the fault in it; raises ``ValueError`` where the text is not there exactly once."""
        text = (root / self.file).read_text(encoding="utf-8")
        if (count := text.count(self.old)) != 1:
            raise ValueError(
                f"{self.name}: the text below occurs {count} times, not once; name another text of today's source in"
                f" tests/support/mutants\n{self.old}"
            )
        return text.replace(self.old, self.new)


def planted_in(area: str, file: str, tests: str, *faults: tuple[str, str, str]) -> tuple[Mutant, ...]:
    """Faults of one file: phrase, text and what replaces it."""
    return tuple(Mutant(area, file, what, old, new, tests) for what, old, new in faults)
