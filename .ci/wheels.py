"""Looks into built wheels: top-level name, typing marker, every plugin file, and that all wheels hold the same.

Usage: wheels.py SOURCE WHEEL...
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

FOLDED = ("methods", "benchmarks", "configs")


def content(wheel: Path) -> dict[str, str]:
    """File name -> sha256 of everything but the metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if ".dist-info/" not in name and not name.endswith("/")
        }


def expected(source: Path) -> set[str]:
    """Every file of the source that a user of the wheel needs."""
    kept = {".py", ".yaml", ".csv", ".typed", ".json", ".j2", ".css", ".js"}
    inside = {f"sslskel/{file.relative_to(source / 'sslskel')}" for file in (source / "sslskel").rglob("*")}
    for folder in FOLDED:
        inside |= {f"sslskel/{file.relative_to(source)}" for file in (source / folder).rglob("*")}
    return {name for name in inside if Path(name).suffix in kept}


def main(source: Path, wheels: list[Path]) -> list[str]:
    """One sentence per fault."""
    faults = []
    first = content(wheels[0])
    for wheel in wheels:
        files = content(wheel)
        tops = {name.split("/")[0] for name in files}
        if tops != {"sslskel"}:
            faults.append(f"{wheel.name} has the top-level names {sorted(tops)}, not 'sslskel' alone")
        if "sslskel/py.typed" not in files:
            faults.append(f"{wheel.name} lacks sslskel/py.typed")
        if missing := sorted(expected(source) - set(files)):
            faults.append(f"{wheel.name} lacks {', '.join(missing)}")
        if extra := sorted(set(files) - expected(source) - {n for n in files if n.endswith((".md", ".txt"))}):
            faults.append(f"{wheel.name} holds {', '.join(extra)}, which the source does not")
        if files != first:
            changed = sorted(n for n in files.keys() | first.keys() if files.get(n) != first.get(n))
            faults.append(f"{wheel} differs from {wheels[0]} in {', '.join(changed)}")
    return faults


if __name__ == "__main__":
    problems = main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
    print("\n".join(problems) or f"{len(sys.argv) - 2} wheels hold the same, under one name")
    sys.exit(bool(problems))
