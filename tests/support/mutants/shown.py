"""Faults of errata and of what their demonstrations share."""

from __future__ import annotations

from mutants.kind import Mutant, planted_in

TESTS = "tests/methods/test_errata.py"

SHOWN: tuple[Mutant, ...] = (
    *planted_in(
        "methods",
        "sslskel/plugins/errata.py",
        TESTS,
        ("shows no entry by name", 'wanted in ("", entry.name)', 'wanted == ""'),
    ),
    *planted_in(
        "methods",
        "methods/common/errata/__init__.py",
        f"{TESTS} -k first_epoch",
        ("trains where nothing is to be updated", "if method.updates(progress):", "if True:"),
    ),
)
