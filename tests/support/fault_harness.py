"""The fault harness: injects the faults of clusters into runs, counts those survived, and writes the tally down.

``scripts/pages/faults [--quick] [--output FILE]``; its counts are those of docs/measured/reliability.md.
Children are forked from this process, which has torch already, so that a kill costs no start-up.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import accelerate  # noqa: F401  imported once here, and not by every fork
import torch
import toy_engine
from fault_tools import apart, ended, forked_ranks, killed_after, small_disk, steps_written

from sslskel.engine.checkpoint import fault_of, latest, save_checkpoint
from sslskel.errors import RunError, SslskelError

OPTIONS: dict[str, Any] = {"slow": 0.005, "precision": "fp64", "method": {"terms": 2}, "train": {"epochs": 8}}
TENSORS = {"w": torch.arange(300.0), "b": torch.ones(7)}


@dataclass
class Tally:
    """What one kind of fault did."""

    fault: str
    tried: int
    survived: int
    lost: str
    """Work lost, in words."""
    held: str
    """What 'survived' means here."""


def killed_ranks(folder: Path, kills: int) -> Tally:
    """Kill -9 of a random rank of two at random moments; then the run ends, with the weights of an undisturbed one."""
    chance, lost, alone = random.Random(3), [], 0
    options = {**OPTIONS, "train": {"epochs": 20 * kills}}
    whole = toy_engine.run(folder / "whole", **{**options, "slow": 0.0})
    for _ in range(kills):
        ranks = forked_ranks(folder / "cut", options, 2)
        before = reached = steps_written(folder / "cut")
        # Most kills hit a run at work, some hit one that is being set up.
        until = time.monotonic() + (0.3 if chance.random() < 0.2 else 20.0)
        while reached == before and time.monotonic() < until:
            time.sleep(0.01)
            reached = steps_written(folder / "cut")
        time.sleep(chance.uniform(0.0, 0.4))
        reached = steps_written(folder / "cut")
        victim = chance.randrange(2)
        os.kill(ranks[victim], signal.SIGKILL)
        # As the launcher does: a rank that is still looking for the other one would not notice.
        os.kill(ranks[1 - victim], signal.SIGTERM)
        codes = ended(ranks, 60)
        alone += codes[1 - victim] is not None
        newest = latest(folder / "cut")
        lost.append(reached - (int(newest.name[5:]) if newest else 0))
    # On a machine with other work the rest of the run may take an hour; that is no fault of it.
    ended(forked_ranks(folder / "cut", options, 2), 3600)
    last = folder / "cut" / whole.checkpoint.name
    same = last.exists() and apart(whole.checkpoint, last) <= 1e-9
    epoch = whole.steps // (20 * kills)
    return Tally(
        "kill -9 of a random rank of two, at a random moment",
        kills,
        alone if same else 0,
        f"at most {max(lost)} steps of {whole.steps} (a checkpoint every {epoch})",
        "the other rank, stopped as the launcher would, ended within a minute; the weights are those of an"
        " undisturbed run",
    )


def killed_runs(folder: Path, kills: int) -> Tally:
    """Kill -9 of a run in one process."""
    options = {**OPTIONS, "precision": "fp32"}
    whole = toy_engine.run(folder / "whole", **options)
    reached = toy_engine.kill_and_resume(folder / "cut", options, kills, 11)
    last = folder / "cut" / whole.checkpoint.name
    same = (last / "model.safetensors").read_bytes() == (whole.checkpoint / "model.safetensors").read_bytes()
    kept = sum(after >= before for before, after in zip([-1, *reached], reached, strict=False))
    return Tally(
        "kill -9 of a run, at a random moment",
        kills,
        kept if same else 0,
        "steps since the last checkpoint",
        "no checkpoint was lost; the final weights are those of an undisturbed run, byte for byte",
    )


def killed_checkpoints(folder: Path, kills: int) -> Tally:
    """Kill -9 while checkpoints are written, one after the other."""
    tensors, chance, sound = {"w": torch.zeros(500_000)}, random.Random(1), 0

    def write() -> None:
        for step in range(10**6):
            save_checkpoint(folder, step, tensors, {}, {"meta": {}}, keep=2)

    for _ in range(kills):
        killed_after(write, chance.uniform(0.01, 0.15))
        names = sorted(path.name for path in folder.glob("step-*") if path.name[5:].isdigit())
        newest = latest(folder)
        sound += (newest.name if newest else None) == (names[-1] if names else None)
    return Tally(
        "kill -9 while a checkpoint is written",
        kills,
        sound,
        "none",
        "every checkpoint under its final name is complete",
    )


def killed_records(folder: Path, kills: int) -> Tally:
    """Kill -9 while records and their predictions are written."""
    import numpy as np

    from sslskel.results.record import parse_record
    from sslskel.results.store import ResultStore

    text = (Path(__file__).resolve().parents[1] / "results" / "record_v1.json").read_text(encoding="utf-8")
    store, chance, sound, begun = ResultStore(folder), random.Random(2), 0, 0

    def write() -> None:
        from dataclasses import replace

        for number in range(begun, 10**6):
            record = replace(parse_record(text), identity=f"{number:032x}", predictions=None)
            store.write(record, {"keys": np.arange(2000), "scores": np.random.default_rng(number).random(2000)})

    for number in range(kills):
        begun = number * 10**4
        killed_after(write, chance.uniform(0.01, 0.15))
        records, problems = store.read_all()
        try:
            sound += not problems and all(len(store.predictions(record)["keys"]) == 2000 for record in records[-50:])
        except SslskelError:
            continue
    return Tally(
        "kill -9 while a record is written",
        kills,
        sound,
        "the record that was being written",
        "every record can be read and names the predictions it was written with",
    )


def flipped_bits(folder: Path, flips: int) -> Tally:
    """One flipped bit at a random place of a checkpoint's files."""
    older = save_checkpoint(folder, 1, TENSORS, TENSORS, {"meta": {}}, keep=5)
    newer = save_checkpoint(folder, 2, TENSORS, TENSORS, {"meta": {}}, keep=5)
    chance, noticed, files = random.Random(2), 0, sorted(newer.iterdir())
    for _ in range(flips):
        file = chance.choice(files)
        content = file.read_bytes()
        changed = bytearray(content)
        changed[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(changed)
        noticed += latest(folder) == older
        file.write_bytes(content)
    return Tally(
        "one flipped bit in a checkpoint", flips, noticed, "one checkpoint", "noticed, and the one before it is used"
    )


def full_disks(folder: Path, times: int) -> Tally:
    """A disk of its own that fills up while a run writes checkpoints; once some is freed, the run goes on."""
    options = {**OPTIONS, "slow": 0.0, "method": {"terms": 2, "width": 256}}
    whole = toy_engine.run(folder / "whole", **options)
    survived = 0
    for number in range(times):
        with small_disk(folder / f"disk{number}", 1280 + 64 * number) as disk:
            filler = disk / "filler"
            filler.write_bytes(bytes((700 + 50 * number) * 1024))
            try:
                toy_engine.run(disk / "run", **options)
            except RunError as fault:
                explained = "no space left" in str(fault) and "free some" in str(fault)
                newest = latest(disk / "run")
                sound = newest is None or fault_of(newest) is None
                filler.unlink()
                (disk / "run").mkdir(exist_ok=True)
                result = toy_engine.run(disk / "run", **{**options, "train": {"epochs": 8, "keep_checkpoints": 1}})
                survived += explained and sound and apart(whole.checkpoint, result.checkpoint) == 0
    return Tally(
        "disk full while a run writes (a tmpfs of 1.3 MiB)",
        times,
        survived,
        "steps since the last checkpoint",
        "the error says what to free, the last checkpoint is valid, and the run continues to the same weights",
    )


def terminated(folder: Path, times: int) -> Tally:
    """SIGTERM or SIGUSR1 at random moments: the step is saved and the exit code asks to be queued again."""
    options = {**OPTIONS, "train": {"epochs": 4000, "checkpoint_epochs": 4000}}
    chance, survived, slowest = random.Random(7), 0, 0.0
    for number in range(times):
        place = folder / str(number)
        [child] = forked_ranks(place, options, 1)
        while not (place / "metrics.jsonl").exists():
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 0.4))
        start = time.monotonic()
        os.kill(child, chance.choice([signal.SIGTERM, signal.SIGUSR1]))
        [code] = ended([child], 30)
        slowest = max(slowest, time.monotonic() - start)
        steps = [line["step"] for line in toy_engine.lines(place)]
        survived += code == 75 and latest(place) == place / f"step-{steps[-1]:08d}"
    return Tally(
        "SIGTERM or SIGUSR1 at a random moment",
        times,
        survived,
        "none",
        f"exit code 75 with the last step saved, within {slowest:.1f} s",
    )


