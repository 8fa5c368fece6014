"""Packages of the wheel: `sslskel`, with `methods`, `benchmarks` and `configs` folded in as its sub-packages.

Everything else about the build is in pyproject.toml; the mapping is here because a
new plugin folder must appear in the wheel without an edit.
"""

import sys

from setuptools import find_packages, setup

FOLDED = ("methods", "benchmarks", "configs")
# An editable install puts the checkout on the path, where `sslskel` itself finds the folded folders beside it. For
# folders that map to other names setuptools would make an import hook instead, which type checkers cannot read.
EDITABLE = "editable_wheel" in sys.argv

packages = find_packages(include=["sslskel", "sslskel.*"])
for folder in () if EDITABLE else FOLDED:
    packages += [f"sslskel.{folder}", *(f"sslskel.{folder}.{name}" for name in find_packages(folder))]

setup(
    packages=packages,
    package_dir={"": "."} if EDITABLE else {f"sslskel.{folder}": folder for folder in FOLDED},
    package_data={
        "": [
            *(f"**/*.{suffix}" for suffix in ("yaml", "json", "csv", "txt", "md", "j2", "css", "js")),
            "**/py.typed",
        ]
    },
)
