"""Packages of the wheel: `sslskel`, with `methods`, `benchmarks` and `configs` folded in as its sub-packages.

Everything else about the build is in pyproject.toml; the mapping is here because a
new plugin folder must appear in the wheel without an edit.
"""

from setuptools import find_packages, setup

FOLDED = ("methods", "benchmarks", "configs")

packages = find_packages(include=["sslskel", "sslskel.*"])
for folder in FOLDED:
    packages += [f"sslskel.{folder}", *(f"sslskel.{folder}.{name}" for name in find_packages(folder))]

setup(
    packages=packages,
    package_dir={f"sslskel.{folder}": folder for folder in FOLDED},
    package_data={
        "": [f"**/{name}" for name in ("*.yaml", "*.csv", "*.txt", "*.md", "*.j2", "*.css", "*.js", "py.typed")]
    },
)
