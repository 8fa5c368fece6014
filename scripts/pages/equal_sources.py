"""Adds the digests of all built-in plugins to the list of sources that are equal in numbers.

Usage: python scripts/pages/equal_sources.py. Run it when a built-in plugin's source has changed and its numbers have
not; where they have, bump the plugin's ``version`` first. A digest that is listed stays: results hold it.
"""

from __future__ import annotations

import json

from sslskel.plugins.registry import BACKBONES, METHODS, PROTOCOLS
from sslskel.plugins.source import EQUAL_FILE, digest_of


def completed(listed: dict[str, dict[str, dict[str, list[str]]]]) -> list[str]:
    """Add what is missing to the list, and return a line for each addition."""
    added = []
    for registry in (METHODS, BACKBONES, PROTOCOLS):
        for name, plugin in registry.built_in():
            digests = listed.setdefault(registry.kind, {}).setdefault(name, {}).setdefault(str(plugin.version), [])
            digest = digest_of(registry, name)
            if digest not in digests:
                digests.append(digest)
                added.append(f"{registry.kind} {name}, version {plugin.version}: {digest}")
    return added


def main() -> None:
    """Write the list again, sorted by name; digests stay in the order in which they came."""
    listed = json.loads(EQUAL_FILE.read_text(encoding="utf-8")) if EQUAL_FILE.exists() else {}
    for line in completed(listed):
        print(line)
    EQUAL_FILE.write_text(json.dumps(listed, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
