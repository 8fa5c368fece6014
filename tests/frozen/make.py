"""Writes the frozen files of this folder, by the code of commit 867c4ca and never by today's.

They hold what must stay as it was: identities, fingerprints, checkpoints, records, boards and ``--help``. A file is
made again only where a difference is meant for good; ``test_frozen.py`` names small ones instead. To make them::

    git worktree add /tmp/old 867c4ca
    PYTHONPATH=/tmp/old python tests/frozen/make.py /tmp/old

``cells.json`` holds the requests too; to freeze more cells, add requests to it first.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ACTIONS = {"data": ("prepare", "import", "info", "verify", "card", "show")}
FORMATS = ("table", "markdown", "csv", "json", "latex", "html")
BENCH = (
    *("bench", "--method", "mamp,random_init", "--protocol", "linear,knn", "--benchmark", "tiny", "--preset", "cpu"),
    *("clip.frames=16", "backbone.dim=8", "backbone.depth=1", "backbone.heads=2", "method.decoder_dim=8"),
    *("method.decoder_depth=1", "method.decoder_heads=2", "train.epochs=2", "train.warmup_epochs=0"),
    "protocol.epochs=2",
)
SETS = ("tiny", "tiny_more", "streams")


def run(*words: str, cwd: Path) -> str:
    """What the command prints."""
    command = [sys.executable, "-m", "sslskel", *words]
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


def help_pages(work: Path) -> None:
    """``--help`` of the command, its verbs and their actions."""
    folder = HERE / "help"
    folder.mkdir()
    whole = run("--help", cwd=work)
    (folder / "sslskel.txt").write_text(whole, encoding="utf-8")
    for verb in (line.split()[0] for line in whole.partition("commands:\n")[2].partition("\n\n")[0].splitlines()):
        for words in ((verb,), *((verb, action) for action in ACTIONS.get(verb, ()))):
            (folder / f"{'-'.join(words)}.txt").write_text(run(*words, "--help", cwd=work), encoding="utf-8")


def results(work: Path) -> None:
    """A results folder of four cells with its checkpoints, and its board in six formats."""
    run(*BENCH, cwd=work)
    runs = work / "runs"
    shutil.rmtree(runs / "features")
    shutil.copytree(runs, HERE / "runs")
    (HERE / "board").mkdir()
    for form in FORMATS:
        text = run("leaderboard", "--format", form, cwd=work)
        if form == "html":
            text = hashlib.sha256(text.encode()).hexdigest() + "\n"
        (HERE / "board" / f"{form}.txt").write_text(text, encoding="utf-8")


def fingerprints(work: Path) -> None:
    """Of prepared benchmarks, and of recordings imported from ``own/``."""
    for name in SETS:
        run("data", "prepare", name, cwd=work)
    # The command is kept beside the data, so that its paths must not be those of one machine.
    run("data", "import", "own", "--clips", "own/clips.csv", "--layout", "own/layout.yaml", cwd=HERE)
    data = Path(os.environ["SSLSKEL_DATA"])
    content = {name: manifest(data / name) for name in (*SETS, "own")}
    (HERE / "fingerprints.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def manifest(folder: Path) -> dict[str, str]:
    """sha256 of a prepared dataset's files, and of its manifest itself."""
    text = (folder / "manifest.json").read_text(encoding="utf-8")
    files = {name: fact["sha256"] for name, fact in json.loads(text)["files"].items()}
    return {**files, "manifest.json": hashlib.sha256(text.encode()).hexdigest()}


def cells() -> None:
    """Identities of the cells that the requests in ``cells.json`` compose."""
    from sslskel import open_benchmark
    from sslskel.cell import grid
    from sslskel.registry import BENCHMARKS

    file = HERE / "cells.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    for entry in content:
        entry["cells"] = []
        asked = {"protocols": ["linear"], "benchmarks": ["tiny"], "seeds": [0], **entry["request"]}
        for cell in grid(**(asked | {"protocols": asked["protocols"] or [None]})):
            dataset = open_benchmark(BENCHMARKS.get(cell.benchmark))
            target = open_benchmark(BENCHMARKS.get(cell.target)) if cell.target else None
            identity = cell.identity(dataset, target) if cell.protocol else ""
            entry["cells"].append([cell.title, cell.pretrain_identity(dataset), identity])
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    file.write_text(text, encoding="utf-8")


def main() -> None:
    """Make everything again, with the checkout that the command line names."""
    checkout = Path(sys.argv[1]).resolve()
    for name in ("help", "runs", "board"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "PYTHONPATH": str(checkout),
            "SSLSKEL_DATA": f"{folder}/data",
            "SSLSKEL_PLUGINS": str(checkout / "tests" / "plugins"),
            "COLUMNS": "100",
            "OMP_NUM_THREADS": "1",
        }
        help_pages(Path(folder))
        results(Path(folder))
        fingerprints(Path(folder))
        cells()


if __name__ == "__main__":
    main()
