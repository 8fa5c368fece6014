"""Writes ``docs/measured/speed.md``: runs the measurements that a folder lacks, and compares them with their targets.

Each measurement is one ``sslskel speed`` whose JSON stays in the folder, so an interrupted run continues, and
measurements of another machine can be added.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from sslskel.nn.attention import MULTIPLIES_BFLOAT16
from sslskel.speed import markdown
from sslskel.speed.machine import matmul_peak

PLUGINS = Path(__file__).resolve().parent / "studies" / "plugins"
BENCHMARK = "synthetic_pairs"
INTRODUCTION = """# Speed

`sslskel speed --method NAME` measures pretraining, encoding, the linear protocol and the loader on your machine:
samples per second, the stages of a step, memory, and FLOP per second with their share of what matrix products
reach on the same device (MFU). `--against as_released` measures the same work in a plain configuration
too, as released code does it: all bodies, attention written out and each product scaled, fp32, clips prepared one
by one from padded arrays, a test pass in every epoch. Both sides share weights, random draws, allocator and threads.
Before anything is timed they must agree (loss and gradients, features, clips); otherwise no ratio is printed.
Ratios are of bracketed pairs (A B B A), median with range, since seconds on a shared machine mean little; on
busy cores, use ratios of processor time.

The import of datasets and the parts of contrastive methods have separate pages: [speed-import.md](speed-import.md),
[speed-contrastive.md](speed-contrastive.md).

Differences in accuracy: between the three modes below in [studies/modes.md](studies/modes.md), between
fresh and cached views of linear heads in [studies/views.md](studies/views.md).

## Three ways to train

| `--mode` | trains on | arithmetic | options |
|---|---|---|---|
| `exact` | every person slot, zeros of missing persons too, as released | fp32 | `method.empty_bodies=reference` |
| `present` (default) | persons that are there | fp32 | `method.empty_bodies=present` |
| `fast` | persons that are there | bf16 | the same, `engine.precision=bf16` |

`exact` computes the released loss and reproduces recorded steps of the released code. `present` computes
another loss, the mean over tokens of present persons. These options are part of a run's
identity, so runs that differ in them never share a row of a board. `fast` needs a device that multiplies
bfloat16; a CPU without such instructions takes many times longer than in fp32.

## Threads

`engine.threads=0`, the default, takes `OMP_NUM_THREADS`, else as many threads as torch does, within what a
container allows. It ignores the load, because the number of threads decides the last bits of a result.
The command lets waiting threads sleep instead of spin (`OMP_WAIT_POLICY=PASSIVE`, unless you set it): on a busy
machine, spinning threads hold up sleeping ones. With four busy cores, three or four
spinning threads did not finish 17 small steps in two minutes; with sleeping ones training was as fast as with one
thread or faster. From Python, set it in the environment before torch is imported. The cost on an idle
machine was not measured.
"""

JUDGED = """Ratios are medians of bracketed pairs, by wall time and, on a CPU, by processor time. The recorded load
shows how busy the machine was: use wall time on an idle one, processor time on a busy one.
Targets were set for released sizes; with one cached view only the head is left, so the ratio grows with the
encoder. Reasons for missed targets: bf16 at `quick` is bound by products too small for its instructions and by the
softmax; the loader by passes over memory (two gathers, the rotation, the dense array), to which a second thread adds
processor time at these sizes."""


def main() -> int:
    """Run the missing measurements, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="JSON files of measurements")
    parser.add_argument("--presets", nargs="+", default=["quick", "released"])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--page", type=Path, default=Path("docs/measured/speed.md"))
    parser.add_argument(
        "--only-write", action="store_true", help="measure nothing; write the page from the files in the folder"
    )
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    modes = ["exact", "present", *(["fast"] if device == "cuda" or MULTIPLIES_BFLOAT16 else [])]
    for preset in [] if options.only_write else options.presets:
        shared = ["--method", "mamp", "--benchmark", BENCHMARK, "--preset", preset, "--device", device]
        size = f"train.batch_size={options.batch}"
        for mode in modes:
            measure(options, f"{preset}-{mode}", [*shared, "--mode", mode, "--against", "as_released", size])
        measure(options, f"{preset}-times", [*shared, size])
    files = sorted(options.folder.glob("*.json"))
    reports = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    options.page.write_text(page(reports, options.presets), encoding="utf-8")
    return 0


def measure(options: argparse.Namespace, name: str, argv: list[str]) -> dict[str, Any]:
    """The report of one command, which runs only if its result is missing."""
    target = options.folder / f"{name}.json"
    if not target.exists():
        print(name, file=sys.stderr, flush=True)
        env = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
        env["SSLSKEL_PLUGINS"] = os.pathsep.join(filter(None, [str(PLUGINS), env.get("SSLSKEL_PLUGINS", "")]))
        subprocess.run([sys.executable, "-m", "sslskel", "speed", *argv, "--output", str(target)], env=env, check=True)
    report: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return report


