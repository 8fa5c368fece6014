"""Measured speeds as lines for a terminal and as Markdown; nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sslskel.speed.works import WORKS

Report = Mapping[str, Any]


def text(report: Report) -> str:
    """Either report for a terminal."""
    head = f"{report['method']} on {report['benchmark']}, preset {report['preset']}, {report['precision']}"
    lines = [f"{head}, batch {report['batch_size']}, {report['device']}, {report['threads']} threads"]
    lines += _ratios(report) if "against" in report else _times(report)
    lines.append(f"  allocator: {report['allocator']}; load {_load(report)}")
    return "\n".join(lines)


def _times(report: Report) -> list[str]:
    lines = []
    for work in WORKS:
        part = report[work]
        if part is None:
            if work == "pretraining":
                lines.append(f"  {work}: this method does not train")
            continue
        split = ", ".join(f"{stage} {seconds * 1e3:.1f} ms" for stage, seconds in part["seconds"].items())
        lines.append(f"  {work}: {part['samples_per_second']:.1f} samples/s; median step: {split}")
        if "mfu" in part:
            lines.append(f"    {part['flops_per_second'] / 1e9:.1f} GFLOP/s, {part['mfu']:.0%} of this device's peak")
        if part.get("step_memory_bytes") is not None:
            lines.append(f"    a step takes {_mebibytes(part['step_memory_bytes'])}")
        if "expected" in part:
            lines.append(f"    {part['expected']}")
    lines.append(f"  peak of matrix products: {report['matmul_peak'] / 1e9:.1f} GFLOP/s in {report['precision']}")
    lines.append(f"  peak memory of the process {_mebibytes(report['peak_memory_bytes'])}")
    return lines


def _ratios(report: Report) -> list[str]:
    lines = [f"  against {report['against']}; {_sides(report)}"]
    for name, ratio, note in ratio_rows(report):
        lines.append(f"  {name}: {ratio}{f'; {note}' if note else ''}")
    return lines


def _sides(report: Report) -> str:
    """What a reader must know about the two sides."""
    if report["against"] == "encoders":
        passes = ", ".join(f"{count} {kind}" for kind, count in report["passes"].items())
        return f"passes of encoders in a step: {passes}"
    if report["against"] == "frame_loop":
        return f"{report['frames']} frames, {report['hidden']} units"
    return f"{report['empty_bodies']:.1%} of bodies empty"


def ratio_rows(report: Report) -> list[tuple[str, str, str]]:
    """(work, ratio as text, note) of a comparison; a work whose sides differ has no ratio."""
    if report["against"] == "encoders":
        return [_row("step over its encoders' passes", report["works"]["step"])]
    if report["against"] == "frame_loop":
        return [_row(name, part) for name, part in report["works"].items()]
    return _released_rows(report)


def _row(name: str, part: Mapping[str, Any]) -> tuple[str, str, str]:
    apart = ""
    if "equal" in part:
        apart = f"differ by {part['difference']:.1e}, {part['allowed']:.0e} allowed"
        if not part["equal"]:
            return name, "no ratio: the two sides are not equal", apart
    notes = (f"by processor time {_span(part['cpu_ratio'])}", _seconds(part), apart)
    return name, _span(part["ratio"]), "; ".join(filter(None, notes))


def _released_rows(report: Report) -> list[tuple[str, str, str]]:
    works, rows = report["works"], []
    for work, name in (("step", f"step, {report['mode']}"), ("linear", "linear protocol"), ("loader", "loader, dense")):
        part = works[work]
        rows.append(_row(name, part))
        if work == "step" and "memory" in part:
            memory = part["memory"]
            rows.append(
                (
                    "memory of a step",
                    f"{memory['ratio']:.2f}",
                    f"{_mebibytes(memory['theirs'])} to {_mebibytes(memory['ours'])}",
                )
            )
        if "one_view" in part:
            cpu = f"by processor time {_span(part['cpu_one_view'], 0)}"
            note = f"{cpu}; {part['epochs']} epochs"
            rows.append(("linear protocol, 1 cached view", _span(part["one_view"], 0), note))
    engine = report["engine"]
    over, cpu_over = (
        {name: f"{value:+.1%}" for name, value in engine[kind].items()} for kind in ("overhead", "cpu_overhead")
    )
    rows.append(
        (
            "engine over a bare loop",
            f"{over['median']} ({over['min']} to {over['max']})",
            f"by processor time {cpu_over['median']} ({cpu_over['min']} to {cpu_over['max']});"
            f" steps of {engine['bare_step_seconds'] * 1e3:.0f} ms",
        )
    )
    store = report["store"]
    for name, padded in store["padded_bytes"].items():
        rows.append(
            (
                f"store, padded to {name}",
                f"{padded / store['stored_bytes']:.1f}",
                f"{padded / store['float16_bytes']:.1f} in float16, which moves a joint by up to"
                f" {store['float16_error']:.1e} {store['unit']}",
            )
        )
    return rows


def _span(ratio: Mapping[str, float], digits: int = 2) -> str:
    median, low, high = (f"{ratio[name]:.{digits}f}" for name in ("median", "min", "max"))
    return f"{median} ({low} to {high})"


def _seconds(part: Mapping[str, Any]) -> str:
    return f"{part['theirs_seconds']:.3g} s to {part['ours_seconds']:.3g} s"


def _mebibytes(count: float) -> str:
    return f"{count / 2**20:,.0f} MiB"


def _load(report: Report) -> str:
    return " ".join(f"{value:.1f}" for value in report["load"] or []) or "not known"


def markdown(reports: list[Report]) -> str:
    """Tables of several reports, with the machine that each was measured on."""
    lines: list[str] = []
    for report in reports:
        cpu = report["hardware"]["gpus"] or [report["hardware"]["cpu"]]
        where = f"{report['device']} ({cpu[0]}), {report['threads']} threads"
        against = "against" in report
        lines += [
            f"### {report['method']}, {report['preset']} sizes, {report.get('mode', report['precision'])}"
            + (f" against {report['against']}" if against else ""),
            "",
            f"`{report['benchmark']}`, batch {report['batch_size']}, {where}, load {_load(report)};"
            f" torch {report['versions']['torch']}, sslskel {report['versions']['sslskel']};"
            f" allocator: {report['allocator']}" + (f"; {_sides(report)}." if against else "."),
            "",
        ]
        lines += _ratio_table(report) if against else _time_table(report)
        lines.append("")
    return "\n".join(lines)


def _ratio_table(report: Report) -> list[str]:
    lines = ["| work | ratio: median (min to max) | |", "|---|---|---|"]
    return lines + [f"| {name} | {ratio} | {note} |" for name, ratio, note in ratio_rows(report)]


def _time_table(report: Report) -> list[str]:
    lines = ["| work | samples/s | step | GFLOP/s | MFU | memory of a step |", "|---|---|---|---|---|---|"]
    for work in WORKS:
        part = report[work]
        if part is None:
            continue
        split = ", ".join(f"{stage} {seconds * 1e3:.1f} ms" for stage, seconds in part["seconds"].items())
        flops = f"{part['flops_per_second'] / 1e9:.1f}" if "mfu" in part else ""
        share = f"{part['mfu']:.0%}" if "mfu" in part else ""
        memory = part.get("step_memory_bytes")
        held = "" if memory is None else _mebibytes(memory)
        lines.append(f"| {work} | {part['samples_per_second']:.1f} | {split} | {flops} | {share} | {held} |")
    return [*lines, "", f"Peak of matrix products: {report['matmul_peak'] / 1e9:.1f} GFLOP/s in {report['precision']}."]
