"""Plants one fault after the other in copies of the checkout, runs the tests that should notice, and counts.

Usage: python scripts/pages/mutation.py [--output docs/measured/mutation.md]. Ends with 1 where fewer than 95 % are
noticed, where a fault cannot be planted, or where the tests fail without one. Ten minutes on two cores.

Faults are declared in tests/support/mutants. Their tests run without those marked ``long``, in a process that has
loaded the libraries already.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from mutants import MUTANTS, Mutant  # noqa: E402

LEAST = 0.95
LIMIT = 900
"""Seconds after which a run is ended; a fault that stops a program is noticed too."""
LIBRARIES = (
    "torch",
    "accelerate",
    "hydra",
    "hypothesis",
    "numpy",
    "pytest",
    "safetensors.torch",
    "scipy.optimize",
    "sklearn.cluster",
    "sklearn.linear_model",
    "sklearn.metrics",
)
FOREIGN = 70
"""Exit code of a run that found another sslskel than its copy's."""
VERDICTS = {0: "survived", 1: "caught", -9: "caught"}
"""By pytest's exit code; -9 is a run that was ended."""
PAGE = "docs/measured/mutation.md"
TEXT = """# Faults that tests notice

One fault after the other was planted in the sources, as a person could make it: another constant, a step left out, the
key encoder in place of the query encoder. Each is a line of `tests/support/mutants`, with the test files that should
notice. It is noticed where one of their tests fails; without the fault all of them pass. Tests marked `long` do not
run, and property-based ones try the same examples each time, so that the counts are the same at each run. `.ci/full`
runs a sample and fails below {least:.0%}. {declared} faults are declared. Made by

```sh
{command}
```

**{caught} of {total} faults are noticed, {share:.1%}.**

| what the faults are in | planted | noticed |
|---|---|---|
{rows}

{survivors}"""


class Job(NamedTuple):
    """A run of tests in a copy of the checkout; without a mutant it must pass."""

    tests: str
    mutant: Mutant | None = None


class Ended(NamedTuple):
    """How a run ended."""

    job: Job
    code: int
    log: Path
    seconds: float


class Kept:
    """Verdicts of earlier runs, by everything that a run reads but the sources that have no fault."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def _path(self, job: Job) -> Path | None:
        if self._folder is None:
            return None
        read = [ROOT / file for file in test_files(job.tests)]
        read += sorted(path for path in (ROOT / "tests/support").glob("*.py"))
        planted = job.mutant.planted(ROOT) if job.mutant else ""
        content = "\0".join([job.tests, planted, *(path.read_text(encoding="utf-8") for path in read)])
        return self._folder / f"{hashlib.sha256(content.encode()).hexdigest()[:24]}.txt"

    def of(self, job: Job) -> str:
        """A run's verdict; empty for one that is not known."""
        path = self._path(job)
        return path.read_text(encoding="utf-8") if path is not None and path.is_file() else ""

    def add(self, job: Job, verdict: str) -> None:
        """Keep a verdict."""
        if (path := self._path(job)) is not None:
            path.write_text(verdict, encoding="utf-8")