def page(reports: dict[str, dict[str, Any]], presets: list[str]) -> str:
    """The whole page; every number comes from a report."""
    lines = [INTRODUCTION, "## Targets", "", JUDGED, ""]
    for preset in presets:
        by_mode = {mode: reports.get(f"{preset}-{mode}") for mode in ("exact", "present", "fast")}
        if any(by_mode.values()):
            lines += [f"### {preset.capitalize()} sizes", "", *targets(by_mode), ""]
    lines += bfloat16()
    lines += ["## Measurements", "", markdown(list(reports.values()))]
    lines += [
        "## How this page is made",
        "",
        "```sh",
        " ".join(
            ["python", "scripts/pages/speed.py", *(option for option in sys.argv[1:] if option != "--only-write")]
        ),
        "```",
        "",
        f"`{BENCHMARK}` is the embedded benchmark `synthetic` with as many second persons as NTU RGB+D 60 has"
        " (40.9 % of all bodies are empty); it lies beside the studies. On a machine with a GPU the same command"
        " measures there.",
        "",
    ]
    return "\n".join(lines)


def targets(by_mode: dict[str, dict[str, Any] | None]) -> list[str]:
    """A table of every target and what was measured."""
    exact, present, fast = (by_mode[mode] for mode in ("exact", "present", "fast"))
    rows = [
        ("step, exact", 1.05, 1.2, _ratio(exact, "step"), _by_cpu(exact, "step")),
        ("step, present persons, fp32", 1.6, 1.9, _ratio(present, "step"), _by_cpu(present, "step")),
        ("step, fast (bf16)", 3.0, 3.8, _ratio(fast, "step"), _by_cpu(fast, "step")),
        ("memory of a step, present, fp32", 2.5, 4.0, _memory(present), None),
        ("linear protocol, fp32", 2.7, 4.0, _ratio(present, "linear"), _by_cpu(present, "linear")),
        (
            "linear protocol, 1 cached view",
            150.0,
            250.0,
            _ratio(present, "linear", "one_view"),
            _ratio(present, "linear", "cpu_one_view"),
        ),
        ("loader, dense", 6.0, 8.0, _ratio(present, "loader"), _by_cpu(present, "loader")),
        ("store, padded to 300 frames", 5.5, 12.0, _store(present, "stored_bytes"), None),
        ("store in float16, padded to 300 frames", 5.5, 12.0, _store(present, "float16_bytes"), None),
    ]
    lines = ["| work | at least | aim | measured | by processor time | |", "|---|---|---|---|---|---|"]
    for name, least, aim, value, by_cpu in rows:
        verdict = _verdicts(value, by_cpu, least, aim)
        lines.append(f"| {name} | {least:g} | {aim:g} | {_number(value)} | {_number(by_cpu)} | {verdict} |")
    over, by_cpu = (
        None if present is None else present["engine"][f"{kind}overhead"]["median"] for kind in ("", "cpu_")
    )
    if over is None or by_cpu is None:
        lines.append("| engine over a bare loop | < 3 % | < 1 % | | | not measured |")
    else:
        verdict = _verdicts(-over, -by_cpu, -0.03, -0.01)
        lines.append(f"| engine over a bare loop | < 3 % | < 1 % | {over:+.1%} | {by_cpu:+.1%} | {verdict} |")
    lines.append("| everything on a GPU | 6 times, MFU 25 % | | | | not measured |")
    return lines


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _verdicts(value: float | None, by_cpu: float | None, least: float, aim: float) -> str:
    clock, processor = _verdict(value, least, aim), _verdict(by_cpu, least, aim)
    return clock if by_cpu is None or clock == processor else f"{clock} by wall time, {processor} by processor time"


def _verdict(value: float | None, least: float, aim: float) -> str:
    if value is None:
        return "not measured"
    return "aim" if value >= aim else "met" if value >= least else "**missed**"


def _ratio(report: dict[str, Any] | None, work: str, name: str = "ratio") -> float | None:
    return None if report is None else report["works"][work].get(name, {}).get("median")


def _by_cpu(report: dict[str, Any] | None, work: str) -> float | None:
    return _ratio(report, work, "cpu_ratio")


def _memory(report: dict[str, Any] | None) -> float | None:
    return None if report is None else report["works"]["step"].get("memory", {}).get("ratio")


def _store(report: dict[str, Any] | None, name: str) -> float | None:
    if report is None:
        return None
    return float(report["store"]["padded_bytes"]["300 frames"] / report["store"][name])


def bfloat16() -> list[str]:
    """Why ``fast`` was not measured; nothing where it was."""
    if torch.cuda.is_available() or MULTIPLIES_BFLOAT16:
        return []
    single, half = (
        matmul_peak(torch.device("cpu"), dtype, size=256) / 1e9 for dtype in (torch.float32, torch.bfloat16)
    )
    return [
        "`fast` is not measured: this CPU has no bfloat16 instructions. Matrix products reach"
        f" {half:.1f} GFLOP/s in bf16 and {single:.1f} in fp32.",
        "",
    ]


if __name__ == "__main__":
    sys.exit(main())
