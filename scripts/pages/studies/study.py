"""Two studies as commands that can be interrupted and continued: ``views`` and ``modes``.

``views``: is a linear head on k cached views as accurate as on fresh ones?
``modes``: does a faster training mode cost accuracy?
Each runs the missing cells, seed by seed, and writes its page from the records only.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sslskel.config.modes import MODES

HERE = Path(__file__).resolve().parent
os.environ["SSLSKEL_PLUGINS"] = os.pathsep.join(
    filter(None, [str(HERE / "plugins"), os.environ.get("SSLSKEL_PLUGINS", "")])
)

VIEWS = (0, 1, 5, 10, 100)
QUESTIONS = {
    "views": (
        "Linear heads on cached views",
        "The linear protocol trains its head on a fresh augmented view of every clip in every epoch; `protocol.views=k`"
        " encodes k views once and goes round them. Frozen encoder: `mamp`. Differences are to fresh views, paired by"
        " seed.",
    ),
    "modes": (
        "Training modes",
        "`exact` trains on the zeros of missing persons too, as the released code does; `present` on persons that are"
        " there; `fast` is `present` in bf16. Differences are to `exact`, paired by seed. A benchmark of one person"
        " has no empty bodies, so that `exact` and `present` are the same there.",
    ),
}


def variants(study: str, only: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Name -> overrides; the others are compared with the first."""
    if study == "views":
        return {"fresh" if k == 0 else f"{k}": (f"protocol.views={k}", "protocol.epochs=100") for k in VIEWS}
    return {name: tuple(f"{key}={value}" for key, value in MODES[name].items()) for name in only}


def main() -> int:
    """Run, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", choices=sorted(QUESTIONS))
    parser.add_argument("--benchmarks", nargs="+", default=["synthetic"])
    parser.add_argument("--modes", nargs="+", default=["exact", "present"], choices=sorted(MODES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--results", type=Path, default=Path("runs-study"), help="results folder")
    parser.add_argument("--page", type=Path, required=True, help="Markdown file to write")
    parser.add_argument("overrides", nargs="*", help="GROUP.KEY=VALUE for every run")
    options = parser.parse_args()
    import sslskel
    from sslskel.results.record import Record

    records: dict[tuple[str, str], list[Record]] = {}
    names = variants(options.study, options.modes)
    for seed in range(options.seeds):
        for benchmark in options.benchmarks:
            for name, overrides in names.items():
                print(f"seed {seed}, {benchmark}, {name}", file=sys.stderr, flush=True)
                result = sslskel.bench(
                    ["mamp"],
                    ["linear"],
                    [benchmark],
                    [seed],
                    output=options.results,
                    preset=options.preset,
                    overrides=[*options.overrides, *overrides],
                )
                if result.failures:
                    print(*result.failures, sep="\n", file=sys.stderr)
                    return 1
                records.setdefault((benchmark, name), []).extend(result.records)
                write(options, records, list(names))
    return 0


def write(options: argparse.Namespace, records: dict, names: Sequence[str]) -> None:
    """Write the page from all records so far; a cell without its counterpart has no difference."""
    from sslskel.results.statistics import summarise

    title, question = QUESTIONS[options.study]
    lines = [f"# {title}", "", question, ""]
    lines += [
        f"| benchmark | {options.study} | seeds | top-1, % | difference, points | evaluation, s | pretraining, s |"
    ]
    lines += ["|---|---|---|---|---|---|---|"]
    for benchmark in options.benchmarks:
        base = records.get((benchmark, names[0]), [])
        for name in names:
            own = records.get((benchmark, name), [])
            if not own:
                continue
            top = [100 * record.scores["top1"] for record in own]
            pairs = [100 * (r.scores["top1"] - b.scores["top1"]) for r, b in zip(own, base, strict=False)]
            gain = "" if name == names[0] else in_brackets(summarise(pairs), "+")
            costs = [
                f"{sum(r.cost[cost] or 0 for r in own) / len(own):.0f}"
                for cost in ("evaluate_seconds", "pretrain_seconds")
            ]
            row = [benchmark, name, str(len(own)), in_brackets(summarise(top)), gain, *costs]
            lines.append(f"| {' | '.join(row)} |")
    one = next(iter(records.values()))[0]
    made = one.environment
    lines += ["", "In brackets: 95 % Student t interval over seeds. Seconds are of one busy machine and no benchmark."]
    lines += [
        "",
        f"Preset {options.preset}; {made['cpu']}; torch {made['torch']}, sslskel {made['sslskel']}, commit"
        f" {made['commit'][:12]}. Command:",
        "",
    ]
    argv = ["python", "scripts/pages/studies/study.py", options.study, "--benchmarks", *options.benchmarks]
    argv += ["--modes", *options.modes] if options.study == "modes" else []
    argv += ["--seeds", str(options.seeds), "--preset", options.preset, "--page", str(options.page)]
    argv += options.overrides
    lines += ["```sh", " ".join(argv), "```", ""]
    options.page.parent.mkdir(parents=True, exist_ok=True)
    options.page.write_text("\n".join(lines), encoding="utf-8")


def in_brackets(summary, sign: str = "") -> str:
    """``71.2 [68.0, 74.4]``; the mean alone for one seed."""
    mean = f"{summary.mean:{sign}.1f}"
    return mean if summary.interval is None else f"{mean} [{summary.interval[0]:.1f}, {summary.interval[1]:.1f}]"


if __name__ == "__main__":
    sys.exit(main())