def main() -> int:
    """Run what is asked for and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, metavar="PAGE", help=f"write the page, for instance {PAGE}")
    parser.add_argument("--only", default="", metavar="WORD", help="faults whose file, phrase or area has this word")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="as many of them, drawn by --seed")
    parser.add_argument("--seed", type=int, default=0, help="of --sample and of the order of runs (default: 0)")
    parser.add_argument("--folder", type=Path, help="keep verdicts there, so that an interrupted run continues")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="runs at a time (default: one a core)")
    options = parser.parse_args()
    wanted = [m for m in MUTANTS if options.only in f"{m.area} {m.name}"]
    random.Random(options.seed).shuffle(wanted)
    wanted = wanted[: options.sample or None]
    if not wanted:
        print(f"no fault has the word '{options.only}'", file=sys.stderr)
        return 1
    if not (ROOT.parent / "shared").is_dir():
        able = [mutant for mutant in wanted if not needs_recordings(mutant)]
        print(f"no folder 'shared' beside the checkout: {len(wanted) - len(able)} faults need its recorded cases")
        wanted = able
    try:
        for mutant in MUTANTS:
            mutant.planted(ROOT)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for library in LIBRARIES:
        importlib.import_module(library)
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        return judged(wanted, options, Path(folder))


def needs_recordings(mutant: Mutant) -> bool:
    """Whether a test file that should notice reads recorded cases, which no public clone has."""
    return any("shared" in (ROOT / file).read_text(encoding="utf-8") for file in test_files(mutant.tests))


def test_files(tests: str) -> list[str]:
    """Files among options of pytest."""
    return [word for word in shlex.split(tests) if word.endswith(".py")]


def judged(wanted: Sequence[Mutant], options: argparse.Namespace, folder: Path) -> int:
    """Run all, print what survives, and say whether enough were noticed."""
    kept = Kept(options.folder)
    sound = [Job(file) for file in sorted({file for mutant in wanted for file in test_files(mutant.tests)})]
    jobs = [*sound, *(Job(mutant.tests, mutant) for mutant in wanted)]
    verdicts: dict[Mutant, str] = {}
    verdicts |= {job.mutant: verdict for job in jobs if (verdict := kept.of(job)) and job.mutant is not None}
    jobs = [job for job in jobs if not kept.of(job)]
    for number, ended in enumerate(run_all(jobs, options.workers, folder), 1):
        mutant, verdict = ended.job.mutant, VERDICTS.get(ended.code, "broken")
        name = f"without a fault: {ended.job.tests}" if mutant is None else mutant.name
        if verdict != ("caught" if mutant else "survived"):
            print(f"{verdict if mutant else 'fails'} ({ended.code}, {ended.seconds:.0f} s): {name}", flush=True)
        if verdict == "broken" or (mutant is None and verdict != "survived"):
            print("\n".join(ended.log.read_text(encoding="utf-8").splitlines()[-40:]), file=sys.stderr)
            return 1
        kept.add(ended.job, verdict)
        if mutant is not None:
            verdicts[mutant] = verdict
        if number % 20 == 0:
            print(f"{number} of {len(jobs)} runs", flush=True)
    caught = sum(verdict == "caught" for verdict in verdicts.values())
    print(f"{caught} of {len(verdicts)} faults are noticed, {caught / len(verdicts):.1%}")
    if options.output:
        options.output.write_text(page(verdicts, options), encoding="utf-8")
    return int(caught < LEAST * len(verdicts))


def run_all(jobs: Sequence[Job], workers: int, folder: Path) -> Iterator[Ended]:
    """Every job, some at a time, each worker in a copy of its own; in the order in which they end."""
    trees = [copied(folder / str(number)) for number in range(min(workers, len(jobs)))]
    waiting, running = list(reversed(jobs)), {}
    try:
        while waiting or running:
            while waiting and trees:
                job, tree = waiting.pop(), trees.pop()
                if job.mutant is not None:
                    (tree / job.mutant.file).write_text(job.mutant.planted(ROOT), encoding="utf-8")
                log = folder / f"{len(waiting)}.log"
                running[started(job.tests, tree, log)] = (job, tree, log, time.monotonic())
            for late in [pid for pid, (*_, began) in running.items() if time.monotonic() - began > LIMIT]:
                os.killpg(late, signal.SIGKILL)
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                time.sleep(0.02)
                continue
            job, tree, log, began = running.pop(pid)
            if job.mutant is not None:
                shutil.copy2(ROOT / job.mutant.file, tree / job.mutant.file)
            trees.append(tree)
            yield Ended(job, os.waitstatus_to_exitcode(status), log, time.monotonic() - began)
    finally:
        for pid in running:
            os.killpg(pid, signal.SIGKILL)


def copied(folder: Path) -> Path:
    """A copy of what git knows or could know of the checkout, with ``shared`` beside it where there is one."""
    tree = folder / "checkout"
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    if (ROOT.parent / "shared").is_dir():
        (folder / "shared").symlink_to((ROOT.parent / "shared").resolve())
    return tree


def started(tests: str, tree: Path, log: Path) -> int:
    """Run tests in a child that shares the loaded libraries; returns its process id."""
    child = os.fork()
    if child:
        return child
    code = FOREIGN
    try:
        os.setpgid(0, 0)
        with log.open("w", encoding="utf-8") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        os.chdir(tree)
        os.environ |= {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        os.environ |= {"SSLSKEL_DATA": str(tree.parent / "data"), "SSLSKEL_EXAMPLES": "same"}
        sys.dont_write_bytecode = True
        sys.path[:] = [
            str(tree),
            *(path for path in sys.path if Path(path).resolve() not in (ROOT, ROOT / "scripts/pages")),
        ]
        for name in [name for name in sys.modules if name.partition(".")[0] == "mutants"]:
            del sys.modules[name]
        import pytest
        import torch

        import sslskel

        torch.set_num_threads(1)
        if Path(str(sslskel.__file__)).is_relative_to(tree):
            code = int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-m", "not long", *shlex.split(tests)]))
    finally:
        sys.stdout.flush()
        os._exit(code)


def asked(options: argparse.Namespace) -> list[str]:
    """The options that decide what the page says."""
    words = ["--only", options.only] if options.only else []
    words += ["--sample", str(options.sample), "--seed", str(options.seed)] if options.sample else []
    return [*words, "--output", options.output.as_posix()]


def page(verdicts: dict[Mutant, str], options: argparse.Namespace) -> str:
    """The whole page."""
    planted, noticed = Counter(m.area for m in verdicts), Counter(m.area for m, v in verdicts.items() if v == "caught")
    survivors = sorted(mutant.name for mutant, verdict in verdicts.items() if verdict == "survived")
    listed = "Not noticed are:\n\n" + "".join(f"- {name}\n" for name in survivors) if survivors else ""
    return (
        TEXT.format(
            least=LEAST,
            declared=len(MUTANTS),
            command=shlex.join(["python", "scripts/pages/mutation.py", *asked(options)]),
            caught=noticed.total(),
            total=planted.total(),
            share=noticed.total() / planted.total(),
            rows="\n".join(f"| {area} | {planted[area]} | {noticed[area]} |" for area in sorted(planted)),
            survivors=listed,
        ).rstrip()
        + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