def frozen_ranks(folder: Path, times: int) -> Tally:
    """SIGSTOP of one rank of two: the other ends by itself and names it."""
    options = {**OPTIONS, "train": {"epochs": 4000}}
    survived = 0
    for number in range(times):
        ranks = forked_ranks(folder / str(number), options, 2, silent=4.0)
        while latest(folder / str(number)) is None:
            time.sleep(0.05)
        os.kill(ranks[1], signal.SIGSTOP)
        [code] = ended(ranks[:1], 60)
        survived += code == 1 and latest(folder / str(number)) is not None
        os.kill(ranks[1], signal.SIGKILL)
        os.waitpid(ranks[1], 0)
    return Tally(
        "a rank that hangs (SIGSTOP)",
        times,
        survived,
        "steps since the last checkpoint",
        "the other rank ended by itself and named the one without a heartbeat (set to 4 s here, 25 s by default)",
    )


def two_grids(folder: Path, times: int) -> Tally:
    """Two commands with the same grid in the same folder at the same time."""
    env = {**os.environ, "SSLSKEL_PLUGINS": str(Path(__file__).resolve().with_name("plugins"))}
    words = "-m sslskel bench --method mamp,random_init --benchmark tiny --protocol knn --seeds 2 --results".split()  # noqa: SIM905
    survived = 0
    for number in range(times):
        command = [sys.executable, *words, str(folder / str(number))]
        both = [
            subprocess.Popen(
                command,
                env={**env, "SSLSKEL_DATA": str(folder / "data")},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for _ in range(2)
        ]
        said = [process.communicate(timeout=600)[0].splitlines()[-1] for process in both]
        ran = sum(int(line.split()[0]) for line in said)
        records = len(list((folder / str(number)).glob("records/*.json")))
        survived += ran == records == 4 and not any(process.returncode for process in both)
    return Tally(
        "two grids of four cells in one folder at the same time",
        times,
        survived,
        "none",
        "every cell was run once, by one of them",
    )


FAULTS: dict[str, tuple[Callable[[Path, int], Tally], int, int]] = {
    "killed_ranks": (killed_ranks, 50, 5),
    "killed_runs": (killed_runs, 50, 5),
    "killed_checkpoints": (killed_checkpoints, 200, 5),
    "killed_records": (killed_records, 200, 5),
    "flipped_bits": (flipped_bits, 300, 20),
    "full_disks": (full_disks, 5, 1),
    "terminated": (terminated, 20, 1),
    "frozen_ranks": (frozen_ranks, 5, 1),
    "two_grids": (two_grids, 3, 1),
}
"""Name -> fault, how often in full, how often to try it quickly."""


def attempt(name: str, quick: bool) -> Tally | str:
    """Try one kind of fault; a reason where this machine does not let us."""
    fault, full, few = FAULTS[name]
    with tempfile.TemporaryDirectory(prefix="sslskel-faults-") as folder:
        try:
            return fault(Path(folder), few if quick else full)
        except PermissionError as refused:
            return str(refused)


def table(tallies: dict[str, Tally | str]) -> list[str]:
    """The tally as Markdown."""
    rows = ["| fault | survived / tried | work lost | meaning of survived |", "|---|---|---|---|"]
    for name, tally in tallies.items():
        if isinstance(tally, str):
            rows.append(f"| {name} | not tried: {tally} | | |")
        else:
            rows.append(f"| {tally.fault} | {tally.survived} / {tally.tried} | {tally.lost} | {tally.held} |")
    return rows


def main() -> int:
    """Try every fault, print the tally, write it to a file where one is named; 1 where something did not survive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few of each instead of all")
    parser.add_argument("--output", type=Path, help="Markdown file in which to replace the tally")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tallies = {}
    for name in FAULTS:
        start = time.monotonic()
        tallies[name] = attempt(name, options.quick)
        print(f"{tallies[name]} ({time.monotonic() - start:.0f} s)", flush=True)
    rows = table(tallies)
    print("\n".join(rows))
    if options.output is not None:
        text = options.output.read_text(encoding="utf-8")
        before, _, rest = text.partition("<!-- tally -->\n")
        _, _, after = rest.partition("<!-- end of tally -->")
        made = f"Made by `scripts/pages/faults --output {options.output}`, torch {torch.__version__}, Linux, CPU.\n"
        body = "\n".join([made, *rows])
        options.output.write_text(f"{before}<!-- tally -->\n{body}\n<!-- end of tally -->{after}", encoding="utf-8")
    return int(any(isinstance(tally, Tally) and tally.survived < tally.tried for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
